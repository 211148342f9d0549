//! What holds for every request: limits on size and time, timing, counting.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use prometheus::IntGauge;

use super::{Shared, page};
use crate::error::shown;
use crate::metrics::Endpoint;
use crate::places::Turns;
use crate::served::OnReserve;
use crate::{ApiError, ErrorKind, Settings};

pub(super) async fn limited(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let _counted = InFlight::new(&shared.metrics.in_flight);
    let endpoint = Endpoint::of(request.uri().path());
    let has_body =
        shared.models.is_some() && endpoint == Endpoint::Recommend && request.method() == Method::POST;
    let admitted = within_reserve(&request, endpoint)
        .and_then(|()| admitted(&shared, &request))
        .and_then(|()| too_large(&request, &shared.settings, has_body));
    let whole = match admitted {
        Ok(()) if has_body => with_body(request, &shared.settings).await,
        admitted => admitted.map(|()| request),
    };
    let mut response = match whole {
        Err(error) => error.into_response(),
        Ok(request) => match tokio::time::timeout(shared.settings.request_timeout(), next.run(request)).await
        {
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

/// The request with its whole body, which may take as long as its headers, however slowly it comes.
async fn with_body(request: Request, settings: &Settings) -> Result<Request, ApiError> {
    let (head, body) = request.into_parts();
    if let Some(encoding) = head.headers.get(header::CONTENT_ENCODING).filter(|it| *it != "identity") {
        let encoding = shown(&String::from_utf8_lossy(encoding.as_bytes()));
        let message =
            format!("header `Content-Encoding`, value {encoding}: bodies are read as they are; leave it out");
        return Err(ApiError::new(ErrorKind::BadHeader, message));
    }
    let most = settings.max_body_bytes;
    // Until the body is there it is the client that is waited for: its place may go to another.
    let turns = head.extensions.get::<Turns>().cloned();
    turns.iter().for_each(Turns::body);
    let whole = tokio::time::timeout(settings.header_timeout(), to_bytes(body, most)).await;
    turns.iter().for_each(Turns::servers);
    let bytes = whole.map_err(|_| {
        let within = settings.header_timeout().as_millis();
        let message =
            format!("the body has not come whole within {within} ms (setting `serving.header_timeout_ms`)");
        ApiError::new(ErrorKind::BodyTooSlow, message)
    })?;
    let bytes = bytes.map_err(|error| {
        let error: &dyn Error = &error;
        match error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) {
            true => body_too_large(&format!("longer than {most} bytes"), most, "max_body_bytes"),
            false => ApiError::new(
                ErrorKind::BadBody,
                format!("the body cannot be read whole: {error}; send it again"),
            ),
        }
    })?;
    Ok(Request::from_parts(head, Body::from(bytes)))
}

fn body_too_large(length: &str, most: usize, setting: &str) -> ApiError {
    let message = format!("the body is {length}, at most {most} are taken (setting `serving.{setting}`)");
    ApiError::new(ErrorKind::BodyTooLarge, message)
}

/// A body that is not read is bounded all the same, so that a client that sends one by mistake is told.
fn too_large(request: &Request, settings: &Settings, has_body: bool) -> Result<(), ApiError> {
    let most = settings.max_request_bytes;
    let setting = format!("at most {most} are taken (setting `serving.max_request_bytes`)");
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri > most {
        let message = format!("path and query are {uri} bytes long, {setting}");
        return Err(ApiError::new(ErrorKind::UriTooLong, message));
    }
    let length = request.headers().get(header::CONTENT_LENGTH);
    let body = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let (most, setting) = match has_body {
        true => (settings.max_body_bytes, "max_body_bytes"),
        false => (most, "max_request_bytes"),
    };
    match body > most as u64 {
        true => Err(body_too_large(&format!("{body} bytes long"), most, setting)),
        false => Ok(()),
    }
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
