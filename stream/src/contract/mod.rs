//! The messages, one Rust type each. JSON unless said; readers ignore unknown fields.

mod announcement;
mod dead_letter;
mod event;
mod example;
mod features;
mod letter;
mod owner;
mod rejections;
pub mod topic;
mod user_view;
mod windowed;

pub use announcement::SnapshotAnnouncement;
pub use dead_letter::{DeadLetter, Reason};
pub use event::{Event, MAX_TEXT_BYTES};
pub use example::{ExampleError, TrainingExample};
pub use features::FeatureRecord;
pub use hmisr_features::{Diversity, Id, MAX_TS, MIN_TS, implausible};
pub use letter::{Letter, REPLAY, REPLAYED_FROM};
pub use owner::{Owners, PartitionOwner};
pub use rejections::{Example, Rejected, Rejections, Written};
pub use user_view::{UserView, VisitView};
pub use windowed::{CategoryPopularity, WindowedFeatures};
