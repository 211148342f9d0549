//! A server that answers as Arroyo 0.14 does: paths, fields, states and errors are those of its OpenAPI
//! description and of the code behind it. It takes no field that the description lacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the cluster does beside what is right.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Error of every function whose text holds the first.
    pub udf: Option<(String, String)>,
    /// Error of every query whose text holds the first.
    pub query: Option<(String, String)>,
    /// A pipeline of this name fails instead of running, with this message.
    pub fails: Option<(String, String)>,
    /// A pipeline of this name crashes at its first record, again and again: Running for a moment.
    pub crashes: Option<String>,
    /// A pipeline of this name never leaves the state Scheduling.
    pub starved: Option<String>,
    /// Answers "Something went wrong" to the creation of a pipeline of this name.
    pub broken: Option<String>,
    /// Waits before every answer.
    pub slow: Duration,
}

#[derive(Default)]
struct Inner {
    faults: Faults,
    /// Oldest first.
    pipelines: Vec<Pipeline>,
    made: u64,
    /// Requests that change something, by method and path.
    changes: Vec<String>,
}

#[derive(Clone)]
struct Pipeline {
    id: String,
    post: PipelinePost,
    state: &'static str,
    /// Where it is going.
    ahead: Vec<&'static str>,
    running_desired: bool,
    failure: Option<String>,
    checkpoints: u32,
    run: u64,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PipelinePost {
    name: String,
    query: String,
    udfs: Option<Vec<Udf>>,
    parallelism: u64,
    checkpoint_interval_micros: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Udf {
    definition: String,
    language: Language,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Language {
    Python,
    Rust,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryPost {
    query: String,
    #[serde(default)]
    udfs: Option<Vec<Udf>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PipelinePatch {
    parallelism: Option<u64>,
    checkpoint_interval_micros: Option<u64>,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Stop {
    None,
    Checkpoint,
    Graceful,
    Immediate,
    Force,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    force: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    starting_after: Option<String>,
    limit: Option<usize>,
}

/// A body whose rejection is told as Arroyo tells it.
struct Body<T>(T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|problem| refused(problem.status(), problem.body_text()))
    }
}

type Shared = Arc<Mutex<Inner>>;

/// The server, on a free port until it is dropped.
pub struct Cluster {
    pub url: String,
    inner: Shared,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    pub fn start(faults: Faults) -> Self {
        let inner: Shared = Arc::new(Mutex::new(Inner { faults, ..Inner::default() }));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(Arc::clone(&inner));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, inner, _runtime: runtime }
    }

    pub fn set(&self, faults: Faults) {
        self.inner.lock().unwrap().faults = faults;
    }

    /// Name, state and query of each pipeline, oldest first.
    pub fn pipelines(&self) -> Vec<(String, String, String)> {
        let inner = self.inner.lock().unwrap();
        let all = inner.pipelines.iter();
        all.map(|found| (found.post.name.clone(), found.state.to_owned(), found.post.query.clone())).collect()
    }

    /// The changes asked for since the last call.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().changes)
    }

    /// Makes a job fail that ran.
    pub fn fail(&self, name: &str, message: &str) {
        let mut inner = self.inner.lock().unwrap();
        for found in inner.pipelines.iter_mut().filter(|found| found.post.name == name) {
            (found.state, found.failure, found.ahead) = ("Failed", Some(message.to_owned()), Vec::new());
        }
    }

    /// The same of one that was asked to stop.
    pub fn fail_while_stopping(&self, name: &str, message: &str) {
        self.fail(name, message);
        let mut inner = self.inner.lock().unwrap();
        let found = inner.pipelines.iter_mut().filter(|found| found.post.name == name);
        found.for_each(|found| found.running_desired = false);
    }

    /// Adds pipelines of somebody else.
    pub fn crowd(&self, count: usize) {
        let mut inner = self.inner.lock().unwrap();
        for nth in 0..count {
            inner.add(PipelinePost {
                name: format!("other_{nth}"),
                query: "SELECT 1".to_owned(),
                udfs: None,
                parallelism: 1,
                checkpoint_interval_micros: None,
            });
        }
    }
}

impl Inner {
    fn add(&mut self, post: PipelinePost) -> String {
        self.made += 1;
        let id = format!("pl_{:04}", self.made);
        let name = post.name.clone();
        let mut added = Pipeline {
            id: id.clone(),
            post,
            state: "Created",
            ahead: Vec::new(),
            running_desired: true,
            failure: None,
            checkpoints: 0,
            run: 1,
        };
        self.head(&mut added, &name);
        self.pipelines.push(added);
        id
    }

    /// Sends a job towards running, or to where its fault has it.
    fn head(&self, pipeline: &mut Pipeline, name: &str) {
        let is = |faulty: &Option<String>| faulty.as_deref() == Some(name);
        pipeline.failure = None;
        // The next state stands last.
        pipeline.ahead = match &self.faults.fails {
            Some((fails, _)) if fails == name => vec!["Failed", "Scheduling", "Compiling"],
            _ if is(&self.faults.starved) => vec!["Scheduling", "Compiling"],
            _ => vec!["Running", "Scheduling", "Compiling"],
        };
    }
}

impl Pipeline {
    /// The state after the present one, with each look at it.
    fn advance(&mut self, faults: &Faults) {
        if let Some(next) = self.ahead.pop() {
            self.state = next;
        }
        let crashes = faults.crashes.as_ref().is_some_and(|name| *name == self.post.name);
        // What ran before the fault goes on.
        if self.state == "Running" && crashes && self.checkpoints == 0 {
            self.run += 1;
            self.ahead = match self.run {
                ..=20 => vec!["Running", "Scheduling", "Recovering"],
                _ => vec!["Failed"],
            };
        } else if self.state == "Running" {
            self.checkpoints += 1;
        }
        if let ("Failed", None, Some((_, message))) = (self.state, &self.failure, &faults.fails) {
            self.failure = Some(message.clone());
        }
    }

    fn has_ended(&self) -> bool {
        ["Stopped", "Finished", "Failed"].contains(&self.state)
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.post.name,
            "query": self.post.query,
            "udfs": self.post.udfs.clone().unwrap_or_default(),
            "checkpointIntervalMicros": self.post.checkpoint_interval_micros.unwrap_or(10_000_000),
            "stop": "none",
            "createdAt": 1_767_225_600_000_000_u64,
            "action": "checkpoint",
            "actionText": "Stop",
            "actionInProgress": !self.ahead.is_empty(),
            "graph": graph(self.post.parallelism),
            "preview": false,
        })
    }

    fn job(&self) -> Value {
        json!({
            "id": format!("job_{}", self.id),
            "runningDesired": self.running_desired,
            "state": self.state,
            "runId": self.run,
            "startTime": 1_767_225_601_000_000_u64,
            "finishTime": null,
            "tasks": 7,
            "failureMessage": self.failure,
            "createdAt": 1_767_225_600_000_000_u64,
        })
    }
}

fn graph(parallelism: u64) -> Value {
    let node = |id: u32| json!({"nodeId": id, "operator": "source", "description": "kafka", "parallelism": parallelism});
    json!({"nodes": [node(1), node(2)], "edges": []})
}

fn refused(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(json!({ "error": message.into() }))).into_response()
}

fn router(shared: Shared) -> Router {
    let slow = Arc::clone(&shared);
    let routes = Router::new()
        .route("/ping", get(|| async { Json("Pong") }))
        .route("/udfs/validate", post(validate_udf))
        .route("/pipelines/validate_query", post(validate_query))
        .route("/pipelines", post(create).get(list))
        .route("/pipelines/{id}", patch(change).delete(delete).get(one))
        .route("/pipelines/{id}/restart", post(restart))
        .route("/pipelines/{id}/jobs", get(jobs))
        .route("/pipelines/{id}/jobs/{job}/errors", get(errors))
        .route("/pipelines/{id}/jobs/{job}/checkpoints", get(checkpoints))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "Route not found") })
        .layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
            let pause = slow.lock().unwrap().faults.slow;
            async move {
                tokio::time::sleep(pause).await;
                next.run(request).await
            }
        }))
        .with_state(shared);
    Router::new().nest("/api/v1", routes)
}

async fn validate_udf(State(shared): State<Shared>, Body(udf): Body<Udf>) -> Json<Value> {
    let faults = shared.lock().unwrap().faults.clone();
    let errors: Vec<String> = faults
        .udf
        .into_iter()
        .filter(|(in_text, _)| udf.definition.contains(in_text))
        .map(|(_, error)| error)
        .collect();
    Json(json!({"udfName": if errors.is_empty() { Some("udf") } else { None }, "errors": errors}))
}

fn problem(faults: &Faults, query: &str) -> Option<String> {
    let (in_text, error) = faults.query.as_ref()?;
    query.contains(in_text).then(|| error.clone())
}

async fn validate_query(State(shared): State<Shared>, Body(post): Body<QueryPost>) -> Json<Value> {
    let faults = shared.lock().unwrap().faults.clone();
    assert!(post.udfs.is_some_and(|udfs| !udfs.is_empty()), "queries here use functions");
    Json(match problem(&faults, &post.query) {
        Some(error) => json!({"graph": null, "errors": [error]}),
        None => json!({"graph": graph(1), "errors": []}),
    })
}

async fn create(State(shared): State<Shared>, Body(post): Body<PipelinePost>) -> Response {
    let mut inner = shared.lock().unwrap();
    inner.changes.push(format!("POST {}", post.name));
    if inner.faults.broken.as_ref() == Some(&post.name) {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong");
    }
    if let Some(error) = problem(&inner.faults, &post.query) {
        return refused(StatusCode::BAD_REQUEST, error);
    }
    let id = inner.add(post);
    let made = inner.pipelines.iter().find(|found| found.id == id).unwrap();
    Json(made.json()).into_response()
}

async fn list(State(shared): State<Shared>, Query(pages): Query<Pages>) -> Json<Value> {
    let inner = shared.lock().unwrap();
    let limit = pages.limit.unwrap_or(10);
    let newest: Vec<&Pipeline> = inner.pipelines.iter().rev().collect();
    let from = pages.starting_after.map_or(0, |after| {
        newest.iter().position(|found| found.id == after).map_or(newest.len(), |at| at + 1)
    });
    let page: Vec<Value> = newest.iter().skip(from).take(limit).map(|found| found.json()).collect();
    Json(json!({"hasMore": newest.len() > from + page.len(), "data": page}))
}

/// Answers for a pipeline, or that there is none.
fn with(shared: &Shared, id: &str, answer: impl FnOnce(&mut Pipeline, &Faults) -> Response) -> Response {
    let mut inner = shared.lock().unwrap();
    let faults = inner.faults.clone();
    match inner.pipelines.iter_mut().find(|found| found.id == id) {
        Some(found) => answer(found, &faults),
        None => refused(StatusCode::NOT_FOUND, "Pipeline not found"),
    }
}

async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    with(&shared, &id, |found, _| Json(found.json()).into_response())
}

async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Body(patch): Body<PipelinePatch>,
) -> Response {
    shared.lock().unwrap().changes.push(format!("PATCH {id}"));
    with(&shared, &id, |found, _| {
        if let Some(parallelism) = patch.parallelism {
            found.post.parallelism = parallelism;
            if !found.has_ended() {
                // For a moment it is still what it was.
                found.ahead = vec!["Running", "Scheduling", "Rescaling", "Running"];
                found.run += 1;
            }
        }
        if let Some(interval) = patch.checkpoint_interval_micros {
            if !(1_000_000..=86_400_000_000).contains(&interval) {
                return refused(
                    StatusCode::BAD_REQUEST,
                    "checkpoint_interval_micros must be between 1 second and 1 day",
                );
            }
            found.post.checkpoint_interval_micros = Some(interval);
        }
        match patch.stop {
            None => {}
            Some(Stop::None) => {
                found.running_desired = true;
                // A job that failed waits for a restart.
                if found.state != "Failed" {
                    found.run += 1;
                    found.ahead = vec!["Running", "Scheduling", "Compiling"];
                }
            }
            Some(mode) if !found.has_ended() => {
                found.running_desired = false;
                found.ahead = match mode {
                    Stop::Checkpoint => vec!["Stopped", "CheckpointStopping"],
                    _ => vec!["Stopped", "Stopping"],
                };
            }
            Some(_) => {}
        }
        Json(found.json()).into_response()
    })
}

async fn restart(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Body(body): Body<Restart>,
) -> Response {
    shared.lock().unwrap().changes.push(format!("POST {id}/restart"));
    assert_ne!(body.force, Some(true), "a restart goes on at the checkpoint");
    with(&shared, &id, |found, faults| {
        let fails = faults.fails.as_ref().is_some_and(|(name, _)| *name == found.post.name);
        // The restart of a job that is to be stopped does not change that.
        let end = match (fails, found.running_desired) {
            (true, _) => "Failed",
            (false, true) => "Running",
            (false, false) => "Stopped",
        };
        found.ahead = vec![end, "Scheduling", "Restarting", "Failed"];
        found.run += 1;
        Json(found.json()).into_response()
    })
}

async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let mut inner = shared.lock().unwrap();
    inner.changes.push(format!("DELETE {id}"));
    match inner.pipelines.iter().position(|found| found.id == id) {
        None => refused(StatusCode::NOT_FOUND, "Pipeline not found"),
        Some(at) if !inner.pipelines[at].has_ended() => refused(
            StatusCode::BAD_REQUEST,
            "Pipeline's jobs must be in a terminal state (stopped, finished, or failed) before it can be deleted",
        ),
        Some(at) => {
            inner.pipelines.remove(at);
            StatusCode::OK.into_response()
        }
    }
}

async fn jobs(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    with(&shared, &id, |found, faults| {
        found.advance(faults);
        Json(json!({"data": [found.job()]})).into_response()
    })
}

async fn errors(
    State(shared): State<Shared>,
    Path((id, _)): Path<(String, String)>,
    Query(_): Query<Pages>,
) -> Response {
    with(&shared, &id, |found, _| {
        let data: Vec<Value> = found
            .failure
            .iter()
            .map(|_| {
                json!({
                    "id": "log_1", "createdAt": 1_767_225_602_000_000_u64, "operatorId": "source_1", "taskIndex": 0,
                    "level": "error", "message": "Failed to create a consumer", "details": "broker is not there",
                })
            })
            .collect();
        Json(json!({"data": data, "hasMore": false})).into_response()
    })
}

async fn checkpoints(State(shared): State<Shared>, Path((id, _)): Path<(String, String)>) -> Response {
    with(&shared, &id, |found, _| {
        let whole = (1..=found.checkpoints).map(|epoch| {
            let begun = 1_767_225_600_000_000 + u64::from(epoch) * 10_000_000;
            json!({"epoch": epoch, "backend": "parquet", "startTime": begun, "finishTime": begun + 300_000})
        });
        let begun = json!({"epoch": found.checkpoints + 1, "backend": "parquet",
                           "startTime": 1_767_225_605_000_000_u64, "finishTime": null});
        let data: Vec<Value> = whole.chain([begun]).collect();
        Json(json!({ "data": data })).into_response()
    })
}

/// Anything that is no Arroyo: one answer to every request.
pub fn impostor(status: StatusCode, body: &'static str) -> (String, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { (status, body) });
    runtime.spawn(async move { axum::serve(listener, router).await });
    (url, runtime)
}

/// How often each word begins a change.
pub fn counted(changes: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for change in changes {
        *counts.entry(change.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    counts
}
