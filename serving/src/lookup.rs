//! Where a user's committed features and newest visits come from.

use hmisr_stream::contract::{Id, UserView};

/// Answers for a user's committed state. Calls block; the server makes them away from its
/// asynchronous threads, a bounded number at a time.
pub trait UserLookup: Send + Sync + 'static {
    /// The user's features and newest visits; none where the owner of the user's partition keeps
    /// no state of the user, because there never was an event or because it has expired.
    ///
    /// # Errors
    /// [`LookupError`] where it cannot be known now or not here.
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError>;

    /// Whether look-ups answer at all.
    ///
    /// # Errors
    /// [`LookupError`] with what is missing.
    fn ready(&self) -> Result<(), LookupError>;

    /// Some users that can be looked up, at most `most`, the most recently active first: what a person is
    /// offered to begin with. None where naming them is not cheap.
    ///
    /// # Errors
    /// [`LookupError`] where it cannot be known now.
    fn active(&self, most: usize) -> Result<Vec<Id>, LookupError> {
        let _ = most;
        Ok(Vec::new())
    }
}

/// Why a user's state cannot be known now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    message: String,
    not_owned: bool,
}

impl LookupError {
    /// An error with a text that names place, value and remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), not_owned: false }
    }

    /// An error where another process owns the user's partition, or none does yet: whether the
    /// user is known can only be said there.
    pub fn not_owned(message: impl Into<String>) -> Self {
        Self { message: message.into(), not_owned: true }
    }

    /// Whether somebody else has to be asked.
    pub fn is_not_owned(&self) -> bool {
        self.not_owned
    }
}
