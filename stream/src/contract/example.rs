//! What the trainer learns from.
//!
//! The message is written in version 2, which hands the bytes of the user's visits on as they lie in the state;
//! version 1, which had a column of items, one of categories and one of times, is still read.

use hmisr_features::{Diversity, Features, HABIT_NAMES, History, Id, Interaction, MAX_CATEGORIES};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// One positive event with the user's history before it (Protobuf, topic `training-examples`).
///
/// The history never holds the target or anything after it. As a schema:
///
/// ```proto
/// syntax = "proto3";
/// message WireId { uint64 int = 1; string text = 2; }
/// message FeatureVector {
///   uint64 events = 1;              // of any action in the user's life before the target
///   double entropy = 2; double evenness = 3; double switch_rate = 4; double tail_ratio = 5; // window
///   double recent_diversity = 6;
///   double lifetime_entropy = 7; double lifetime_evenness = 8;
///   double lifetime_switch_rate = 9; double lifetime_tail_ratio = 10;
///   uint64 lifetime_events = 11; uint64 window_events = 12; // positive ones
/// }
/// message TrainingExample {
///   WireId user = 1; WireId item = 2; WireId category = 3;
///   float weight = 5; int64 ts = 6;
///   FeatureVector features = 10;
///   bytes history = 11;             // see hmisr_features::History
///   string action = 12; repeated WireId more_categories = 13; string request_id = 14;
///   // Version 1: float label = 4 (always 1), and the history as columns in the place of 11.
///   repeated WireId history_items = 7; repeated WireId history_categories = 8;
///   repeated sint64 history_ts_deltas = 9; // ts minus the next newer event's ts
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingExample {
    /// The user.
    pub user: Id,
    /// The target: the item that the user chose next.
    pub item: Id,
    /// The target's categories, the first one first; at least one.
    pub categories: Vec<Id>,
    /// What the user did; empty in version 1.
    pub action: String,
    /// The event's weight, 1 where it had none: how much the example counts. Of 0 or less, it is no target.
    pub weight: f32,
    /// The target's event time, epoch milliseconds: when the user was to be given something.
    pub ts: i64,
    /// The request that the target answers, where the event told.
    pub request_id: Option<String>,
    /// Events of any action in the user's life before the target: its position, counted from 0.
    pub position: u64,
    /// The user's features before the target.
    pub features: Features,
    /// The newest events of any action before the target.
    pub history: History,
}

/// A record of `training-examples` that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// Not the Protobuf message.
    #[error("not a training example: {0}")]
    Wire(#[from] prost::DecodeError),
    /// A field outside its range.
    #[error("training example, field `{field}`: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
}

/// More than the entropy of as many categories as there are numbers, nats.
const MOST_ENTROPY: f64 = 64.0;
/// By how much running sums may be off.
const ROUNDING: f64 = 1e-6;
/// The most events of a history of version 1, as of `pipeline.history`.
const MOST_EVENTS: usize = 10_000;

fn field(field: &'static str, problem: impl Into<String>) -> ExampleError {
    ExampleError::Field { field, problem: problem.into() }
}

impl TrainingExample {
    /// Reads and checks an example.
    ///
    /// # Errors
    /// [`ExampleError`] names the field and its value.
    pub fn read(payload: &[u8]) -> Result<Self, ExampleError> {
        let wire = WireExample::decode(payload)?;
        if !wire.weight.is_finite() {
            return Err(field("weight", format!("{} is not a finite number", wire.weight)));
        }
        let history = match wire.history.is_empty() {
            true => wire.columns()?,
            false => History::from_bytes(wire.history).ok_or_else(|| {
                field("history", "the bytes are no visits of a user's, or of a newer version")
            })?,
        };
        let mut categories = vec![wire.category.read("category")?];
        for more in wire.more_categories.iter().take(MAX_CATEGORIES - 1) {
            categories.push(more.read("more_categories")?);
        }
        Ok(Self {
            user: wire.user.read("user")?,
            item: wire.item.read("item")?,
            categories,
            action: wire.action,
            weight: wire.weight,
            ts: wire.ts,
            request_id: Some(wire.request_id).filter(|id| !id.is_empty()),
            position: wire.features.events,
            features: wire.features.features()?,
            history,
        })
    }

    /// The message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        let category = self.categories.first().cloned().unwrap_or_else(|| Id::from(0));
        let wire = WireExample {
            user: (&self.user).into(),
            item: (&self.item).into(),
            category: (&category).into(),
            weight: self.weight,
            ts: self.ts,
            features: FeatureVector::new(self.position, &self.features),
            action: self.action.clone(),
            more_categories: self.categories.iter().skip(1).map(WireId::from).collect(),
            request_id: self.request_id.clone().unwrap_or_default(),
            ..WireExample::default()
        };
        let history = self.history.as_bytes();
        out.reserve(wire.encoded_len() + 16 + history.len());
        // A vector grows as it must.
        wire.encode_raw(out);
        // The largest field as it lies, without a copy of its own; fields may come in any order.
        if !history.is_empty() {
            encode_key(HISTORY, WireType::LengthDelimited, out);
            encode_varint(history.len() as u64, out);
            out.extend_from_slice(history);
        }
    }
}

/// An id on the wire: an integer, or the string beside it.
#[derive(Clone, PartialEq, Eq, Message)]
struct WireId {
    /// The integer, where `text` is empty.
    #[prost(uint64, tag = "1")]
    int: u64,
    /// The string, or empty.
    #[prost(string, tag = "2")]
    text: String,
}

/// The user's features on the wire; see [`TrainingExample`].
#[derive(Clone, Copy, PartialEq, Message)]
struct FeatureVector {
    #[prost(uint64, tag = "1")]
    events: u64,
    #[prost(double, tag = "2")]
    entropy: f64,
    #[prost(double, tag = "3")]
    evenness: f64,
    #[prost(double, tag = "4")]
    switch_rate: f64,
    #[prost(double, tag = "5")]
    tail_ratio: f64,
    #[prost(double, tag = "6")]
    recent_diversity: f64,
    #[prost(double, tag = "7")]
    lifetime_entropy: f64,
    #[prost(double, tag = "8")]
    lifetime_evenness: f64,
    #[prost(double, tag = "9")]
    lifetime_switch_rate: f64,
    #[prost(double, tag = "10")]
    lifetime_tail_ratio: f64,
    #[prost(uint64, tag = "11")]
    lifetime_events: u64,
    #[prost(uint64, tag = "12")]
    window_events: u64,
}

impl FeatureVector {
    fn new(position: u64, features: &Features) -> Self {
        let Features { lifetime, window, recent_diversity, .. } = *features;
        Self {
            events: position,
            entropy: window.entropy,
            evenness: window.evenness,
            switch_rate: window.switch_rate,
            tail_ratio: window.tail_ratio,
            recent_diversity,
            lifetime_entropy: lifetime.entropy,
            lifetime_evenness: lifetime.evenness,
            lifetime_switch_rate: lifetime.switch_rate,
            lifetime_tail_ratio: lifetime.tail_ratio,
            lifetime_events: lifetime.events,
            window_events: window.events,
        }
    }

    fn features(&self) -> Result<Features, ExampleError> {
        let window = Diversity {
            events: self.window_events,
            entropy: self.entropy,
            evenness: self.evenness,
            switch_rate: self.switch_rate,
            tail_ratio: self.tail_ratio,
        };
        let lifetime = Diversity {
            events: self.lifetime_events,
            entropy: self.lifetime_entropy,
            evenness: self.lifetime_evenness,
            switch_rate: self.lifetime_switch_rate,
            tail_ratio: self.lifetime_tail_ratio,
        };
        // Version 1 had the window alone: what is nearest to it stands for the life.
        let lifetime = if self.lifetime_events == 0 { window } else { lifetime };
        let features = Features { tail: false, lifetime, window, recent_diversity: self.recent_diversity };
        // One number out of its range would spoil the mean of all that is learnt.
        for (habit, name) in features.habits().into_iter().zip(HABIT_NAMES) {
            let most = if name.ends_with("entropy") { MOST_ENTROPY } else { 1.0 };
            if !(0.0..=most + ROUNDING).contains(&habit) {
                return Err(field("features", format!("{name}: {habit} is not 0 to {most}")));
            }
        }
        Ok(features)
    }
}

/// The number of the field `history`.
const HISTORY: u32 = 11;

/// The message; see [`TrainingExample`].
#[derive(Clone, PartialEq, Message)]
struct WireExample {
    #[prost(message, required, tag = "1")]
    user: WireId,
    #[prost(message, required, tag = "2")]
    item: WireId,
    #[prost(message, required, tag = "3")]
    category: WireId,
    #[prost(float, tag = "5")]
    weight: f32,
    #[prost(int64, tag = "6")]
    ts: i64,
    #[prost(message, repeated, tag = "7")]
    history_items: Vec<WireId>,
    #[prost(message, repeated, tag = "8")]
    history_categories: Vec<WireId>,
    #[prost(sint64, repeated, tag = "9")]
    history_ts_deltas: Vec<i64>,
    #[prost(message, required, tag = "10")]
    features: FeatureVector,
    #[prost(bytes = "vec", tag = "11")]
    history: Vec<u8>,
    #[prost(string, tag = "12")]
    action: String,
    #[prost(message, repeated, tag = "13")]
    more_categories: Vec<WireId>,
    #[prost(string, tag = "14")]
    request_id: String,
}

impl WireExample {
    /// The history of version 1.
    fn columns(&self) -> Result<History, ExampleError> {
        let (items, categories, times) =
            (self.history_items.len(), self.history_categories.len(), self.history_ts_deltas.len());
        if items != categories || items != times {
            let problem =
                format!("{items} items, {categories} categories and {times} times differ in number");
            return Err(field("history_items", problem));
        }
        if items > MOST_EVENTS {
            return Err(field("history_items", format!("{items} events; at most {MOST_EVENTS} are read")));
        }
        let read = |ids: &[WireId], name| ids.iter().map(|id| id.read(name)).collect::<Result<Vec<Id>, _>>();
        let items = read(&self.history_items, "history_items")?;
        let categories = read(&self.history_categories, "history_categories")?;
        let (mut ts, mut next) = (vec![0; times], self.ts);
        for (ts, delta) in ts.iter_mut().zip(&self.history_ts_deltas).rev() {
            next = next.saturating_add(*delta);
            *ts = next;
        }
        let events = items.iter().zip(&categories).zip(ts);
        Ok(History::of(events.map(|((item, category), ts)| Interaction::new(item, category, ts))))
    }
}

impl WireId {
    fn read(&self, name: &'static str) -> Result<Id, ExampleError> {
        let id = if self.text.is_empty() { Id::int(self.int) } else { Id::text(&self.text) };
        id.map_err(|error| field(name, error.to_string()))
    }
}

impl From<&Id> for WireId {
    fn from(id: &Id) -> Self {
        Self {
            int: id.as_int().unwrap_or_default(),
            text: match id.as_text() {
                Some(text) => text.to_owned(),
                None if id.is_quoted_int() => id.to_string(),
                None => String::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> Id {
        Id::from(n)
    }

    fn example() -> TrainingExample {
        let (drama, thriller) = (Id::text("drama").unwrap(), Id::text("thriller").unwrap());
        let visit =
            |item, action, weight, ts| Interaction { action, weight, ..Interaction::new(item, &drama, ts) };
        let (seven, zero) = (id(7), id(0));
        TrainingExample {
            user: id(1),
            item: id(2),
            categories: vec![drama.clone(), thriller],
            action: "click".to_owned(),
            weight: 2.5,
            ts: 1_000,
            request_id: Some("r-1".to_owned()),
            position: 12,
            features: Features {
                window: Diversity { events: 2, entropy: 0.5, ..Diversity::default() },
                lifetime: Diversity { events: 9, tail_ratio: 0.25, ..Diversity::default() },
                ..Features::default()
            },
            history: History::of([visit(&seven, "skip", None, 880), visit(&zero, "click", Some(-1.0), 900)]),
        }
    }

    fn version_1() -> WireExample {
        let id = |n: u32| WireId::from(&id(n));
        WireExample {
            user: id(1),
            item: id(2),
            category: id(9),
            weight: 1.0,
            ts: 1_000,
            history_items: vec![id(3), id(0)],
            history_categories: vec![id(4), id(5)],
            history_ts_deltas: vec![-20, -100],
            features: FeatureVector { events: 2, entropy: 0.5, ..FeatureVector::default() },
            ..WireExample::default()
        }
    }

    #[test]
    fn an_example_reads_back() {
        let read = TrainingExample::read(&example().to_bytes()).unwrap();
        assert_eq!(read, example());
        let opened = read.history.open();
        let visits: Vec<_> = opened.visits().collect();
        assert_eq!((visits[0].action, visits[0].ts), ("skip", 880));
        assert_eq!((&visits[1].item, visits[1].weight), (&id(0), Some(-1.0)));
    }

    #[test]
    fn version_1_is_read() {
        let read = TrainingExample::read(&version_1().encode_to_vec()).unwrap();
        let opened = read.history.open();
        let visits: Vec<_> =
            opened.visits().map(|visit| (visit.item, visit.category.clone(), visit.ts)).collect();
        assert_eq!(visits, [(id(3), id(4), 880), (id(0), id(5), 900)]);
        assert_eq!((read.position, read.features.lifetime.entropy), (2, 0.5));
        assert_eq!((read.categories, read.action.as_str(), read.request_id), (vec![id(9)], "", None));
    }

    #[test]
    fn what_is_no_example_is_refused() {
        let refused =
            |wire: WireExample| TrainingExample::read(&wire.encode_to_vec()).unwrap_err().to_string();
        assert!(TrainingExample::read(b"nonsense").is_err());
        let mut short = version_1();
        short.history_ts_deltas.pop();
        assert!(refused(short).contains("history_items"));
        let mut large = version_1();
        large.item.int = u64::MAX;
        assert!(refused(large).contains("`item`"));
        assert!(refused(WireExample { weight: f32::NAN, ..version_1() }).contains("`weight`"));
        assert!(refused(WireExample { history: vec![9, 9, 9], ..version_1() }).contains("`history`"));
        for entropy in [f64::NAN, 1e200, -0.5] {
            let features = FeatureVector { entropy, ..FeatureVector::default() };
            let said = refused(WireExample { features, ..version_1() });
            // Of version 1, the window stands for the life too.
            assert!(said.contains("`features`: lifetime.entropy"), "{said}");
        }
        let features =
            FeatureVector { lifetime_events: 3, lifetime_tail_ratio: 1.5, ..FeatureVector::default() };
        assert!(
            refused(WireExample { features, ..version_1() })
                .contains("lifetime.tail_ratio: 1.5 is not 0 to 1")
        );
    }
}
