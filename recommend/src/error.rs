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
    /// Another process has what only one may have.
    Busy,
    /// There is no such version.
    Missing,
    /// Stored bytes are not what was written, or are of another format.
    Corrupt,
}

hmisr_features::error_with_kind! {
    /// A failure of a published model.
    ErrorKind
}

impl Error {
    /// What the file system refused.
    pub fn io(doing: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::caused(ErrorKind::Io, format!("cannot {doing} {}: {source}", path.display()), source)
    }
}

impl From<hmisr_model::Error> for Error {
    fn from(error: hmisr_model::Error) -> Self {
        let kind = match error.kind() {
            hmisr_model::ErrorKind::Configuration => ErrorKind::Configuration,
            hmisr_model::ErrorKind::Backend | hmisr_model::ErrorKind::Diverged => ErrorKind::Backend,
        };
        Self::caused(kind, error.to_string(), error)
    }
}
