//! The crate's one public error: a kind to act on, and a text for people.

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

hmisr_features::error_with_kind! {
    /// A failure of a source, a sink or a log.
    ErrorKind
}
