//! The online trainer: the loop that evaluates and learns from the stream of training examples, and
//! what it keeps beside each version that it publishes so that it can go on.

mod batch;
mod error;
mod evaluation;
mod lesson;
mod metrics;
pub mod online;
pub mod prequential;
mod report;
mod seen;
mod served;
pub mod settings;
pub mod snapshot;
mod state;
mod trainer;
mod waiting;

pub use hmisr_model::backend;

pub use error::{Error, ErrorKind, Result};
pub use metrics::Metrics;
pub use online::{Progress, Summary, run};
pub use report::{StepReport, StepTimes};
pub use settings::Settings;
pub use state::State;
pub use trainer::Trainer;
