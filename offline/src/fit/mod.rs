//! Fitting a network to the training part of a split.
//!
//! * [`FitSettings`] say what is fitted and for how long; [`fit`] does it, epoch by epoch, in a
//!   [`Run`] folder from which it resumes where it stopped, with the same outcome bit for bit.
//! * [`Neural`] is the fitted network as a [`Scorer`](crate::Scorer).

mod habits;
mod neural;
mod progress;
mod run;
mod settings;
mod train;
mod weights;
mod windows;

pub use neural::Neural;
pub use progress::{Evaluation, Progress};
pub use run::Run;
pub use settings::FitSettings;
pub use train::{Outcome, Watch, fit};
