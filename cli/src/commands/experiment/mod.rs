//! What `hmisr fit` and `hmisr eval` share: data, cases, settings, and what is shown meanwhile.

mod cases;
mod data;
mod settings;
mod terminal;

pub use cases::CaseOptions;
pub use data::DataArgs;
pub use settings::{FitOptions, Size, pairs};
pub use terminal::Terminal;
