//! A user's features after one event.

use hmisr_features::{Diversity, Features, Id};
use serde::{Deserialize, Serialize};

use super::Event;

/// The record of the topic `user-features`, and a line of a backfill: one per applied event.
/// Partition and offset are the event's own, so a reader can drop what it has already seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureRecord {
    /// The user.
    pub user_id: Id,
    /// The event's item.
    pub item_id: Id,
    /// The event's category.
    pub category: Id,
    /// Whether the item was long-tail when the event arrived.
    pub tail: bool,
    /// The event's time, epoch milliseconds.
    pub ts: i64,
    /// The event's partition.
    pub partition: i32,
    /// The event's offset.
    pub offset: i64,
    /// Over all the user's events since the state began.
    pub lifetime: Diversity,
    /// Over the user's last W events, this one included.
    pub window: Diversity,
    /// Distinct categories among the last N events, divided by min(N, n).
    pub recent_diversity: f64,
}

impl FeatureRecord {
    /// The features after `event`, which stood in `partition` at `offset`.
    pub fn new(event: Event, features: Features, partition: i32, offset: i64) -> Self {
        let Features { tail, lifetime, window, recent_diversity } = features;
        let Event { user_id, item_id, category, ts, .. } = event;
        Self { user_id, item_id, category, tail, ts, partition, offset, lifetime, window, recent_diversity }
    }
}
