//! The online trainer: the model, its embedding table, the loop that evaluates and learns from
//! the stream of training examples, and the snapshots that it publishes.

mod batch;
pub mod catalogue;
mod error;
mod evaluation;
mod habits;
mod metrics;
pub mod online;
mod plain;
pub mod prequential;
pub mod recommend;
mod report;
mod seen;
pub mod settings;
pub mod snapshot;
mod state;
mod trainer;

pub use hmisr_model::backend;

pub use error::{Error, ErrorKind, Result};
pub use metrics::Metrics;
pub use online::{Progress, Summary, run};
pub use recommend::{Recommendation, Recommender, Scored};
pub use report::{StepReport, StepTimes};
pub use settings::Settings;
pub use state::State;
pub use trainer::Trainer;
