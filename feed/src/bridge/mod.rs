//! From another topic's records to events.
//!
//! * [`BridgeSettings`]: which topic, and where in its records an event's fields stand.
//! * [`Mapping`]: one record to its events, or what is wrong with it. No I/O.
//! * [`Bridge`]: reads, maps and writes, each record exactly once.

mod clock;
mod condition;
mod copy;
mod mapping;
mod mend;
mod metrics;
mod only;
mod payload;
mod places;
mod settings;

pub use clock::Times;
pub use copy::{Bridge, Copied};
pub use mapping::{Mapped, Mapping};
pub use metrics::BridgeMetrics;
pub use places::Places;
pub use settings::{BridgeSettings, Defaults, Fields, TopicTime};
