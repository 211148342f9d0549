//! What holds for every request: limits on size and time, timing, counting.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus::IntGauge;

use super::{Shared, page};
use crate::metrics::Endpoint;
use crate::{ApiError, ErrorKind};

pub(super) async fn limited(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let _counted = InFlight::new(&shared.metrics.in_flight);
    let endpoint = Endpoint::of(request.uri().path());
    let admitted =
        admitted(&shared, &request).and_then(|()| too_large(&request, shared.settings.max_request_bytes));
    let mut response = match admitted {
        Err(error) => error.into_response(),
        Ok(()) => match tokio::time::timeout(shared.settings.request_timeout(), next.run(request)).await {
            Ok(response) => response,
            Err(_) => timed_out(shared.settings.request_timeout_ms).into_response(),
        },
    };
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(kind) = response.extensions().get::<ErrorKind>() {
        shared.metrics.rejected(*kind);
    }
    shared.metrics.answered(endpoint, response.status().as_u16(), begun.elapsed().as_secs_f64());
    response
}

/// Whether the request presents the token, where one is set. Whether the process lives may be asked
/// without, and so may the page's files, which hold no data.
fn admitted(shared: &Shared, request: &Request) -> Result<(), ApiError> {
    match &shared.token {
        Some(token)
            if !is_public(shared, request) && !token.admits(request.headers().get(header::AUTHORIZATION)) =>
        {
            let message = "the token is missing or another; send the header `Authorization: Bearer TOKEN` with \
                           the one in the server's setting `serving.bearer_token_file`";
            Err(ApiError::new(ErrorKind::Unauthorized, message))
        }
        _ => Ok(()),
    }
}

fn is_public(shared: &Shared, request: &Request) -> bool {
    let path = request.uri().path();
    path == "/healthz"
        || (shared.activity.is_some() && page::is_public(request.method(), path, request.headers()))
}

fn timed_out(most_ms: u64) -> ApiError {
    ApiError::new(
        ErrorKind::Timeout,
        format!("no answer within {most_ms} ms (setting `serving.request_timeout_ms`); come again later"),
    )
}

/// Bodies are never read, only bounded, so that a client that sends one by mistake is told.
fn too_large(request: &Request, most: usize) -> Result<(), ApiError> {
    let setting = format!("at most {most} are taken (setting `serving.max_request_bytes`)");
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri > most {
        let message = format!("path and query are {uri} bytes long, {setting}");
        return Err(ApiError::new(ErrorKind::UriTooLong, message));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let body = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if body > most as u64 {
        let message = format!("the body is {body} bytes long, {setting}; no endpoint reads one");
        return Err(ApiError::new(ErrorKind::BodyTooLarge, message));
    }
    Ok(())
}

/// Counts a request being answered, also where the client goes away meanwhile.
struct InFlight(IntGauge);

impl InFlight {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
