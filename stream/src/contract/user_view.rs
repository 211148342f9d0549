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
    /// Over all the user's positive events since the state began.
    pub lifetime: Diversity,
    /// Over the last W of them.
    pub window: Diversity,
    /// Distinct categories among the last N of them, divided by min(N, n).
    pub recent_diversity: f64,
    /// The newest events of any action, oldest first: 200, or as many as a training example's history
    /// holds where that is more.
    pub visits: Vec<VisitView>,
}

/// One event of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisitView {
    /// The item.
    pub item_id: Id,
    /// The item's category.
    pub category: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// Whether the item was long-tail when the event arrived; false of an action that is not positive.
    pub tail: bool,
    /// What the user did; empty where the answer is of an older job.
    #[serde(default)]
    pub action: String,
    /// How strong the interaction was, where the event told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f32>,
    /// The item's further categories, where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_categories: Vec<Id>,
}
