//! What can go wrong in an experiment.

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
    /// A data set that cannot be read.
    #[error(transparent)]
    Read(#[from] hmisr_datasets::Error),
    /// Data from which the protocol cannot be made.
    #[error("{name}: {problem}; {remedy}")]
    Data {
        /// The data set's name.
        name: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A setting outside its range.
    #[error("{field} = {value}: {expected}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: String,
    },
    /// A model that gave something else than scores.
    #[error("model {model}: {problem}")]
    Scores {
        /// The model.
        model: String,
        /// What it gave, and for which case.
        problem: String,
    },
    /// The system refused a read or a write.
    #[error("{}: {action} failed", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A failure of a model, passed on.
    #[error("model {model} failed")]
    Model {
        /// The model.
        model: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine has not what networks are to be computed on.
    #[error(transparent)]
    Backend(hmisr_model::Error),
}

impl Error {
    /// Whether the user can mend it by other settings or input; otherwise disk or model failed.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Scores { .. } => false,
            Self::Read(error) => error.is_users(),
            Self::Model { source, .. } => source
                .downcast_ref::<hmisr_model::Error>()
                .is_some_and(|error| error.kind() == hmisr_model::ErrorKind::Configuration),
            _ => true,
        }
    }

    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(crate) fn input(path: &Path, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), problem: problem.into(), expected: expected.into() }
    }
}
