//! What the trainer learns from.

use hmisr_features::Id;
use prost::Message;

/// An id on the wire: an integer, or the string beside it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WireId {
    /// The integer, where `text` is empty.
    #[prost(uint64, tag = "1")]
    pub int: u64,
    /// The string, or empty.
    #[prost(string, tag = "2")]
    pub text: String,
}

/// The diversity features of the user just before the target.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct FeatureVector {
    /// Events in the user's life: the target's position in it, counted from 0.
    #[prost(uint64, tag = "1")]
    pub events: u64,
    /// Entropy over the window, nats.
    #[prost(double, tag = "2")]
    pub entropy: f64,
    /// Evenness over the window.
    #[prost(double, tag = "3")]
    pub evenness: f64,
    /// Share of neighbours in the window whose categories differ.
    #[prost(double, tag = "4")]
    pub switch_rate: f64,
    /// Share of the window's events whose item was long-tail.
    #[prost(double, tag = "5")]
    pub tail_ratio: f64,
    /// Distinct categories among the newest events, as a share.
    #[prost(double, tag = "6")]
    pub recent_diversity: f64,
}

/// One positive event with the user's history before it (Protobuf, topic `training-examples`).
///
/// The three history columns have one length, newest last, and never hold the target or
/// anything after it. As a schema:
///
/// ```proto
/// syntax = "proto3";
/// message WireId { uint64 int = 1; string text = 2; }
/// message FeatureVector {
///   uint64 events = 1; double entropy = 2; double evenness = 3;
///   double switch_rate = 4; double tail_ratio = 5; double recent_diversity = 6;
/// }
/// message TrainingExample {
///   WireId user = 1; WireId item = 2; WireId category = 3;
///   float label = 4; float weight = 5; int64 ts = 6;
///   repeated WireId history_items = 7; repeated WireId history_categories = 8;
///   repeated sint64 history_ts_deltas = 9; // ts minus the next newer event's ts
///   FeatureVector features = 10;
/// }
/// ```
#[derive(Clone, PartialEq, Message)]
pub struct TrainingExample {
    /// The user.
    #[prost(message, required, tag = "1")]
    pub user: WireId,
    /// The target: the item that the user chose next.
    #[prost(message, required, tag = "2")]
    pub item: WireId,
    /// The target's category.
    #[prost(message, required, tag = "3")]
    pub category: WireId,
    /// 1: the trainer draws its own negatives.
    #[prost(float, tag = "4")]
    pub label: f32,
    /// The event's weight, 1 where it had none.
    #[prost(float, tag = "5")]
    pub weight: f32,
    /// The target's event time, epoch milliseconds.
    #[prost(int64, tag = "6")]
    pub ts: i64,
    /// Items of the history.
    #[prost(message, repeated, tag = "7")]
    pub history_items: Vec<WireId>,
    /// Categories of the history.
    #[prost(message, repeated, tag = "8")]
    pub history_categories: Vec<WireId>,
    /// Times of the history: each event's `ts` minus that of the event after it (the newest's
    /// minus the target's), so that they stay short. See [`TrainingExample::history_ts`].
    #[prost(sint64, repeated, tag = "9")]
    pub history_ts_deltas: Vec<i64>,
    /// The user's features before the target.
    #[prost(message, required, tag = "10")]
    pub features: FeatureVector,
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

impl TrainingExample {
    /// Reads and checks an example.
    ///
    /// # Errors
    /// [`ExampleError`] names the field and its value.
    pub fn read(payload: &[u8]) -> Result<Self, ExampleError> {
        let example = Self::decode(payload)?;
        let (items, categories, times) =
            (example.history_items.len(), example.history_categories.len(), example.history_ts_deltas.len());
        if items != categories || items != times {
            return Err(ExampleError::Field {
                field: "history_items",
                problem: format!("{items} items, {categories} categories and {times} times differ in number"),
            });
        }
        let ids = [("user", &example.user), ("item", &example.item), ("category", &example.category)];
        let history = example.history_items.iter().map(|id| ("history_items", id));
        let categories = example.history_categories.iter().map(|id| ("history_categories", id));
        for (field, id) in ids.into_iter().chain(history).chain(categories) {
            id.check().map_err(|problem| ExampleError::Field { field, problem })?;
        }
        if !example.weight.is_finite() {
            let problem = format!("{} is not a finite number", example.weight);
            return Err(ExampleError::Field { field: "weight", problem });
        }
        Ok(example)
    }

    /// Event times of the history, epoch milliseconds, oldest first.
    pub fn history_ts(&self) -> Vec<i64> {
        let mut times = vec![0; self.history_ts_deltas.len()];
        let mut next = self.ts;
        for (at, delta) in self.history_ts_deltas.iter().enumerate().rev() {
            next = next.saturating_add(*delta);
            times[at] = next;
        }
        times
    }
}

impl WireId {
    fn check(&self) -> Result<(), String> {
        let checked = if self.text.is_empty() { Id::int(self.int) } else { Id::text(&self.text) };
        checked.map(drop).map_err(|error| error.to_string())
    }

    /// The id; 0 for what [`TrainingExample::read`] would have refused.
    pub fn id(&self) -> Id {
        let id = if self.text.is_empty() { Id::int(self.int) } else { Id::text(&self.text) };
        id.unwrap_or_else(|_| Id::from(0))
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

    fn example() -> TrainingExample {
        let id = |n: u32| WireId::from(&Id::from(n));
        TrainingExample {
            user: id(1),
            item: id(2),
            category: WireId::from(&Id::text("drama").unwrap()),
            label: 1.0,
            weight: 1.0,
            ts: 1_000,
            history_items: vec![id(3), id(0)],
            history_categories: vec![id(4), id(5)],
            history_ts_deltas: vec![-20, -100],
            features: FeatureVector::default(),
        }
    }

    #[test]
    fn an_example_reads_back() {
        let read = TrainingExample::read(&example().encode_to_vec()).unwrap();
        assert_eq!(read, example());
        assert_eq!(read.history_ts(), [880, 900]);
        assert_eq!(read.history_items[1].id(), Id::from(0));
        assert_eq!(read.category.id().as_text(), Some("drama"));
    }

    #[test]
    fn what_is_no_example_is_refused() {
        assert!(TrainingExample::read(b"nonsense").is_err());
        let mut short = example();
        short.history_ts_deltas.pop();
        let error = TrainingExample::read(&short.encode_to_vec()).unwrap_err();
        assert!(error.to_string().contains("history_items"), "{error}");
        let mut large = example();
        large.item.int = u64::MAX;
        assert!(TrainingExample::read(&large.encode_to_vec()).unwrap_err().to_string().contains("`item`"));
    }
}
