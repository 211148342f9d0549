//! The endpoints, in two compositions: with a model, or only the look-up. The first may have a page.

mod activity;
mod ask;
mod body;
mod limits;
mod operations;
mod page;
mod parameters;
mod recommend;
mod user;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use hmisr_stream::contract::{Id, MIN_TS, UserView};
use prometheus::Registry;

use crate::error::shown;
use crate::gate::Gate;
use crate::hosts::Hosts;
use crate::last_known::{Kept, LastKnown};
use crate::metrics::LookupOutcome;
use crate::shared_check::SharedCheck;
use crate::token::Token;
use crate::{Activity, ApiError, ErrorKind, LookupError, Metrics, ModelSlot, Result, Settings, UserLookup};

/// The HTTP interface.
///
/// With models ([`Api::with_models`]) it has all endpoints; without, it is what a pipeline
/// serves: the look-up, metrics and health.
pub struct Api {
    shared: Shared,
}

/// What the handlers share.
struct Shared {
    settings: Settings,
    registry: Registry,
    metrics: Arc<Metrics>,
    lookup: Arc<dyn UserLookup>,
    models: Option<Arc<ModelSlot>>,
    activity: Option<Arc<Activity>>,
    checks: Vec<Check>,
    hosts: Hosts,
    token: Option<Token>,
    lookups: Gate,
    computations: Gate,
    readiness: SharedCheck<Result<(), LookupError>>,
    /// What look-ups found last.
    last_known: LastKnown,
    /// Whether look-ups have ever answered.
    has_looked_up: AtomicBool,
    /// The first plausible time of an event, epoch milliseconds.
    min_ts_ms: i64,
}

/// One more condition of readiness.
struct Check {
    name: &'static str,
    check: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Api {
    /// An interface over `lookup` alone. `registry` is what `/metrics` shows.
    ///
    /// # Errors
    /// Where a setting is out of range.
    pub fn new(
        settings: Settings,
        registry: Registry,
        metrics: Arc<Metrics>,
        lookup: Arc<dyn UserLookup>,
    ) -> Result<Self> {
        settings.validate()?;
        let lookups =
            Gate::new("a look-up", settings.max_lookups, settings.max_queue, metrics.waiting_lookup.clone());
        let computations = Gate::new(
            "a recommendation",
            settings.concurrency(),
            settings.max_queue,
            metrics.waiting_compute.clone(),
        );
        let (models, activity, checks) = (None, None, Vec::new());
        let hosts = Hosts::new(&settings)?;
        let token = Token::read("bearer_token_file", &settings.bearer_token_file)?;
        let last_known = LastKnown::new(settings.last_known_users, settings.last_known_max_age());
        let shared = Shared {
            settings,
            registry,
            metrics,
            lookup,
            models,
            activity,
            checks,
            hosts,
            token,
            lookups,
            computations,
            readiness: SharedCheck::new(),
            last_known,
            has_looked_up: AtomicBool::new(false),
            min_ts_ms: MIN_TS,
        };
        Ok(Self { shared })
    }

    /// Adds the endpoints that answer from the model in `slot`.
    #[must_use]
    pub fn with_models(mut self, slot: Arc<ModelSlot>) -> Self {
        self.shared.models = Some(slot);
        self
    }

    /// Adds the page at `/` and `/v1/activity`, what it shows of the process.
    #[must_use]
    pub fn with_page(mut self, activity: Arc<Activity>) -> Self {
        self.shared.activity = Some(activity);
        self
    }

    /// Lets the server be asked by the host of `url`, under which others reach it.
    #[must_use]
    pub fn with_own_url(mut self, url: &str) -> Self {
        self.shared.hosts.add_url(url);
        self
    }

    /// Refuses times in requests that are before this one, epoch milliseconds, as the pipeline does in events
    /// (`features.min_ts_ms`).
    #[must_use]
    pub fn with_min_ts_ms(mut self, min_ts_ms: i64) -> Self {
        self.shared.min_ts_ms = min_ts_ms;
        self
    }

    /// Adds a condition of `/readyz`. `check` is called on the server's own threads, so it must
    /// not block; its error says what is missing.
    #[must_use]
    pub fn with_check(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.shared.checks.push(Check { name, check: Box::new(check) });
        self
    }

    /// The endpoints. Limits, timing and counting apply to all of them, and so does the answer
    /// for unknown paths: nest the router below another one, or serve it alone.
    pub fn router(self) -> Router {
        let shared = Arc::new(self.shared);
        let mut router = Router::new()
            .route("/", get(operations::index))
            .route("/v1/users/{id}", get(user::user))
            .route("/metrics", get(operations::metrics))
            .route("/healthz", get(operations::healthz))
            .route("/readyz", get(operations::readyz));
        if shared.models.is_some() {
            // Bodies are bounded where they are read, by the setting.
            let recommend =
                get(recommend::by_query).post(recommend::by_body).layer(DefaultBodyLimit::disable());
            router = router.route("/v1/recommend", recommend).route("/v1/model", get(recommend::model));
        }
        if shared.activity.is_some() {
            router =
                router.route("/v1/activity", get(activity::activity)).route("/page/{file}", get(page::file));
        }
        router
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(unknown_path)
            .layer(from_fn_with_state(Arc::clone(&shared), limits::limited))
            .with_state(shared)
    }
}

impl Shared {
    /// Looks a user up, within the bound on look-ups.
    async fn look_up(self: &Arc<Self>, id: &Id) -> Result<Option<UserView>, ApiError> {
        let (shared, id) = (Arc::clone(self), id.clone());
        let found = self
            .lookups
            .run(move || {
                let begun = Instant::now();
                let found = shared.lookup.user(&id);
                let outcome = match &found {
                    Ok(Some(_)) => LookupOutcome::Found,
                    Ok(None) => LookupOutcome::Unknown,
                    Err(_) => LookupOutcome::Failed,
                };
                shared.metrics.looked_up(outcome, begun.elapsed().as_secs_f64());
                if let (Ok(Some(_)), Some(activity)) = (&found, &shared.activity) {
                    activity.looked_up(&id);
                }
                if let Ok(found) = &found {
                    shared.has_looked_up.store(true, Ordering::Relaxed);
                    shared.keep(&id, found.as_ref());
                }
                found
            })
            .await?;
        found.map_err(|error| unavailable(&error))
    }

    /// Keeps what a look-up found for when none can be made, and forgets whom nobody has.
    fn keep(&self, id: &Id, found: Option<&UserView>) {
        if !self.degrades() {
            return;
        }
        match found {
            Some(view) => self.last_known.insert(id, || Kept::of(view), Instant::now()),
            None => self.last_known.remove(id),
        }
    }

    /// Whether recommendations are given for users who cannot be looked up now.
    fn degrades(&self) -> bool {
        self.settings.degrade && self.models.is_some()
    }
}

fn unavailable(error: &LookupError) -> ApiError {
    let kind = match error.is_not_owned() {
        true => ErrorKind::NotOwned,
        false => ErrorKind::LookupUnavailable,
    };
    ApiError::new(kind, format!("the user cannot be looked up now: {error}"))
        .having_looked_in(error.looked_in().cloned())
}

async fn unknown_path(uri: Uri) -> ApiError {
    no_such_path(&uri)
}

fn no_such_path(uri: &Uri) -> ApiError {
    let path = shown(uri.path());
    ApiError::new(ErrorKind::UnknownPath, format!("there is no {path}; GET / lists the endpoints"))
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let (method, path) = (shown(method.as_str()), shown(uri.path()));
    let takes = if uri.path() == "/v1/recommend" { "GET or POST" } else { "GET" };
    ApiError::new(ErrorKind::MethodNotAllowed, format!("{path} does not take {method}; use {takes}"))
}
