//! The online trainer: the model, its embedding table, the loop that evaluates and learns from
//! the stream of training examples, and the snapshots that it publishes.

mod adam;
pub mod backend;
mod batch;
pub mod catalogue;
mod error;
mod model;
pub mod prequential;
mod random;
mod seen;
pub mod settings;
mod table;
mod trainer;

pub use error::{Error, ErrorKind, Result};
pub use settings::Settings;
pub use trainer::{State, StepReport, StepTimes, Trainer};
