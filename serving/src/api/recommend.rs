//! `GET /v1/recommend` and `GET /v1/model`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use hmisr_stream::contract::{Id, UserView};
use serde::Serialize;

use super::Shared;
use super::parameters::RecommendParameters;
use crate::{ApiError, ErrorKind, Lambda, Model, ModelError, ModelInfo, Origin, Recommendation, Scored};

/// The header of an answer that names the model's version.
const VERSION_HEADER: &str = "hmisr-model-version";

/// The answer of `GET /v1/recommend`.
#[derive(Serialize)]
struct RecommendAnswer {
    user_id: Id,
    model_version: u64,
    source: Origin,
    /// Whether state is kept of the user.
    known_user: bool,
    /// How various the user's next choices are expected to be, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    diversity_score: Option<f32>,
    /// How much diversity weighed in the re-ranking, 0 to 1.
    lambda: f32,
    items: Vec<Scored>,
}

pub(super) async fn recommend(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, ApiError> {
    let RecommendParameters { user_id, k, lambda } =
        RecommendParameters::read(uri.query().unwrap_or_default())?;
    // Taken once: whatever is swapped in meanwhile, this request ends as it began.
    let model = current(&shared)?;
    let view = shared.look_up(&user_id).await?;
    let known_user = view.is_some();
    let filter_seen = shared.settings.filter_seen;
    let lambda = lambda.map_or(Lambda::Personal { most: shared.settings.lambda_max }, Lambda::Fixed);
    let (version, answer) = shared
        .computations
        .run(move || {
            let answer = from_view(&*model, view, (k, lambda), filter_seen);
            // The last request of an old model frees it here, not on an asynchronous thread.
            (model.info().version, answer)
        })
        .await?;
    let Recommendation { items, source, diversity_score, lambda } = answer.map_err(|error| {
        tracing::error!(version, "recommendation failed: {error}");
        ApiError::new(ErrorKind::Internal, format!("the model of version {version} failed: {error}"))
    })?;
    shared.metrics.recommended(source);
    let answer = RecommendAnswer {
        user_id,
        model_version: version,
        source,
        known_user,
        diversity_score,
        lambda,
        items,
    };
    Ok(versioned(version, Json(answer)))
}

/// An answer with the header that names the model's version.
fn versioned(version: u64, answer: impl IntoResponse) -> Response {
    ([(VERSION_HEADER, HeaderValue::from(version))], answer).into_response()
}

fn from_view(
    model: &dyn Model,
    view: Option<UserView>,
    (k, lambda): (usize, Lambda),
    filter_seen: bool,
) -> Result<Recommendation, ModelError> {
    let visits = view.map(|view| view.visits).unwrap_or_default();
    let history: Vec<(Id, i64)> = visits.into_iter().map(|visit| (visit.item_id, visit.ts)).collect();
    let seen: HashSet<&Id> =
        if filter_seen { history.iter().map(|(id, _)| id).collect() } else { HashSet::new() };
    model.recommend(&history, k, lambda, &|id| seen.contains(id))
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
