//! The crate's one public error: a kind to act on, and a text for people.

use std::fmt;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something is set wrongly; starting again without a change will not help.
    Configuration,
    /// A topic does not exist.
    MissingTopic,
    /// The broker or disk cannot be reached now; the same call may work later.
    Unavailable,
    /// Another producer with the same transactional id took over; stop.
    Fenced,
    /// The transaction was refused and has no effect; abort, and begin again from the last commit.
    Aborted,
    /// Whether the transaction took effect is not known: drop the sink, make a new one, seek back.
    UnknownOutcome,
    /// An offset is no longer, or not yet, in the log.
    OffsetOutOfRange,
    /// A record is larger than the log takes.
    TooLarge,
    /// Stored bytes are not what was written.
    Corrupt,
}

/// A failure of a source, a sink or a log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a text that names field, value, place and remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same, with what caused it.
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(Box::new(source)) }
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
