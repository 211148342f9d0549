//! Where a user's committed features and window come from.

use hmisr_stream::contract::{Id, UserView};

/// Answers for a user's committed state. Calls block; the server makes them away from its
/// asynchronous threads, a bounded number at a time.
pub trait UserLookup: Send + Sync + 'static {
    /// The user's features and window; none where no state is kept of the user, because there
    /// never was an event or because it has expired.
    ///
    /// # Errors
    /// [`LookupError`] where it cannot be known now.
    fn user(&self, id: &Id) -> Result<Option<UserView>, LookupError>;

    /// Whether look-ups answer at all.
    ///
    /// # Errors
    /// [`LookupError`] with what is missing.
    fn ready(&self) -> Result<(), LookupError>;
}

/// Why a user's state cannot be known now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    message: String,
}

impl LookupError {
    /// An error with a text that names place, value and remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
