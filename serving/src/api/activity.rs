//! `GET /v1/activity`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::parameters::since;
use super::{Shared, no_such_path};
use crate::ApiError;

pub(super) async fn activity(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, ApiError> {
    let since = since(uri.query().unwrap_or_default())?;
    let Some(activity) = &shared.activity else { return Err(no_such_path(&uri)) };
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([no_store], Json(activity.answer(since))).into_response())
}
