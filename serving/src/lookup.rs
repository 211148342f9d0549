//! Where a user's committed features and newest visits come from.

use hmisr_stream::contract::{Id, UserView};
use serde::{Deserialize, Serialize};

/// Answers for a user's committed state. Calls block; the server makes them away from its
/// asynchronous threads, a bounded number at a time.
pub trait UserLookup: Send + Sync + 'static {
    /// The user's features and newest visits; none where nobody keeps state of the user, in whichever
    /// partition, because there never was an event or because it has expired.
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

/// Where a user was looked for without being found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedIn {
    /// The partitions of `events` that were looked in.
    pub looked_in: Vec<i32>,
    /// How many there are.
    pub partitions: i32,
}

/// Why a user's state cannot be known now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    message: String,
    not_owned: bool,
    looked_in: Option<LookedIn>,
}

impl LookupError {
    /// An error with a text that names place, value and remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), not_owned: false, looked_in: None }
    }

    /// An error where other processes own partitions, or nobody does yet: whether the user is known can
    /// only be said together with them.
    pub fn not_owned(message: impl Into<String>) -> Self {
        Self { not_owned: true, ..Self::new(message) }
    }

    /// The same, with the partitions in which the user is not.
    #[must_use]
    pub fn having_looked_in(self, looked_in: LookedIn) -> Self {
        Self { looked_in: Some(looked_in), ..self }
    }

    /// Whether somebody else has to be asked.
    pub fn is_not_owned(&self) -> bool {
        self.not_owned
    }

    /// The partitions in which the user is not, where they are known.
    pub fn looked_in(&self) -> Option<&LookedIn> {
        self.looked_in.as_ref()
    }
}
