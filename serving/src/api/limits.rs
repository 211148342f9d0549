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
use crate::served::OnReserve;
use crate::{ApiError, ErrorKind};

pub(super) async fn limited(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let _counted = InFlight::new(&shared.metrics.in_flight);
    let endpoint = Endpoint::of(request.uri().path());
    let admitted = within_reserve(&request, endpoint)
        .and_then(|()| admitted(&shared, &request))
        .and_then(|()| too_large(&request, shared.settings.max_request_bytes));
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

/// Where all places for connections are taken, health and metrics are answered all the same.
fn within_reserve(request: &Request, endpoint: Endpoint) -> Result<(), ApiError> {
    let is_reserved = request.extensions().get::<OnReserve>().is_some();
    if !is_reserved || matches!(endpoint, Endpoint::Healthz | Endpoint::Readyz | Endpoint::Metrics) {
        return Ok(());
    }
    let message = "all connections are taken and in use (settings `serving.max_connections` and \
                   `serving.max_connections_per_address`); come again later";
    Err(ApiError::new(ErrorKind::Overloaded, message))
}

/// Whether the request is for this server, and presents the token where one is set. Whether the process lives may
/// be asked by any name and without, and so without may the page's files, which hold no data.
fn admitted(shared: &Shared, request: &Request) -> Result<(), ApiError> {
    if request.uri().path() == "/healthz" {
        return Ok(());
    }
    shared.hosts.admit(request)?;
    let Some(token) = shared.token.as_ref().filter(|_| !is_public(shared, request)) else { return Ok(()) };
    let mut presented = request.headers().get_all(header::AUTHORIZATION).iter();
    let first = presented.next();
    if presented.next().is_some() {
        let message = "the header `Authorization` is given more than once; send it once";
        return Err(ApiError::new(ErrorKind::BadHeader, message));
    }
    if token.admits(first) {
        return Ok(());
    }
    let message = "the token is missing or another; send the header `Authorization: Bearer TOKEN` with the one in the \
                   server's setting `serving.bearer_token_file`";
    Err(ApiError::new(ErrorKind::Unauthorized, message))
}

fn is_public(shared: &Shared, request: &Request) -> bool {
    let path = request.uri().path();
    shared.activity.is_some() && page::is_public(request.method(), path, request.headers())
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
