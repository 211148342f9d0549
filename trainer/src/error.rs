//! The crate's one public error: a kind to act on, and a text for people.

use std::fmt;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something is set wrongly; starting again without a change will not help.
    Configuration,
    /// The machine lacks what the chosen backend needs.
    Backend,
    /// The file system refused.
    Io,
    /// Another trainer has what only one may have.
    Busy,
    /// There is no snapshot.
    Missing,
    /// Stored bytes are not what was written, or are of another format.
    Corrupt,
    /// The source or the sink failed.
    Stream(hmisr_stream::ErrorKind),
    /// The log no longer holds, or never held, what the snapshot or the journal names.
    Position,
    /// A loss or a gradient is not a finite number.
    Diverged,
}

/// A failure of the trainer, its snapshots or its model.
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

    pub(crate) fn io(doing: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::caused(ErrorKind::Io, format!("cannot {doing} {}: {source}", path.display()), source)
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

impl From<hmisr_model::Error> for Error {
    fn from(error: hmisr_model::Error) -> Self {
        let kind = match error.kind() {
            hmisr_model::ErrorKind::Configuration => ErrorKind::Configuration,
            hmisr_model::ErrorKind::Backend => ErrorKind::Backend,
            hmisr_model::ErrorKind::Diverged => ErrorKind::Diverged,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<hmisr_stream::Error> for Error {
    fn from(error: hmisr_stream::Error) -> Self {
        Self::caused(ErrorKind::Stream(error.kind()), error.to_string(), error)
    }
}
