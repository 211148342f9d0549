//! What can go wrong: in a request, and at the start.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::{InvalidSetting, LookedIn};

/// What the client can do about an [`ApiError`]; the label of the counter of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A parameter is missing, unknown, given twice or out of range: 400.
    BadParameter,
    /// The body is not what the endpoint reads: 400.
    BadBody,
    /// A header is missing, given twice or not what it must be: 400.
    BadHeader,
    /// The token is missing or another: 401.
    Unauthorized,
    /// No state is kept of the user: 404.
    UnknownUser,
    /// There is no such endpoint: 404.
    UnknownPath,
    /// The endpoint takes other methods: 405.
    MethodNotAllowed,
    /// The body did not come in time: 408.
    BodyTooSlow,
    /// The body is longer than the limit: 413.
    BodyTooLarge,
    /// Path and query are longer than the limit: 414.
    UriTooLong,
    /// The host that is asked is none of this server's: 421.
    UnknownHost,
    /// Something failed that should not have: 500.
    Internal,
    /// No model has been loaded yet: 503, come again.
    NoModel,
    /// The user's state cannot be asked for now: 503, come again.
    LookupUnavailable,
    /// The user is in no partition that this process owns, and it does not own all: 503, ask the other
    /// owners, or come again while partitions move.
    NotOwned,
    /// More requests wait than are let wait: 503, come again.
    Overloaded,
    /// The answer took too long: 503, come again.
    Timeout,
    /// Something that the server needs is missing: 503, come again.
    NotReady,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::BadParameter,
        Self::BadBody,
        Self::BadHeader,
        Self::Unauthorized,
        Self::UnknownUser,
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::BodyTooSlow,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnknownHost,
        Self::Internal,
        Self::NoModel,
        Self::LookupUnavailable,
        Self::NotOwned,
        Self::Overloaded,
        Self::Timeout,
        Self::NotReady,
    ];

    /// The kind as it stands in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadParameter => "bad_parameter",
            Self::BadBody => "bad_body",
            Self::BadHeader => "bad_header",
            Self::Unauthorized => "unauthorized",
            Self::UnknownUser => "unknown_user",
            Self::UnknownPath => "unknown_path",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooSlow => "body_too_slow",
            Self::BodyTooLarge => "body_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::UnknownHost => "unknown_host",
            Self::Internal => "internal",
            Self::NoModel => "no_model",
            Self::LookupUnavailable => "lookup_unavailable",
            Self::NotOwned => "not_owned",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::NotReady => "not_ready",
        }
    }

    /// The HTTP status of an answer of this kind.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadParameter | Self::BadBody | Self::BadHeader => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownUser | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoModel
            | Self::LookupUnavailable
            | Self::NotOwned
            | Self::Overloaded
            | Self::Timeout
            | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A request that is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    kind: ErrorKind,
    message: String,
    looked_in: Option<LookedIn>,
}

impl ApiError {
    /// An error with a text that names field, value and remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), looked_in: None }
    }

    /// The same, with the partitions in which the user is not.
    #[must_use]
    pub fn having_looked_in(self, looked_in: Option<LookedIn>) -> Self {
        Self { looked_in, ..self }
    }

    /// What the client can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The answer, with further fields beside `error`.
    pub(crate) fn response_with(self, mut fields: serde_json::Map<String, serde_json::Value>) -> Response {
        fields.insert("error".to_owned(), json!({"kind": self.kind.as_str(), "message": self.message}));
        if let Some(LookedIn { looked_in, partitions }) = self.looked_in {
            fields.insert("looked_in".to_owned(), json!(looked_in));
            fields.insert("partitions".to_owned(), json!(partitions));
        }
        let mut response = (self.kind.status(), axum::Json(fields)).into_response();
        if self.kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.kind == ErrorKind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The kind reaches the layer that counts refusals this way.
        response.extensions_mut().insert(self.kind);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response_with(serde_json::Map::new())
    }
}

/// A value as it stands in a message: quoted, and cut where it is long.
pub(crate) fn shown(value: &str) -> String {
    const MOST_CHARS: usize = 64;
    match value.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &value[..end], value.len()),
        None => format!("{value:?}"),
    }
}

/// Why the server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The address cannot be listened on.
    #[error(
        "setting `serving.listen`: cannot listen on {listen}: {source}; \
         stop what listens there, or choose another address (port 0 takes a free one)"
    )]
    Listen {
        /// The address.
        listen: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A metric of the same name is registered already.
    #[error("cannot register the server's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A thread, the runtime or the listener failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server's thread ended by a panic.
    #[error("the server's thread ended by a panic; its message is in the log")]
    Panicked,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(shown("a\"b"), r#""a\"b""#);
        let long = "ü".repeat(100);
        let text = shown(&long);
        assert!(text.contains("(200 bytes)") && text.len() < 160, "{text}");
    }

    #[test]
    fn what_may_pass_says_when_to_come_again() {
        for kind in ErrorKind::ALL {
            let response = ApiError::new(kind, "x").into_response();
            assert_eq!(response.status(), kind.status());
            let again = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(again, kind.status() == StatusCode::SERVICE_UNAVAILABLE, "{kind:?}");
        }
    }
}
