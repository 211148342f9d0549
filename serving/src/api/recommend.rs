//! `/v1/recommend` and `GET /v1/model`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use hmisr_recommend::Known;
use hmisr_stream::contract::Id;
use serde::Serialize;

use super::Shared;
use super::ask::Ask;
use crate::error::shown;
use crate::last_known::Kept;
use crate::metrics::Degraded;
use crate::{
    ApiError, ErrorKind, Lambda, Model, ModelError, ModelInfo, Origin, Recommendation, Request, Scored,
};

/// The header of an answer that names the model's version.
const VERSION_HEADER: &str = "hmisr-model-version";

/// The answer of `/v1/recommend`.
#[derive(Serialize)]
struct RecommendAnswer {
    /// As it came; absent where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Id>,
    model_version: u64,
    source: Origin,
    /// Whether state is kept of the user; absent where that was not asked, or could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    known_user: Option<bool>,
    /// Whether the user should have been looked up and could not be; absent where not.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded_reason: Option<&'static str>,
    /// How various the user's next choices are expected to be, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    diversity_score: Option<f32>,
    /// How much diversity weighed in the re-ranking, 0 to 1.
    lambda: f32,
    items: Vec<Scored>,
    /// Candidates that the model does not know; absent where none were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_candidates: Option<Vec<Id>>,
}

/// What is known of a user beside the request.
#[derive(Default)]
struct Found {
    kept: Option<Kept>,
    user: Option<bool>,
    degraded: Option<Degraded>,
}

pub(super) async fn by_query(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, ApiError> {
    let ask = Ask::of_query(uri.query().unwrap_or_default(), shared.min_ts_ms)?;
    recommend(shared, ask).await
}

pub(super) async fn by_body(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    body: Bytes,
) -> Result<Response, ApiError> {
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        let message =
            format!("query {}: with POST all that is asked stands in the body; leave it out", shown(query));
        return Err(ApiError::new(ErrorKind::BadParameter, message));
    }
    recommend(shared.clone(), Ask::of_body(&body, shared.min_ts_ms)?).await
}

async fn recommend(shared: Arc<Shared>, ask: Ask) -> Result<Response, ApiError> {
    // Taken once: whatever is swapped in meanwhile, this request ends as it began.
    let model = current(&shared)?;
    let known = known(&shared, &ask).await?;
    let (kept, filter_seen, most) = (known.kept, shared.settings.filter_seen, shared.settings.lambda_max);
    let (version, answer, ask) = shared
        .computations
        .run(move || {
            let answer = computed(&*model, &ask, kept.as_ref(), filter_seen, most);
            // The last request of an old model frees it here, not on an asynchronous thread.
            (model.info().version, answer, ask)
        })
        .await?;
    let answer = answer.map_err(|error| {
        tracing::error!(version, "recommendation failed: {error}");
        ApiError::new(ErrorKind::Internal, format!("the model of version {version} failed: {error}"))
    })?;
    let Recommendation { items, source, diversity_score, lambda, unknown_candidates } = answer;
    shared.metrics.recommended(source);
    if let Some(reason) = known.degraded {
        shared.metrics.degraded(reason);
    }
    let answer = RecommendAnswer {
        user_id: ask.user_id,
        model_version: version,
        source,
        known_user: known.user,
        degraded: known.degraded.map(|_| true),
        degraded_reason: known.degraded.map(Degraded::as_str),
        diversity_score,
        lambda,
        items,
        unknown_candidates: ask.candidates.map(|_| unknown_candidates),
    };
    Ok(versioned(version, Json(answer)))
}

/// Looks the user up where the request does not bring the whole history. Where that cannot be done, the request
/// is answered from what it says itself and what the last look-up found, unless the settings want an error.
async fn known(shared: &Arc<Shared>, ask: &Ask) -> Result<Found, ApiError> {
    let Some(id) = ask.user_id.as_ref().filter(|_| ask.history.is_none()) else {
        return Ok(Found::default());
    };
    let found = match shared.degrades() {
        false => shared.look_up(id).await.map_err(|error| (error, None)),
        true => match tokio::time::timeout(shared.settings.lookup_patience(), shared.look_up(id)).await {
            Ok(found) => found.map_err(|error| {
                let reason = reason(error.kind());
                (error, reason)
            }),
            Err(_) => Err((too_slow(), Some(Degraded::Timeout))),
        },
    };
    match found {
        Ok(view) => {
            let user = Some(view.is_some());
            Ok(Found { kept: view.as_ref().map(Kept::of), user, degraded: None })
        }
        Err((error, None)) => Err(error),
        Err((error, Some(reason))) => {
            tracing::debug!(reason = reason.as_str(), "answered without a look-up: {error}");
            let kept = shared.last_known.get(id, Instant::now());
            // Whether state is kept of the user now is not known: it may have been forgotten since.
            Ok(Found { user: None, kept, degraded: Some(reason) })
        }
    }
}

/// Why a request is answered without a look-up that ended so; none where it is not.
fn reason(kind: ErrorKind) -> Option<Degraded> {
    match kind {
        ErrorKind::LookupUnavailable => Some(Degraded::LookupUnavailable),
        ErrorKind::NotOwned => Some(Degraded::NotOwned),
        ErrorKind::Overloaded => Some(Degraded::Overloaded),
        _ => None,
    }
}

fn too_slow() -> ApiError {
    ApiError::new(ErrorKind::Timeout, "the user was not looked up in time")
}

fn computed(
    model: &dyn Model,
    ask: &Ask,
    kept: Option<&Kept>,
    filter_seen: bool,
    most: f32,
) -> Result<Recommendation, ModelError> {
    let now = ask.now();
    let history = ask.history(kept.map_or(&[][..], Kept::history), now);
    // Candidates are the caller's choice, seen or not.
    let seen: HashSet<&Id> = match filter_seen && ask.candidates.is_none() {
        true => history.iter().map(|event| &event.item).collect(),
        false => HashSet::new(),
    };
    model.recommend(&Request {
        // Those that the stream counted, where it knows the user: a session is not in them yet.
        known: Known { history: &history, features: kept.map(Kept::features), now: Some(now) },
        k: ask.k(),
        lambda: ask.lambda.map_or(Lambda::Personal { most }, Lambda::Fixed),
        exclude: &|id| ask.excludes(&seen, id),
        allowed: &|categories| ask.allows(categories),
        candidates: ask.candidates.as_deref(),
        explain: ask.explain.unwrap_or_default(),
    })
}

/// An answer with the header that names the model's version.
fn versioned(version: u64, answer: impl IntoResponse) -> Response {
    ([(VERSION_HEADER, HeaderValue::from(version))], answer).into_response()
}

/// The answer of `GET /v1/model`.
#[derive(Serialize)]
struct ModelAnswer<'a> {
    #[serde(flatten)]
    info: &'a ModelInfo,
    /// Time since publication, or since it has been in force where that is more.
    age_seconds: f64,
}

pub(super) async fn model(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let model = current(&shared)?;
    let info = model.info();
    let age = shared.models.as_ref().and_then(|slot| slot.age()).unwrap_or_default();
    Ok(versioned(info.version, Json(ModelAnswer { info, age_seconds: age.as_secs_f64() })))
}

fn current(shared: &Shared) -> Result<Arc<dyn Model>, ApiError> {
    shared.models.as_ref().and_then(|slot| slot.current()).ok_or_else(|| {
        let message = "no snapshot is in force yet; the first is taken as soon as the trainer publishes one \
                       (see /readyz)";
        ApiError::new(ErrorKind::NoModel, message)
    })
}
