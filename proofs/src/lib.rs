//! A model of the commit: two instances of the job, a broker with transactions, and stores.
//!
//! [`broker`] is what Kafka promises, [`instance`] what one job remembers and does,
//! [`model`] every step that either can take and what must always be true. What a start decides
//! is not modelled: it is the job's own `recovery.rs`, compiled in here.

pub mod broker;
pub mod instance;
pub mod model;
mod properties;
#[path = "../../pipeline/src/recovery.rs"]
pub mod recovery;
mod steps;

/// What `recovery` returns where offsets do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    fn refused(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The result of `recovery`.
pub type Result<T> = std::result::Result<T, Error>;
