//! What the trainer keeps beside a published version, so that it goes on as if it had never stopped.
//!
//! ```text
//! root/
//!   journal                   which offsets form which batch since the newest version (see `online`)
//!   v00000012/                a version as `hmisr_recommend::artifact` describes it; attached:
//!     trainer.json            settings, counters, the evaluation, and how far a first lesson is
//!     optimizer.safetensors   moments and step counts
//!     seen.bin                what each user has seen
//! ```
//!
//! A version without these, such as one that a fit published, is a warm start: its weights are bound by name,
//! and the optimizer begins anew. A version costs the whole state each time: weights and moments take 12 · d
//! bytes an item, what users have seen 4 bytes an entry and 32 to 160 a user.

mod migrate;
mod restore;
mod seen;
mod users;
mod waiting;
mod warm;
mod write;

pub use migrate::migrate;
pub use restore::{Restored, resolved, restore};
pub(crate) use restore::{Start, start};
pub use warm::Bound;
pub(crate) use write::{Context, publish};
