//! `GET /v1/users/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use hmisr_recommend::Known;
use hmisr_stream::contract::UserView;
use serde::Serialize;

use super::Shared;
use super::parameters::id_at_end;
use crate::error::shown;
use crate::last_known::Kept;
use crate::{ApiError, ErrorKind, Profile};

/// The answer of `GET /v1/users/{id}`.
#[derive(Serialize)]
pub(super) struct UserAnswer {
    #[serde(flatten)]
    view: UserView,
    /// Where a model with interests is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Seen>,
}

/// What the model in force sees in the user.
#[derive(Serialize)]
struct Seen {
    version: u64,
    #[serde(flatten)]
    profile: Profile,
}

pub(super) async fn user(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<UserAnswer>, ApiError> {
    // From the path as it came: the router's own decoding lets bad escapes pass.
    let id = id_at_end(uri.path())?;
    let view = shared.look_up(&id).await?.ok_or_else(|| {
        let text = id.to_string();
        let quoted = text.len() > 2 && text.starts_with('"') && text.ends_with('"');
        let hint = if quoted { "; in a URL an id stands without quotes" } else { "" };
        let message = format!(
            "no state is kept of user {}: there is no event of the user, or the state has expired{hint}",
            shown(&text)
        );
        ApiError::new(ErrorKind::UnknownUser, message)
    })?;
    let Some(model) = shared.models.as_ref().and_then(|slot| slot.current()) else {
        return Ok(Json(UserAnswer { view, model: None }));
    };
    let (view, seen) = shared
        .computations
        .run(move || {
            let kept = Kept::of(&view);
            let known = Known {
                history: kept.history(),
                features: Some(kept.features()),
                now: Some(super::ask::clock()),
            };
            let profile = model.profile(known);
            (view, profile.map(|profile| (model.info().version, profile)))
        })
        .await?;
    let (version, profile) = seen.map_err(|error| {
        tracing::error!("a user's interests could not be computed: {error}");
        ApiError::new(ErrorKind::Internal, format!("the model failed: {error}"))
    })?;
    Ok(Json(UserAnswer { view, model: profile.map(|profile| Seen { version, profile }) }))
}
