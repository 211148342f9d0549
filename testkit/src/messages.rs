//! Messages of which a test says what it is about; all else is as it mostly is.

use hmisr_features::{Features, History, Interaction};
use hmisr_stream::contract::{Event, Id, TrainingExample};
use hmisr_stream::{Outgoing, partition_for_key};

/// A click. Ids may be numbers.
pub fn event(user: impl Into<Id>, item: impl Into<Id>, category: impl Into<Id>, ts: i64) -> Event {
    Event {
        user_id: user.into(),
        item_id: item.into(),
        category: category.into(),
        categories: Vec::new(),
        action: "click".into(),
        ts,
        weight: None,
        request_id: None,
        event_id: None,
        is_tail: None,
    }
}

/// An event as an example has it: item, category, time.
pub type Visited = (Id, Id, i64);

/// The example of `target`, a click, after clicks that are the user's whole life, oldest first.
pub fn example(user: impl Into<Id>, history: &[Visited], target: Visited) -> TrainingExample {
    let (item, category, ts) = target;
    TrainingExample {
        user: user.into(),
        item,
        categories: vec![category],
        action: "click".into(),
        weight: 1.0,
        ts,
        request_id: None,
        position: history.len() as u64,
        features: Features::default(),
        history: History::of(history.iter().map(|(item, category, ts)| Interaction {
            action: "click",
            ..Interaction::new(item, category, *ts)
        })),
    }
}

/// A record without a key.
pub fn unkeyed(topic: &'static str, partition: i32, payload: impl Into<Vec<u8>>) -> Outgoing {
    Outgoing { topic, partition, key: None, payload: Some(payload.into()), headers: Vec::new() }
}

/// A record in the partition, of so many, in which a producer puts its key.
pub fn keyed(
    topic: &'static str,
    partitions: i32,
    key: impl Into<Vec<u8>>,
    payload: impl Into<Vec<u8>>,
) -> Outgoing {
    let key = key.into();
    let partition = partition_for_key(&key, partitions);
    Outgoing { key: Some(key), ..unkeyed(topic, partition, payload) }
}
