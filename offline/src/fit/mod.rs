//! Fitting a network to the training part of a split.
//!
//! * [`FitSettings`] say what is fitted and for how long; [`fit`] does it, epoch by epoch, in a
//!   [`Run`] folder from which it resumes where it stopped, with the same outcome bit for bit.
//! * [`Neural`] is the fitted network, or a published version, as a [`Scorer`](crate::Scorer).
//! * [`publish`] writes a fit as a version that servers take and trainers go on from; [`publish_under`] does where
//!   the folder was claimed before the fit.

mod counted;
mod learnt;
mod neural;
mod progress;
mod publish;
mod run;
mod settings;
mod train;
mod weights;
mod windows;

pub use neural::Neural;
pub use progress::{Evaluation, Progress};
pub use publish::{publish, publish_under};
pub use run::Run;
pub use settings::FitSettings;
pub use train::{Outcome, Watch, fit};
