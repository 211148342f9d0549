//! What an Arroyo cluster writes (`sql/`): features of windows of event time.

use hmisr_features::Id;
use serde::{Deserialize, Serialize};

/// A user's features over a window: the record of the topics `user-features-hourly`,
/// `user-features-daily` and `user-features-sessions`.
///
/// Records come at least once, and a late event can bring one of a part of its window. Of the records
/// of a user and window end the one with the most `records` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowedFeatures {
    /// The user.
    pub user_id: Id,
    /// The window's first millisecond, epoch milliseconds; of a session its first event's.
    pub window_start: i64,
    /// The first millisecond after the window, epoch milliseconds; of a session the gap after its
    /// last event.
    pub window_end: i64,
    /// Records read: events, repeated ones, and those whose category is no id.
    pub records: u64,
    /// Events, each once.
    pub events: u64,
    /// Shannon entropy of the categories' shares, in nats.
    pub entropy: f64,
    /// Pielou's evenness.
    pub evenness: f64,
    /// Share of neighbouring events whose categories differ.
    pub switch_rate: f64,
    /// Share of events whose item was long-tail; none where that is not known of every event.
    pub tail_ratio: Option<f64>,
    /// Distinct categories among the window's last N events, divided by min(N, events).
    pub recent_diversity: f64,
}

/// How much a category was used in a window: the record of the topic `category-popularity`.
///
/// Of the records of a category and window end the one with the most `events` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryPopularity {
    /// The category.
    pub category: Id,
    /// The window's first millisecond, epoch milliseconds.
    pub window_start: i64,
    /// The first millisecond after the window, epoch milliseconds.
    pub window_end: i64,
    /// Events.
    pub events: u64,
    /// Distinct users.
    pub users: u64,
    /// Distinct items.
    pub items: u64,
}
