//! What can go wrong while a data set is read.

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure; the text names place, field, value and remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that is not there, or that is not what was expected.
    #[error("{}: {problem}; expected {expected}", path.display())]
    Input {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What should be there.
        expected: String,
    },
    /// A file that can be read once something is done or said.
    #[error("{}: {problem}; {remedy}", path.display())]
    Unclear {
        /// The path.
        path: PathBuf,
        /// What is not clear, or not read.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A column that is not there, or that could be one of several.
    #[error("{}: {problem}; {remedy}", path.display())]
    Column {
        /// The path.
        path: PathBuf,
        /// What is not found or not clear.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Nothing to read.
    #[error("{}: there is no event in it; name a file that holds at least one", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
    /// Fewer rows than the caller asks for are events.
    #[error("{}: {found}", path.display())]
    Few {
        /// The file or folder.
        path: PathBuf,
        /// How many rows are events, and why the others are not.
        found: String,
    },
    /// A line that is longer than is read.
    #[error("{}:{line}: longer than {limit} bytes, the most that is read; split or remove the line", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// The line's number, counted from 1.
        line: u64,
        /// The bound, in bytes.
        limit: usize,
    },
    /// An option outside its range.
    #[error("{option} {value}: {expected}")]
    Setting {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: String,
    },
    /// The system refused a read, or the file broke off.
    #[error("{}: {action} failed", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the user can mend it by other options or input; otherwise the disk failed.
    pub fn is_users(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(crate) fn input(path: &Path, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), problem: problem.into(), expected: expected.into() }
    }

    pub(crate) fn unclear(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unclear { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn column(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Column { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}
