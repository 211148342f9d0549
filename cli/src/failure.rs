//! What ends a command: a text with all causes, and whether the user can mend it.

use std::fmt;

/// Exit code where settings, arguments or input must be changed.
const USER_ERROR: u8 = 2;
/// Exit code where broker, disk or program failed; starting again may help.
const FAULT: u8 = 1;

/// The end of a command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit_code: u8,
}

impl Failure {
    /// Something that the user can mend.
    pub fn user(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: USER_ERROR }
    }

    /// A part of the program that ended by a panic: a defect of ours.
    pub fn panic(part: &str) -> Self {
        Self { message: format!("{part} ended by a panic; the log above says where"), exit_code: FAULT }
    }

    /// Something wrong that the command was asked to look for.
    pub fn found(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: FAULT }
    }

    /// A fault, with all that caused it.
    pub fn fault(error: &dyn std::error::Error) -> Self {
        Self { message: chain(error), exit_code: FAULT }
    }

    /// The same with its text changed.
    pub fn map(self, change: impl FnOnce(String) -> String) -> Self {
        Self { message: change(self.message), ..self }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    fn of(error: &dyn std::error::Error, is_users: bool) -> Self {
        Self { message: chain(error), exit_code: if is_users { USER_ERROR } else { FAULT } }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The error's text and its causes', without those that the text repeats already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

impl From<hmisr_pipeline::Error> for Failure {
    fn from(error: hmisr_pipeline::Error) -> Self {
        Self::of(&error, error.kind() == hmisr_pipeline::ErrorKind::Refused)
    }
}

impl From<hmisr_stream::Error> for Failure {
    fn from(error: hmisr_stream::Error) -> Self {
        hmisr_pipeline::Error::from(error).into()
    }
}

impl From<hmisr_state::Error> for Failure {
    fn from(error: hmisr_state::Error) -> Self {
        hmisr_pipeline::Error::from(error).into()
    }
}

impl From<hmisr_datasets::Error> for Failure {
    fn from(error: hmisr_datasets::Error) -> Self {
        Self::of(&error, error.is_users())
    }
}

impl From<hmisr_feed::FeedError> for Failure {
    fn from(error: hmisr_feed::FeedError) -> Self {
        Self::of(&error, error.is_users())
    }
}

impl From<hmisr_serving::Error> for Failure {
    fn from(error: hmisr_serving::Error) -> Self {
        use hmisr_serving::Error as Serving;
        let is_users = matches!(error, Serving::Setting(_) | Serving::Listen { .. });
        Self::of(&error, is_users)
    }
}

impl From<hmisr_trainer::Error> for Failure {
    fn from(error: hmisr_trainer::Error) -> Self {
        use hmisr_trainer::ErrorKind as Trainer;
        let is_users = !matches!(error.kind(), Trainer::Io | Trainer::Stream(_) | Trainer::Diverged);
        Self::of(&error, is_users)
    }
}

impl From<hmisr_recommend::Error> for Failure {
    fn from(error: hmisr_recommend::Error) -> Self {
        let is_users = error.kind() != hmisr_recommend::ErrorKind::Io;
        Self::of(&error, is_users)
    }
}

impl From<hmisr_arroyo::Error> for Failure {
    fn from(error: hmisr_arroyo::Error) -> Self {
        Self::of(&error, error.kind() == hmisr_arroyo::ErrorKind::Refused)
    }
}

impl From<hmisr_model::Error> for Failure {
    fn from(error: hmisr_model::Error) -> Self {
        let is_users = error.kind() != hmisr_model::ErrorKind::Diverged;
        Self::of(&error, is_users)
    }
}

impl From<hmisr_offline::Error> for Failure {
    fn from(error: hmisr_offline::Error) -> Self {
        Self::of(&error, error.is_users())
    }
}

impl From<prometheus::Error> for Failure {
    fn from(error: prometheus::Error) -> Self {
        Self::fault(&error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::fault(&error)
    }
}
