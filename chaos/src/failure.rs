//! What ends a run that did not succeed.

use std::fmt;

/// Exit code where the arguments must be changed.
const USER_ERROR: u8 = 2;
/// Exit code where a promise was broken, or broker, disk or program failed.
const FAILED: u8 = 1;

/// The end of a run that did not succeed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit_code: u8,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Something that the user can mend.
    pub fn user(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: USER_ERROR }
    }

    /// Something that should not have come to pass.
    pub fn fault(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: FAILED }
    }

    /// The same with more to say, in a line of its own.
    #[must_use]
    pub fn with(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}\n{more}", self.message);
        self
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<hmisr_pipeline::Error> for Failure {
    fn from(error: hmisr_pipeline::Error) -> Self {
        Self::fault(format!("the engine: {error}"))
    }
}

impl From<hmisr_stream::Error> for Failure {
    fn from(error: hmisr_stream::Error) -> Self {
        Self::fault(error.to_string())
    }
}

impl From<hmisr_state::Error> for Failure {
    fn from(error: hmisr_state::Error) -> Self {
        Self::fault(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::fault(error.to_string())
    }
}
