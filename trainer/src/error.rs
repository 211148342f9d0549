//! The crate's one public error: a kind to act on, and a text for people.

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

hmisr_features::error_with_kind! {
    /// A failure of the trainer, its snapshots or its model.
    ErrorKind
}

impl Error {
    pub(crate) fn io(doing: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::caused(ErrorKind::Io, format!("cannot {doing} {}: {source}", path.display()), source)
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

impl From<hmisr_recommend::Error> for Error {
    fn from(error: hmisr_recommend::Error) -> Self {
        use hmisr_recommend::ErrorKind as Published;
        let kind = match error.kind() {
            Published::Configuration => ErrorKind::Configuration,
            Published::Backend => ErrorKind::Backend,
            Published::Io => ErrorKind::Io,
            Published::Busy => ErrorKind::Busy,
            Published::Missing => ErrorKind::Missing,
            Published::Corrupt => ErrorKind::Corrupt,
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<hmisr_stream::Error> for Error {
    fn from(error: hmisr_stream::Error) -> Self {
        Self::caused(ErrorKind::Stream(error.kind()), error.to_string(), error)
    }
}
