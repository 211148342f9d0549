//! Messages of which a test says what it is about; all else is as it mostly is.

use hmisr_stream::contract::{Event, FeatureVector, Id, TrainingExample, WireId};
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

/// The example of `target` after a history, oldest first, that is the user's whole life.
pub fn example(user: impl Into<Id>, history: &[Visited], target: Visited) -> TrainingExample {
    let (item, category, ts) = target;
    let later = history.iter().skip(1).map(|visit| visit.2).chain([ts]);
    TrainingExample {
        user: WireId::from(&user.into()),
        item: WireId::from(&item),
        category: WireId::from(&category),
        label: 1.0,
        weight: 1.0,
        ts,
        history_items: history.iter().map(|visit| WireId::from(&visit.0)).collect(),
        history_categories: history.iter().map(|visit| WireId::from(&visit.1)).collect(),
        history_ts_deltas: history.iter().zip(later).map(|(visit, later)| visit.2 - later).collect(),
        features: FeatureVector { events: history.len() as u64, ..FeatureVector::default() },
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
