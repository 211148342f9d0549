//! From another topic's records to events.
//!
//! * [`BridgeSettings`]: which topic, and where in its records an event's fields stand.
//! * [`Mapping`]: one record to one event, or what is wrong with it. No I/O.
//! * [`Bridge`]: reads, maps and writes, each record exactly once.

mod condition;
mod copy;
mod mapping;
mod metrics;
mod settings;

pub use copy::{Bridge, Copied};
pub use mapping::Mapping;
pub use metrics::BridgeMetrics;
pub use settings::{BridgeSettings, Defaults, Fields, TimeUnit};
