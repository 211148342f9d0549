//! What must come out: what the oracle says of the committed events, in the order of their offsets.

use std::collections::BTreeMap;
use std::fmt;

use hmisr_stream::Record;
use hmisr_stream::contract::{Id, Reason, TrainingExample, topic};
use hmisr_stream::memory::Broker;
use hmisr_testkit::oracle::{Oracle, Outcome, plainly, stored};

use super::plan::Plan;

/// An encoded training example, its history of its events: every byte of it is compared.
#[derive(PartialEq)]
pub struct Example(Vec<u8>);

impl fmt::Debug for Example {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?}", TrainingExample::read(&self.0))
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

impl Reference {
    pub fn of(broker: &Broker, plan: &Plan) -> Self {
        let mut reference = Self::default();
        let mut oracle = Oracle::new(plan.features.clone(), plan.pipeline.clone());
        for record in broker.read(topic::EVENTS) {
            let outcome = oracle.apply(&record);
            reference.outputs.add(record, outcome);
        }
        for (number, partition) in oracle.partitions() {
            reference.ends.insert(*number, partition.next_offset);
            let users = partition.users(&plan.features).into_iter();
            reference.users.extend(users.map(|(id, user)| (id.clone(), stored(user))));
        }
        reference
    }
}

impl Outputs {
    fn add(&mut self, record: Record, outcome: Outcome) {
        let key = record.key.unwrap();
        match outcome {
            Outcome::Applied { features, example } => {
                if let Some(example) = example {
                    let example = Example(example.to_bytes());
                    self.examples.entry(key.clone()).or_default().push(Some(example));
                }
                let text = serde_json::to_string(&features).unwrap();
                self.features.entry(key).or_default().push(Some(text));
            }
            Outcome::Forgotten => {
                self.features.entry(key.clone()).or_default().push(None);
                self.examples.entry(key).or_default().push(None);
            }
            Outcome::DeadLetter(reason) => {
                let place = (record.partition, record.offset);
                self.dead_letters.entry(place).or_default().push(reason.as_str());
            }
            Outcome::Noted { .. } | Outcome::Duplicate => {}
        }
    }
}

/// What a reader of committed records sees of the outputs.
pub fn written(broker: &Broker) -> Outputs {
    let mut outputs = Outputs::default();
    for record in broker.read(topic::USER_FEATURES) {
        let text = record.payload.map(|payload| String::from_utf8(payload).unwrap());
        outputs.features.entry(record.key.unwrap()).or_default().push(text);
    }
    for record in broker.read(topic::TRAINING_EXAMPLES) {
        let example = record.payload.map(|payload| Example(plainly(payload)));
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
