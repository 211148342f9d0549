//! What a look-up tells about a user.

use hmisr_features::{Diversity, Id};
use serde::{Deserialize, Serialize};

/// A user's committed features and newest visits: the answer of `GET /v1/users/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserView {
    /// The user.
    pub user_id: Id,
    /// The partition whose store answered.
    pub partition: i32,
    /// The store's next input offset: all events of the partition before it are in the answer.
    pub next_offset: i64,
    /// The user's greatest event time, epoch milliseconds.
    pub newest_ts: i64,
    /// Over all the user's events since the state began.
    pub lifetime: Diversity,
    /// Over the last W events.
    pub window: Diversity,
    /// Distinct categories among the last N events, divided by min(N, n).
    pub recent_diversity: f64,
    /// The newest events kept, oldest first: at least the window, and as many as a training
    /// example's history holds.
    pub visits: Vec<VisitView>,
}

/// One event of a sequence window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisitView {
    /// The item.
    pub item_id: Id,
    /// The item's category.
    pub category: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// Whether the item was long-tail when the event arrived.
    pub tail: bool,
}
