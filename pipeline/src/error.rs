//! The crate's one public error.

use std::fmt;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A setting, topic or store does not fit the rest; starting again without a change will not help.
    Refused,
    /// Broker or disk failed; starting again goes on from the last commit.
    Unavailable,
    /// Another instance took over.
    Fenced,
}

/// A failure of the job. Nothing uncommitted survives it, and nothing committed is lost.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    fate: Option<Fate>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What became of a transaction that did not commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has no effect.
    Aborted,
    /// It may or may not have taken effect, or the log could not be reached.
    Unknown,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Refused, message: message.into(), fate: None, source: None }
    }

    /// A failure of what is processed: of the user's making, or of the disk.
    pub fn input(is_users: bool, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let kind = if is_users { ErrorKind::Refused } else { ErrorKind::Unavailable };
        Self { kind, message: source.to_string(), fate: None, source: Some(Box::new(source)) }
    }

    /// A store or a checkpoint that cannot be had now, perhaps later: other partitions go on.
    pub(crate) fn later(error: hmisr_state::Error) -> Self {
        let error = Self::from(error);
        let fate = (error.kind == ErrorKind::Unavailable).then_some(Fate::Unknown);
        Self { fate, ..error }
    }

    /// The fate of the transaction, where one failed in a way from which the engine can go on.
    pub(crate) fn fate(&self) -> Option<Fate> {
        self.fate
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

impl From<hmisr_stream::Error> for Error {
    fn from(error: hmisr_stream::Error) -> Self {
        use hmisr_stream::ErrorKind as Stream;
        let kind = match error.kind() {
            Stream::Fenced => ErrorKind::Fenced,
            Stream::Unavailable | Stream::Aborted | Stream::UnknownOutcome => ErrorKind::Unavailable,
            Stream::Configuration
            | Stream::MissingTopic
            | Stream::OffsetOutOfRange
            | Stream::TooLarge
            | Stream::Corrupt => ErrorKind::Refused,
        };
        let fate = match error.kind() {
            Stream::Aborted => Some(Fate::Aborted),
            Stream::UnknownOutcome | Stream::Unavailable => Some(Fate::Unknown),
            _ => None,
        };
        Self { kind, message: error.to_string(), fate, source: Some(Box::new(error)) }
    }
}

impl From<hmisr_state::Error> for Error {
    fn from(error: hmisr_state::Error) -> Self {
        use hmisr_state::ErrorKind as State;
        let kind = match error.kind() {
            State::Foreign | State::UnknownFormat | State::Corrupt | State::Setting => ErrorKind::Refused,
            State::Unavailable => ErrorKind::Unavailable,
        };
        Self { kind, message: error.to_string(), fate: None, source: Some(Box::new(error)) }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            message: error.to_string(),
            fate: None,
            source: Some(Box::new(error)),
        }
    }
}
