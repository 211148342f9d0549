//! The bridge's settings.

use std::fmt;
use std::str::FromStr;

use hmisr_datasets::values::TimeForm;
use hmisr_stream::SkipBatch;
use hmisr_stream::contract::topic;
use serde::{Deserialize, Serialize};

use super::only::Only;
use super::places::{Place, Places};
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
    pub time_unit: TopicTime,
    /// Only records that meet all of these become events: `/op=c,r`, at that place stands one of the values.
    pub only: Vec<String>,
    /// A list in the record, as a JSON pointer, of which each element becomes an event; empty: the record
    /// is one.
    pub each: String,
    /// Where the fields stand.
    pub fields: Fields,
    /// What a field is where a record does not have it.
    pub defaults: Defaults,
}

/// What a topic's times are written in: all of them alike.
///
/// As text: `auto`, `record`, or a form of [`TimeForm`]: `s`, `ms`, `us`, `ns`, `rfc3339`, `yyyymmdd`, a
/// pattern such as `%d/%m/%Y %H:%M`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TopicTime {
    /// Decided once, by the first records.
    #[default]
    Auto,
    /// The record's own timestamp on Kafka; `fields.ts` is not looked at.
    Record,
    /// This form.
    Form(TimeForm),
}

impl FromStr for TopicTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "record" => Ok(Self::Record),
            form => form
                .parse()
                .map(Self::Form)
                .map_err(|error| format!("{error}; or auto, or record for Kafka's own timestamp")),
        }
    }
}

impl TryFrom<String> for TopicTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TopicTime> for String {
    fn from(time: TopicTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TopicTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Record => f.write_str("record"),
            Self::Form(form) => form.fmt(f),
        }
    }
}

/// Where an event's fields stand in a record, the first place that has a value counts: a name, a JSON
/// pointer (RFC 6901) such as `/user/id` or `/genres/0`, `./sku` in the element of `each`, `key:` for the
/// record's key, `key:/id` in a key of JSON, `header:NAME`. Empty: nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// `user_id`.
    pub user_id: Places,
    /// `item_id`.
    pub item_id: Places,
    /// `category`.
    pub category: Places,
    /// `action`.
    pub action: Places,
    /// `ts`.
    pub ts: Places,
    /// `weight`.
    pub weight: Places,
    /// `is_tail`.
    pub is_tail: Places,
    /// `request_id`.
    pub request_id: Places,
    /// `event_id`.
    pub event_id: Places,
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
            time_unit: TopicTime::Auto,
            only: Vec::new(),
            each: String::new(),
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
    /// Those without which there is no event.
    pub(super) const REQUIRED: [&'static str; 5] = ["user_id", "item_id", "category", "action", "ts"];

    /// The places of a field, to be changed; none where an event has no such field.
    pub fn named(&mut self, name: &str) -> Option<&mut Places> {
        Some(match name {
            "user_id" => &mut self.user_id,
            "item_id" => &mut self.item_id,
            "category" => &mut self.category,
            "action" => &mut self.action,
            "ts" => &mut self.ts,
            "weight" => &mut self.weight,
            "is_tail" => &mut self.is_tail,
            "request_id" => &mut self.request_id,
            "event_id" => &mut self.event_id,
            _ => return None,
        })
    }

    /// Every field of an event, with where it stands.
    pub(super) fn all(&self) -> [(&'static str, &Places); 9] {
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
        for condition in &self.only {
            if let Err(problem) = Only::parse(condition) {
                return refuse("only", &problem);
            }
        }
        if !self.each.is_empty() && !matches!(Place::parse(&self.each), Ok(Place::Record(_))) {
            return refuse("each", "a JSON pointer of a list, such as /items");
        }
        for (name, places) in self.fields.all() {
            if let Err(problem) = places.read() {
                return refuse(&format!("fields.{name}"), &problem);
            }
            let needed = match name {
                "user_id" | "item_id" => true,
                "ts" => self.time_unit != TopicTime::Record,
                "action" => self.defaults.action.is_empty(),
                "category" => self.defaults.category.is_empty(),
                _ => false,
            };
            if needed && places.is_empty() {
                return refuse(&format!("fields.{name}"), "say where it stands in a record");
            }
        }
        Ok(())
    }
}
