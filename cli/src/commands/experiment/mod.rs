//! What `hmisr fit` and `hmisr eval` share: data, settings, fits and answers.

mod answers;
mod data;
mod network;
mod settings;

pub use answers::{Built, CaseOptions, Questions, stored};
pub use data::DataArgs;
pub use network::{load, train};
pub use settings::{FitOptions, Size};
