//! What operators ask: `/`, `/metrics`, `/healthz`, `/readyz`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus::TextEncoder;
use serde_json::{Map, Value, json};

use super::{Shared, page};
use crate::{ApiError, ErrorKind};

/// The page for who prefers it, the list of endpoints for everybody else.
pub(super) async fn index(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if shared.activity.is_some() && page::is_preferred(&headers) {
        return page::index(&headers);
    }
    let mut endpoints = Map::new();
    let mut add = |path: &str, what: &str| endpoints.insert(path.to_owned(), what.into());
    if shared.models.is_some() {
        add(
            "/v1/recommend?user_id=&k=",
            "the k best items for a user, 1 to 100, by default 10; POST takes more",
        );
        add("/v1/model", "the model in force: version, age, offsets, settings, metrics");
    }
    add("/v1/users/{id}", "a user's features and newest visits");
    if shared.activity.is_some() {
        add(
            "/v1/activity?since=",
            "what the page at / shows, which browsers get: the process's newest hours",
        );
    }
    add("/metrics", "metrics in Prometheus' text format");
    add("/healthz", "200 while the process lives");
    add("/readyz", "200 while requests can be answered, 503 with what is missing otherwise");
    let list = json!({"name": "hmisr", "version": env!("CARGO_PKG_VERSION"), "endpoints": endpoints});
    ([(header::VARY, HeaderValue::from_static("accept"))], Json(list)).into_response()
}

pub(super) async fn healthz() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let text = TextEncoder::new().encode_to_string(&shared.registry.gather()).map_err(|error| {
        tracing::error!("metrics: {error}");
        ApiError::new(ErrorKind::Internal, format!("the metrics cannot be written: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let (mut missing, mut degraded) = (Map::new(), Map::new());
    if shared.models.as_ref().is_some_and(|slot| slot.current().is_none()) {
        missing.insert("model".to_owned(), "no snapshot is in force yet".into());
    }
    let asked = Arc::clone(&shared);
    // Beside the look-ups' places: that they are all taken does not mean that nobody is answered.
    match shared.readiness.get(move || asked.lookup.ready()).await {
        Some(Ok(())) => shared.has_looked_up.store(true, Ordering::Relaxed),
        // Requests are answered without; who takes the server away would leave nobody to do so.
        Some(Err(error)) if shared.degrades() && shared.has_looked_up.load(Ordering::Relaxed) => {
            degraded.insert("lookup".to_owned(), error.to_string().into());
        }
        Some(Err(error)) => drop(missing.insert("lookup".to_owned(), error.to_string().into())),
        None => drop(missing.insert("lookup".to_owned(), "asking failed; the log has the cause".into())),
    }
    for check in &shared.checks {
        if let Err(problem) = (check.check)() {
            missing.insert(check.name.to_owned(), problem.into());
        }
    }
    if missing.is_empty() {
        return match degraded.is_empty() {
            true => Json(json!({"ready": true})).into_response(),
            false => Json(json!({"ready": true, "degraded": degraded})).into_response(),
        };
    }
    let names: Vec<&str> = missing.keys().map(String::as_str).collect();
    let error = ApiError::new(ErrorKind::NotReady, format!("not ready; missing: {}", names.join(", ")));
    let fields = [("ready".to_owned(), false.into()), ("missing".to_owned(), missing.into())];
    error.response_with(fields.into_iter().collect())
}
