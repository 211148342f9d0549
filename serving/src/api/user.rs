//! `GET /v1/users/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use hmisr_stream::contract::UserView;

use super::Shared;
use super::parameters::id_at_end;
use crate::error::shown;
use crate::{ApiError, ErrorKind};

pub(super) async fn user(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Json<UserView>, ApiError> {
    // From the path as it came: the router's own decoding lets bad escapes pass.
    let id = id_at_end(uri.path())?;
    shared.look_up(&id).await?.map(Json).ok_or_else(|| {
        let message = format!(
            "no state is kept of user {}: there is no event of the user, or the state has expired",
            shown(&id.to_string())
        );
        ApiError::new(ErrorKind::UnknownUser, message)
    })
}
