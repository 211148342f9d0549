//! The crate's one public error.

use std::fmt;
use std::path::Path;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The store belongs to another topic, group, partitioning or feature definition.
    Foreign,
    /// The store was written in a format that this version does not know.
    UnknownFormat,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The disk failed, is full, or another process holds the store; or checkpoints cannot be reached.
    Unavailable,
    /// A setting or argument is wrong.
    Setting,
}

/// A failure of a store.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn disk(doing: &str, error: rocksdb::Error) -> Self {
        let kind = match error.kind() {
            rocksdb::ErrorKind::Corruption => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        // RocksDB's text names the file. It has no kind of its own for this, and repeats the text of
        // a failed flush at the next write.
        let remedy = if error.to_string().contains("No space left on device") {
            "; the disk is full: free space on the state folder's file system and start again, nothing that was committed is lost"
        } else {
            ""
        };
        let message = format!("state store, {doing}: {error}{remedy}");
        Self { kind, message, source: Some(Box::new(error)) }
    }

    /// A store that does not open. A lock that is held has no kind of its own in RocksDB.
    pub(crate) fn open(path: &Path, error: rocksdb::Error) -> Self {
        let text = error.to_string();
        if text.contains("While lock file") || text.contains("lock hold by current process") {
            let message = format!(
                "state store {}: another process holds it: stop it, or use another data folder",
                path.display()
            );
            return Self { kind: ErrorKind::Unavailable, message, source: Some(Box::new(error)) };
        }
        Self::disk(&format!("opening {}", path.display()), error)
    }

    /// A failure of a folder or object store, with what was being done.
    pub(crate) fn unavailable(
        doing: impl fmt::Display,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let message = format!("{doing}: {error}");
        Self { kind: ErrorKind::Unavailable, message, source: Some(Box::new(error)) }
    }

    /// Whether this process itself has the store open.
    pub(crate) fn is_held_here(&self) -> bool {
        self.source.as_ref().is_some_and(|error| error.to_string().contains("lock hold by current process"))
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
