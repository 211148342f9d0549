//! Where events come from, and how they get into the log.
//!
//! * [`EventSource`]: a stream of [`EventLine`]s, with files of any layout behind it ([`open`]) and
//!   a seeded [`Generator`] whose [`GroundTruth`] is kept.
//! * [`Numbered`]: the partition and the offset that each line gets; the same for a feed and for
//!   a backfill.
//! * [`Feeder`]: writes a source into the topic `events`, goes on exactly where it stopped, and
//!   waits for those who read.
//! * [`Bridge`]: copies another topic of Kafka into `events`, field by field as [`BridgeSettings`] says.
//! * [`EventLog`]: the embedded log and Kafka, as the feeder writes them.
//! * [`FeedIdentity`]: what a data folder was fed from, so that another source is refused.

mod bridge;
mod error;
mod event_log;
mod feeder;
mod files;
pub mod generator;
mod identity;
mod line;
mod metrics;
mod pace;
mod progress;
mod settings;

pub use bridge::{
    Bridge, BridgeMetrics, BridgeSettings, Copied, Defaults, Fields, Mapped, Mapping, Places, Times,
    TopicTime,
};
pub use error::FeedError;
pub use event_log::EventLog;
pub use feeder::{EventWriter, Fed, Feeder};
pub use files::open;
pub use generator::{Generator, GeneratorSettings, GroundTruth};
pub use hmisr_datasets::{Format, MAX_LINE_BYTES, Options};
pub use identity::FeedIdentity;
pub use line::{Cut, EventLine, EventSource, MAX_EVENT_BYTES, Numbered, NumberedLine, Place, partition_of};
pub use metrics::FeedMetrics;
pub use progress::FeedProgress;
pub use settings::Settings;
