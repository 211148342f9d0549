//! The ceiling: read, decode, features in memory, encode, write without transactions. No store,
//! no offsets, nothing that survives: what the rest of the job is compared with.

use std::collections::HashMap;
use std::time::Duration;

use hmisr_features::{FeatureSettings, Id, ItemCount, PartitionState, UserState};
use hmisr_stream::contract::{Event, FeatureRecord, topic};
use hmisr_stream::{Limits, Outgoing, Polled, Record, Sink, Source, partition_for_key};

use crate::failure::Failure;

/// One partition's state.
#[derive(Default)]
struct Memory {
    users: HashMap<Id, UserState>,
    items: HashMap<Id, ItemCount>,
    partition: PartitionState,
}

/// Runs until `count` records are through.
pub fn run<S: Source, K: Sink>(
    mut source: S,
    mut sink: K,
    settings: &FeatureSettings,
    limits: Limits,
    count: u64,
) -> Result<(), Failure> {
    let partitions = sink.partitions(topic::USER_FEATURES)?.unwrap_or(1);
    let mut memory: HashMap<i32, Memory> = HashMap::new();
    let mut record = Outgoing {
        topic: topic::USER_FEATURES,
        partition: 0,
        key: Some(Vec::new()),
        payload: Some(Vec::new()),
        headers: Vec::new(),
    };
    let mut seen = 0;
    while seen < count {
        match source.poll(limits, Duration::from_millis(100))? {
            Polled::Assigned(assigned) => {
                assigned.into_iter().try_for_each(|partition| source.seek(partition, 0))?;
            }
            Polled::Revoked(_) => {}
            Polled::Records(records) if records.is_empty() => {}
            Polled::Records(records) => {
                sink.begin()?;
                for input in &records {
                    let state = memory.entry(input.partition).or_default();
                    if let Some(features) = state.apply(settings, input) {
                        fill(&mut record, &features, partitions)?;
                        sink.produce(&record)?;
                    }
                }
                sink.commit()?;
                seen += records.len() as u64;
            }
        }
    }
    Ok(())
}

impl Memory {
    fn apply(&mut self, settings: &FeatureSettings, record: &Record) -> Option<FeatureRecord> {
        let event = Event::decode(record.payload.as_deref()?).ok()?;
        let user = self.users.entry(event.user_id.clone()).or_default();
        let item = self.items.entry(event.item_id.clone()).or_default();
        self.partition.admit(settings, user, event.ts).ok()?;
        let features = self.partition.update(settings, 0, (&event.user_id, user), item, &event.interaction());
        Some(FeatureRecord::new(event, features, record.partition, record.offset))
    }
}

fn fill(record: &mut Outgoing, features: &FeatureRecord, partitions: i32) -> Result<(), Failure> {
    use std::io::Write;
    let key = record.key.get_or_insert_default();
    key.clear();
    write!(key, "{}", features.user_id)?;
    record.partition = partition_for_key(key, partitions);
    let payload = record.payload.get_or_insert_default();
    payload.clear();
    serde_json::to_writer(payload, features).map_err(|error| Failure::fault(&error))
}
