//! The bridge's settings.

use hmisr_stream::SkipBatch;
use hmisr_stream::contract::topic;
use serde::{Deserialize, Serialize};

use crate::FeedError;

/// Which topic becomes events, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BridgeSettings {
    /// The topic that is read; empty until one is named.
    pub topic: String,
    /// Consumer group; how far it came is kept there.
    pub group: String,
    /// Each instance needs its own.
    pub transactional_id: String,
    /// Batches that cannot be read and are to be skipped, each a partition and the offset that the log and
    /// `/readyz` name, such as "3:1234". What is skipped is lost, and a dead letter says so.
    pub skip_unreadable: Vec<SkipBatch>,
    /// What the time is written in.
    pub time_unit: TimeUnit,
    /// Where the fields stand.
    pub fields: Fields,
    /// What a field is where a record does not have it.
    pub defaults: Defaults,
}

/// What a record's time is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds since 1970, also with a fraction.
    S,
    /// Milliseconds since 1970.
    Ms,
    /// Microseconds since 1970.
    Us,
    /// Nanoseconds since 1970.
    Ns,
    /// A text such as `2026-01-31T08:30:00.250Z` or `2026-01-31 09:30:00+01:00` (RFC 3339); UTC where it
    /// names no zone.
    Rfc3339,
    /// The record's own timestamp on Kafka; `fields.ts` is not looked at.
    Record,
}

/// Where an event's fields stand in a record: a name, or a JSON pointer (RFC 6901) such as
/// `/user/id` or `/genres/0`. Empty: nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// `user_id`.
    pub user_id: String,
    /// `item_id`.
    pub item_id: String,
    /// `category`.
    pub category: String,
    /// `action`.
    pub action: String,
    /// `ts`.
    pub ts: String,
    /// `weight`.
    pub weight: String,
    /// `is_tail`.
    pub is_tail: String,
    /// `request_id`.
    pub request_id: String,
    /// `event_id`.
    pub event_id: String,
}

/// What a field is where a record does not have it; empty: the record becomes a dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// `action`.
    pub action: String,
    /// `category`.
    pub category: String,
}

impl Default for BridgeSettings {
    fn default() -> Self {
        Self {
            topic: String::new(),
            group: "hmisr-bridge".into(),
            transactional_id: "hmisr-bridge-0".into(),
            skip_unreadable: Vec::new(),
            time_unit: TimeUnit::Ms,
            fields: Fields::default(),
            defaults: Defaults::default(),
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            user_id: "user_id".into(),
            item_id: "item_id".into(),
            category: "category".into(),
            action: "action".into(),
            ts: "ts".into(),
            weight: "weight".into(),
            is_tail: "is_tail".into(),
            request_id: "request_id".into(),
            event_id: "event_id".into(),
        }
    }
}

impl Fields {
    /// Every field of an event, with where it stands.
    pub(super) fn all(&self) -> [(&'static str, &str); 9] {
        [
            ("user_id", &self.user_id),
            ("item_id", &self.item_id),
            ("category", &self.category),
            ("action", &self.action),
            ("ts", &self.ts),
            ("weight", &self.weight),
            ("is_tail", &self.is_tail),
            ("request_id", &self.request_id),
            ("event_id", &self.event_id),
        ]
    }
}

impl BridgeSettings {
    /// Checks what can be known before the topic is.
    ///
    /// # Errors
    /// [`FeedError::Bridge`] names the setting and the remedy.
    pub fn validate(&self) -> Result<(), FeedError> {
        let refuse = |setting: &str, problem: &str| {
            Err(FeedError::Bridge { setting: setting.to_owned(), problem: problem.to_owned() })
        };
        if self.topic == topic::EVENTS {
            return refuse("topic", "`events` is what is written; name the topic that is read");
        }
        for (setting, name) in [("group", &self.group), ("transactional_id", &self.transactional_id)] {
            if name.is_empty() {
                return refuse(setting, "must be a name, not empty");
            }
        }
        for (name, place) in self.fields.all() {
            if place.split('/').skip(1).any(|step| step.replace("~0", "").replace("~1", "").contains('~')) {
                return refuse(
                    &format!("fields.{name}"),
                    "in a JSON pointer ~ is written ~0, and / in a name ~1",
                );
            }
            let needed = match name {
                "user_id" | "item_id" => true,
                "ts" => self.time_unit != TimeUnit::Record,
                "action" => self.defaults.action.is_empty(),
                "category" => self.defaults.category.is_empty(),
                _ => false,
            };
            if needed && place.is_empty() {
                return refuse(&format!("fields.{name}"), "say where it stands in a record");
            }
        }
        Ok(())
    }
}
