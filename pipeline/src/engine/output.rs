//! Where the outcomes of records go, and what is counted until the next commit.

use std::collections::HashMap;
use std::time::Instant;

use hmisr_stream::contract::{DeadLetter, FeatureRecord, Id, Reason, topic};
use hmisr_stream::{Outgoing, Record, Sink, partition_for_key};
use prost::Message;

use crate::processor::Outcome;
use crate::{Emit, Result};

/// Partitions of the topics that are written.
pub(super) struct OutputPartitions {
    pub(super) features: i32,
    pub(super) examples: i32,
    pub(super) dead_letters: i32,
}

/// What was processed since the last commit.
#[derive(Default)]
pub(super) struct Batch {
    /// Whether a transaction is open.
    pub(super) open: bool,
    pub(super) since: Option<Instant>,
    pub(super) oldest_ms: Option<i64>,
    /// Bytes produced.
    pub(super) bytes: usize,
    pub(super) counts: Counts,
    pub(super) newest: HashMap<(i32, Id), FeatureRecord>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) applied: u64,
    pub(super) replayed: u64,
    pub(super) features: u64,
    pub(super) examples: u64,
    pub(super) forgotten: u64,
    pub(super) unknown_actions: u64,
    pub(super) dead_letters: [u64; Reason::ALL.len()],
}

/// Where the outcomes of one partition's records go.
pub(super) struct Output<'a, K> {
    pub(super) sink: &'a mut K,
    pub(super) partitions: &'a OutputPartitions,
    pub(super) topic: &'a str,
    pub(super) emit: Emit,
    pub(super) batch: &'a mut Batch,
}

impl<K: Sink> Output<'_, K> {
    pub(super) fn take(&mut self, record: &Record, outcome: Outcome, muted: bool) -> Result<()> {
        self.batch.counts.records += 1;
        if muted {
            self.batch.counts.replayed += 1;
            return Ok(());
        }
        if record.timestamp_ms >= 0 {
            let oldest = self.batch.oldest_ms.get_or_insert(record.timestamp_ms);
            *oldest = (*oldest).min(record.timestamp_ms);
        }
        match outcome {
            Outcome::Applied { features, example, known_action } => {
                self.batch.counts.applied += 1;
                self.batch.counts.unknown_actions += u64::from(!known_action);
                if let Some(example) = example {
                    self.batch.counts.examples += 1;
                    let key = features.user_id.to_string().into_bytes();
                    self.produce(Outgoing {
                        topic: topic::TRAINING_EXAMPLES,
                        partition: partition_for_key(&key, self.partitions.examples),
                        key: Some(key),
                        payload: Some(example.encode_to_vec()),
                        headers: Vec::new(),
                    })?;
                }
                match self.emit {
                    Emit::EveryEvent => {
                        self.batch.counts.features += 1;
                        self.produce(outgoing_features(&features, self.partitions.features))?;
                    }
                    Emit::PerCommit => {
                        let key = (features.partition, features.user_id.clone());
                        self.batch.counts.features +=
                            u64::from(self.batch.newest.insert(key, *features).is_none());
                    }
                }
            }
            Outcome::Forgotten(user) => {
                self.batch.counts.forgotten += 1;
                if self.batch.newest.remove(&(record.partition, user.clone())).is_some() {
                    self.batch.counts.features -= 1;
                }
                let key = user.to_string().into_bytes();
                let topics = [
                    (topic::USER_FEATURES, self.partitions.features),
                    (topic::TRAINING_EXAMPLES, self.partitions.examples),
                ];
                for (topic, partitions) in topics {
                    self.produce(Outgoing {
                        topic,
                        partition: partition_for_key(&key, partitions),
                        key: Some(key.clone()),
                        payload: None,
                        headers: Vec::new(),
                    })?;
                }
            }
            Outcome::DeadLetter(reason, message) => {
                self.batch.counts.dead_letters[reason as usize] += 1;
                let letter = DeadLetter { record, topic: self.topic, reason, message: &message };
                self.produce(letter.outgoing(topic::DEAD_LETTERS, self.partitions.dead_letters))?;
            }
        }
        Ok(())
    }

    fn produce(&mut self, record: Outgoing) -> Result<()> {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        self.batch.bytes += length(&record.key) + length(&record.payload);
        Ok(self.sink.produce(record)?)
    }
}

pub(super) fn outgoing_features(record: &FeatureRecord, partitions: i32) -> Outgoing {
    let key = record.user_id.to_string().into_bytes();
    Outgoing {
        topic: topic::USER_FEATURES,
        partition: partition_for_key(&key, partitions),
        key: Some(key),
        payload: Some(serde_json::to_vec(record).unwrap_or_default()),
        headers: Vec::new(),
    }
}
