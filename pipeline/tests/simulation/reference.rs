//! What must come out: the fold of the committed events in the order of their offsets, by the
//! feature maths alone.

use std::collections::BTreeMap;
use std::fmt;

use hmisr_features::{FeatureSettings, Id, ItemCount, PartitionState, UserState, Visit, is_expired};
use hmisr_stream::Record;
use hmisr_stream::contract::{Event, FeatureRecord, FeatureVector, Reason, TrainingExample, WireId, topic};
use hmisr_stream::memory::Broker;
use prost::Message;

use super::plan::Plan;

/// An encoded training example: every byte of it is compared.
#[derive(PartialEq)]
pub struct Example(Vec<u8>);

impl fmt::Debug for Example {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?}", TrainingExample::decode(self.0.as_slice()))
    }
}

/// By user, in order; a tombstone is none.
#[derive(Debug, Default, PartialEq)]
pub struct Outputs {
    pub features: BTreeMap<Vec<u8>, Vec<Option<String>>>,
    pub examples: BTreeMap<Vec<u8>, Vec<Option<Example>>>,
    /// By partition and offset of the event.
    pub dead_letters: BTreeMap<(i32, i64), Vec<&'static str>>,
}

#[derive(Default)]
pub struct Reference {
    pub outputs: Outputs,
    /// The stored form of each user who has not expired.
    pub users: BTreeMap<Id, Vec<u8>>,
    /// Per partition the offset after its last committed event.
    pub ends: BTreeMap<i32, i64>,
}

#[derive(Default)]
struct Partition {
    shared: PartitionState,
    users: BTreeMap<Id, UserState>,
    items: BTreeMap<Id, ItemCount>,
}

impl Reference {
    pub fn of(broker: &Broker, plan: &Plan) -> Self {
        let mut reference = Self::default();
        let mut partitions: BTreeMap<i32, Partition> = BTreeMap::new();
        for record in broker.read(topic::EVENTS) {
            reference.ends.insert(record.partition, record.offset + 1);
            let partition = partitions.entry(record.partition).or_default();
            if let Err(reason) = reference.apply(partition, &record, plan) {
                let place = (record.partition, record.offset);
                reference.outputs.dead_letters.entry(place).or_default().push(reason.as_str());
            }
        }
        for partition in partitions.into_values() {
            let now = partition.shared.clock.now();
            for (id, user) in partition.users {
                if user.newest_ts().is_some_and(|newest| !is_expired(&plan.features, now, newest)) {
                    reference.users.insert(id, stored(&user));
                }
            }
        }
        reference
    }

    fn apply(&mut self, partition: &mut Partition, record: &Record, plan: &Plan) -> Result<(), Reason> {
        let key = record.key.clone().unwrap();
        let Some(payload) = &record.payload else {
            let user = Id::parse(std::str::from_utf8(&key).unwrap()).unwrap();
            partition.users.remove(&user);
            partition.shared.clock.forget(&user);
            self.outputs.features.entry(key.clone()).or_default().push(None);
            self.outputs.examples.entry(key).or_default().push(None);
            return Ok(());
        };
        let event = Event::decode(payload).map_err(|(reason, _)| reason)?;
        if event.user_id.to_string().into_bytes() != key {
            return Err(Reason::KeyMismatch);
        }
        if !plan.features.is_plausible(event.ts) {
            return Err(Reason::ImplausibleTime);
        }
        if event.ts > record.timestamp_ms + plan.pipeline.max_future_ms {
            return Err(Reason::Future);
        }
        let Partition { shared, users, items } = partition;
        let user = users.entry(event.user_id.clone()).or_default();
        let event_id = event.event_id.as_deref().filter(|_| plan.features.dedup_events > 0);
        if event_id.is_some_and(|id| shared.is_duplicate(&plan.features, user, event.ts, id)) {
            return Ok(());
        }
        shared.admit(&plan.features, user, event.ts).map_err(|_| Reason::Late)?;
        let (keep, interaction) = (plan.pipeline.visits_kept(), event.interaction());
        if event.action != "click" {
            shared.note(&plan.features, keep, (&event.user_id, user), &interaction);
            if let Some(id) = event_id {
                user.remember_event(&plan.features, id);
            }
            return Ok(());
        }
        if !user.has_room_for(&event.category, plan.pipeline.max_user_categories) {
            return Err(Reason::TooManyCategories);
        }
        if !user.is_empty() {
            let example = example(user, &event, &plan.features, plan.pipeline.history);
            let example = Example(example.encode_to_vec());
            self.outputs.examples.entry(key.clone()).or_default().push(Some(example));
        }
        let item = items.entry(event.item_id.clone()).or_default();
        let features = shared.update(&plan.features, keep, (&event.user_id, user), item, &interaction);
        if let Some(id) = event_id {
            user.remember_event(&plan.features, id);
        }
        let features = FeatureRecord {
            user_id: event.user_id,
            item_id: event.item_id,
            category: event.category,
            tail: features.tail,
            ts: event.ts,
            partition: record.partition,
            offset: record.offset,
            lifetime: features.lifetime,
            window: features.window,
            recent_diversity: features.recent_diversity,
        };
        let text = serde_json::to_string(&features).unwrap();
        self.outputs.features.entry(key).or_default().push(Some(text));
        Ok(())
    }
}

/// The example of an event: what the user was before it, and what it adds.
fn example(user: &UserState, event: &Event, settings: &FeatureSettings, history: usize) -> TrainingExample {
    let features = user.features(settings);
    let visits: Vec<Visit<'_>> = user.visits().collect();
    let before = &visits[visits.len().saturating_sub(history)..];
    let mut times: Vec<i64> = before.iter().map(|visit| visit.ts).collect();
    times.push(event.ts);
    TrainingExample {
        user: WireId::from(&event.user_id),
        item: WireId::from(&event.item_id),
        category: WireId::from(&event.category),
        label: 1.0,
        weight: event.weight.unwrap_or(1.0),
        ts: event.ts,
        history_items: before.iter().map(|visit| WireId::from(&visit.item)).collect(),
        history_categories: before.iter().map(|visit| WireId::from(visit.category)).collect(),
        history_ts_deltas: times.windows(2).map(|pair| pair[0] - pair[1]).collect(),
        features: FeatureVector {
            events: user.visited(),
            entropy: features.window.entropy,
            evenness: features.window.evenness,
            switch_rate: features.window.switch_rate,
            tail_ratio: features.window.tail_ratio,
            recent_diversity: features.recent_diversity,
        },
    }
}

/// A user's stored form.
pub fn stored(user: &UserState) -> Vec<u8> {
    let mut bytes = Vec::new();
    user.write(&mut bytes);
    bytes
}

/// What a reader of committed records sees of the outputs.
pub fn written(broker: &Broker) -> Outputs {
    let mut outputs = Outputs::default();
    for record in broker.read(topic::USER_FEATURES) {
        let text = record.payload.map(|payload| String::from_utf8(payload).unwrap());
        outputs.features.entry(record.key.unwrap()).or_default().push(text);
    }
    for record in broker.read(topic::TRAINING_EXAMPLES) {
        let example = record.payload.map(Example);
        outputs.examples.entry(record.key.unwrap()).or_default().push(example);
    }
    for record in broker.read(topic::DEAD_LETTERS) {
        let header = |name: &str| {
            let header = record.headers.iter().find(|header| header.name == name).unwrap();
            String::from_utf8(header.value.clone()).unwrap()
        };
        let place = (header("hmisr-partition").parse().unwrap(), header("hmisr-offset").parse().unwrap());
        let reason = header("hmisr-reason");
        let reason = Reason::ALL.into_iter().map(Reason::as_str).find(|known| *known == reason).unwrap();
        outputs.dead_letters.entry(place).or_default().push(reason);
    }
    outputs
}

/// What is left when of each kind's repetitions only the first is kept, in some order.
pub fn once(outputs: Outputs) -> Outputs {
    fn distinct<K: Ord, V: PartialEq>(of: BTreeMap<K, Vec<V>>) -> BTreeMap<K, Vec<V>> {
        let first = |values: Vec<V>| {
            values.into_iter().fold(Vec::new(), |mut kept, value| {
                if !kept.contains(&value) {
                    kept.push(value);
                }
                kept
            })
        };
        of.into_iter().map(|(key, values)| (key, first(values))).collect()
    }
    Outputs {
        features: distinct(outputs.features),
        examples: distinct(outputs.examples),
        dead_letters: distinct(outputs.dead_letters),
    }
}
