//! Arroyo's REST API, as far as deploying needs it.
//!
//! Paths, fields and states are those of Arroyo 0.14 and 0.15 (`/api/v1`, its OpenAPI description). Fields
//! that are not read here are let be, so that a later version may have more.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::http::{Method, Request};

use crate::error::{Error, Result};

/// Entries that a page is asked to have.
const PAGE: usize = 100;
/// Characters of an answer that is not understood, as shown.
const SHOWN: usize = 200;

/// A client of one cluster.
pub struct Api {
    agent: ureq::Agent,
    base: String,
    authorization: Option<String>,
    timeout: Duration,
}

/// A function's text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Udf {
    /// The text.
    pub definition: String,
    /// `rust` or `python`.
    pub language: String,
}

/// A pipeline, as the cluster has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    pub id: String,
    pub name: String,
    pub query: String,
    #[serde(default)]
    pub udfs: Vec<Udf>,
    pub checkpoint_interval_micros: u64,
    pub graph: Graph,
    #[serde(default)]
    pub preview: bool,
}

/// A pipeline's operators.
#[derive(Debug, Clone, Deserialize)]
pub struct Graph {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    pub parallelism: u32,
}

impl Pipeline {
    /// Subtasks of its widest operator.
    pub fn parallelism(&self) -> u32 {
        self.graph.nodes.iter().map(|node| node.parallelism).max().unwrap_or_default()
    }
}

/// A pipeline's execution; a pipeline has one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub running_desired: bool,
    pub state: String,
    /// How often it has been scheduled.
    #[serde(default)]
    pub run_id: u64,
    pub start_time: Option<u64>,
    pub tasks: Option<u64>,
    pub failure_message: Option<String>,
}

impl Job {
    /// Whether it has ended, and so can be deleted.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "Stopped" | "Finished" | "Failed")
    }

    pub fn is_running(&self) -> bool {
        self.state == "Running" && self.running_desired
    }
}

/// An error of a running job.
#[derive(Debug, Clone, Deserialize)]
pub struct JobError {
    pub message: String,
    #[serde(default)]
    pub details: String,
}

/// A checkpoint of a job; times are microseconds since 1970.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    pub epoch: u32,
    pub finish_time: Option<u64>,
}

/// How a job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StopMode {
    /// Not at all: what has been stopped goes on at its newest checkpoint.
    None,
    /// After one more checkpoint: what is started later goes on there.
    Checkpoint,
    /// When what has been read has gone through, without a checkpoint.
    Graceful,
    /// At once; a later start goes on at the newest checkpoint.
    Immediate,
    /// At once, whatever state the cluster thinks it is in.
    Force,
}

/// A pipeline to be made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPipeline<'a> {
    pub name: &'a str,
    pub query: &'a str,
    pub udfs: &'a [Udf],
    pub parallelism: u32,
    pub checkpoint_interval_micros: u64,
}

/// A change of a pipeline; what is not given stays.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopMode>,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(rename = "hasMore", default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Checked {
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

impl Api {
    /// A client of the cluster at `base`; `token` is sent as a bearer token.
    ///
    /// # Errors
    /// Where `base` is not `http[s]://host[:port][/path]`.
    pub fn new(base: &str, token: Option<String>, timeout: Duration) -> Result<Self> {
        let base = base.trim_end_matches('/');
        let has_host = base
            .strip_prefix("http://")
            .or_else(|| base.strip_prefix("https://"))
            .is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
        if !has_host || base.contains(char::is_whitespace) {
            return Err(Error::refused(format!("--api {base:?}: expected http://host:port of Arroyo's API")));
        }
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent();
        let authorization = token.map(|token| format!("Bearer {token}"));
        Ok(Self { agent, base: base.to_owned(), authorization, timeout })
    }

    /// Asks whether Arroyo answers there.
    ///
    /// # Errors
    /// With what answers instead.
    pub fn ping(&self) -> Result<()> {
        let answer: String = self.call(Method::GET, "ping", None::<&()>)?;
        match answer.as_str() {
            "Pong" => Ok(()),
            other => Err(self.foreign("ping", other)),
        }
    }

    /// Compiles a function on the cluster: its errors, none where it is sound.
    pub fn check_udf(&self, udf: &Udf) -> Result<Vec<String>> {
        let checked: Checked = self.call(Method::POST, "udfs/validate", Some(udf))?;
        Ok(checked.errors)
    }

    /// Plans a query on the cluster: its errors, none where it is sound.
    pub fn check_query(&self, query: &str, udfs: &[Udf]) -> Result<Vec<String>> {
        let body = serde_json::json!({ "query": query, "udfs": udfs });
        let checked: Checked = self.call(Method::POST, "pipelines/validate_query", Some(&body))?;
        Ok(checked.errors)
    }

    /// All pipelines but previews.
    pub fn pipelines(&self) -> Result<Vec<Pipeline>> {
        let mut all: Vec<Pipeline> = Vec::new();
        loop {
            let after = all.last().map(|last| format!("&starting_after={}", last.id)).unwrap_or_default();
            let path = format!("pipelines?limit={PAGE}{after}");
            let page: Page<Pipeline> = self.call(Method::GET, &path, None::<&()>)?;
            let ends = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if ends {
                all.retain(|pipeline| !pipeline.preview);
                return Ok(all);
            }
        }
    }

    pub fn create(&self, pipeline: &NewPipeline<'_>) -> Result<Pipeline> {
        self.call(Method::POST, "pipelines", Some(pipeline))
    }

    /// Changes what is given.
    pub fn change(&self, id: &str, change: &Change) -> Result<()> {
        let _: serde_json::Value = self.call(Method::PATCH, &format!("pipelines/{id}"), Some(change))?;
        Ok(())
    }

    /// Starts what has failed, at its newest checkpoint. A job that is to be stopped stops again: change that first.
    pub fn restart(&self, id: &str) -> Result<()> {
        let body = serde_json::json!({ "force": false });
        let _: serde_json::Value =
            self.call(Method::POST, &format!("pipelines/{id}/restart"), Some(&body))?;
        Ok(())
    }

    /// Deletes a pipeline whose job has ended.
    pub fn delete(&self, id: &str) -> Result<()> {
        self.text(Method::DELETE, &format!("pipelines/{id}"), None::<&()>).map(drop)
    }

    /// The newest job of a pipeline.
    pub fn job(&self, id: &str) -> Result<Option<Job>> {
        let page: Page<Job> = self.call(Method::GET, &format!("pipelines/{id}/jobs"), None::<&()>)?;
        Ok(page.data.into_iter().next())
    }

    /// The newest errors of a job, the newest first.
    pub fn errors(&self, id: &str, job: &str) -> Result<Vec<JobError>> {
        let path = format!("pipelines/{id}/jobs/{job}/errors?limit={PAGE}");
        let page: Page<JobError> = self.call(Method::GET, &path, None::<&()>)?;
        Ok(page.data)
    }

    /// The newest checkpoint that is whole.
    pub fn checkpoint(&self, id: &str, job: &str) -> Result<Option<Checkpoint>> {
        let path = format!("pipelines/{id}/jobs/{job}/checkpoints");
        let page: Page<Checkpoint> = self.call(Method::GET, &path, None::<&()>)?;
        let whole = page.data.into_iter().filter(|checkpoint| checkpoint.finish_time.is_some());
        Ok(whole.max_by_key(|checkpoint| checkpoint.epoch))
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T> {
        let text = self.text(method, path, body)?;
        serde_json::from_str(&text).map_err(|_| self.foreign(path, &text))
    }

    fn text(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<String> {
        let url = format!("{}/api/v1/{path}", self.base);
        let mut request = Request::builder().method(&method).uri(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| Error::failed(error.to_string()))?,
            None => Vec::new(),
        };
        let request = request
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| Error::refused(format!("--api {}: {error}", self.base)))?;
        let request = self.agent.configure_request(request).timeout_global(Some(self.timeout)).build();
        let mut answer = self.agent.run(request).map_err(|error| self.silent(&url, &error))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(|error| self.silent(&url, &error))?;
        if status.is_success() {
            return Ok(text);
        }
        Err(match serde_json::from_str::<ErrorAnswer>(&text) {
            Ok(answer) if status.is_client_error() => Error::refused(format!(
                "Arroyo at {} refuses {method} {path} ({}): {}",
                self.base,
                status.as_u16(),
                answer.error
            )),
            Ok(answer) => Error::failed(format!(
                "Arroyo at {} failed at {method} {path} ({}): {}; its own log says more, and the command can \
                 be given again",
                self.base,
                status.as_u16(),
                answer.error
            )),
            Err(_) => self.foreign(path, &format!("{} {text}", status.as_u16())),
        })
    }

    /// No answer, or not in time.
    fn silent(&self, url: &str, error: &ureq::Error) -> Error {
        let remedy = match error {
            ureq::Error::Timeout(_) => "it may be compiling or overloaded: give more with --request-timeout",
            _ => "see that `arroyo cluster` runs and that --api names its address",
        };
        Error::failed(format!("Arroyo does not answer at {url}: {error}; {remedy}"))
    }

    /// An answer that is none of the API's.
    fn foreign(&self, path: &str, text: &str) -> Error {
        let shown: String = text.chars().take(SHOWN).collect();
        Error::refused(format!(
            "{}/api/v1/{path} does not answer as Arroyo 0.14 or 0.15 does: {:?}; --api has to name the API of \
             such a cluster (port 5115 by default)",
            self.base,
            shown.trim()
        ))
    }
}
