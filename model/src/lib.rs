//! Sequential recommenders over item embeddings: networks, losses, parameters.
//!
//! * [`Architecture`] names a network; [`Network`] is one, bound to a device for a step.
//! * [`Parameters`] and [`Table`] hold all weights with their optimizer state, on the host.
//! * [`Learner`] turns histories and targets into gradients.
//! * [`hmisr`] is the two-level multi-interest model, one file a part; [`baselines`] are the
//!   models it is compared with.

pub mod adam;
mod architecture;
pub mod backend;
pub mod baselines;
mod decay;
pub mod dot;
pub mod dropout;
mod encoder;
mod error;
mod exp;
pub mod fused;
#[cfg(test)]
mod gradient_check;
mod gru;
mod histories;
pub mod hmisr;
#[cfg(feature = "flex")]
mod host;
pub mod kind;
mod layers;
mod learner;
mod members;
mod merge;
mod network;
mod owners;
pub mod parameters;
mod places;
mod positions;
pub mod random;
mod recall;
pub mod settings;
mod simd;
pub mod softmax;
mod stop;
pub mod table;
mod time;
mod weights;
mod windows;

pub use architecture::Architecture;
pub use decay::Decay;
pub use encoder::Encoder;
pub use error::{Error, ErrorKind, Result};
pub use histories::{Histories, Reading};
pub use kind::Kind;
pub use learner::{Gradients, Learner, Observer, PassTimes, TableGradients, Targets};
pub use network::{Auxiliary, Input, Network, Output};
pub use owners::Owners;
pub use parameters::{Builder, Parameters};
pub use settings::ModelSettings;
pub use table::Table;
pub use time::Pairs;
pub use weights::Weights;
