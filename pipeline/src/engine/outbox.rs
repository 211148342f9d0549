//! Where the outcomes of records go, and what is counted until the next commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hmisr_stream::contract::{
    DeadLetter, Example, FeatureRecord, Id, Reason, Rejections, TrainingExample, topic,
};
use hmisr_stream::{Outgoing, Partitioner, Record, Sink, TopicInfo, partition_for_key};

use super::{Point, World};
use crate::population::Population;
use crate::processor::Outcome;
use crate::{Emit, Error, PipelineSettings, Result};

/// Partitions of the topics that are written.
struct OutputPartitions {
    features: i32,
    examples: i32,
    dead_letters: i32,
}

/// What was processed since the last commit.
#[derive(Default)]
pub(super) struct Batch {
    /// Whether a transaction is open.
    pub(super) open: bool,
    pub(super) since: Option<Duration>,
    pub(super) oldest_ms: Option<i64>,
    /// Bytes produced.
    pub(super) bytes: usize,
    pub(super) counts: Counts,
    /// The dead letters among them, with examples.
    pub(super) rejections: Rejections,
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
    pub(super) duplicates: u64,
    pub(super) neutral: u64,
    pub(super) unknown_actions: u64,
    /// Offsets of batches that could not be read.
    pub(super) skipped: u64,
    pub(super) dead_letters: [u64; Reason::ALL.len()],
}

/// The sink, and what went to it since the last commit.
pub(super) struct Outbox<K> {
    pub(super) sink: K,
    pub(super) batch: Batch,
    pub(super) population: Population,
    /// The input topic's name, for dead letters.
    topic: String,
    /// The input topic's partitions, and what puts keys there.
    of_input: i32,
    partitioner: Partitioner,
    emit: Emit,
    /// Whether the job makes training examples.
    examples: bool,
    partitions: OutputPartitions,
    world: Arc<dyn World>,
    /// Filled anew for each output.
    record: Outgoing,
}

impl<K: Sink> Outbox<K> {
    /// # Errors
    /// Where a topic to be written does not exist.
    pub(super) fn new(
        mut sink: K,
        input: &TopicInfo,
        partitioner: Partitioner,
        settings: &PipelineSettings,
        population: Population,
        world: Arc<dyn World>,
    ) -> Result<Self> {
        let mut partitions = |topic: &str| {
            sink.partitions(topic)?.ok_or_else(|| {
                Error::refused(format!(
                    "topic `{topic}` does not exist; create it with `hmisr topics create`"
                ))
            })
        };
        let partitions = OutputPartitions {
            features: partitions(topic::USER_FEATURES)?,
            examples: partitions(topic::TRAINING_EXAMPLES)?,
            dead_letters: partitions(topic::DEAD_LETTERS)?,
        };
        let record = Outgoing {
            topic: topic::USER_FEATURES,
            partition: 0,
            key: Some(Vec::new()),
            payload: Some(Vec::new()),
            headers: Vec::new(),
        };
        let (emit, examples) = (settings.emit, settings.training_examples);
        Ok(Self {
            sink,
            batch: Batch::default(),
            population,
            topic: input.name.clone(),
            of_input: input.partitions,
            partitioner,
            emit,
            examples,
            partitions,
            world,
            record,
        })
    }

    /// Opens a transaction where none is open.
    pub(super) fn open(&mut self) -> Result<()> {
        if !self.batch.open {
            self.sink.begin()?;
            self.batch.open = true;
        }
        Ok(())
    }

    pub(super) fn take(&mut self, record: &Record, outcome: Outcome<'_>, muted: bool) -> Result<()> {
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
            Outcome::Noted { known_action } => {
                self.batch.counts.applied += 1;
                self.batch.counts.neutral += 1;
                self.batch.counts.unknown_actions += u64::from(!known_action);
                Ok(())
            }
            Outcome::Applied { features, example } => {
                self.batch.counts.applied += 1;
                if let Some(example) = example {
                    self.example(&features.user_id, example)?;
                }
                match self.emit {
                    Emit::EveryEvent => self.features(features),
                    Emit::PerCommit => {
                        let key = (features.partition, features.user_id.clone());
                        self.batch.newest.insert(key, features.clone());
                        Ok(())
                    }
                }
            }
            Outcome::Duplicate => {
                self.batch.counts.duplicates += 1;
                Ok(())
            }
            Outcome::Forgotten { user, known } => {
                self.batch.counts.forgotten += 1;
                self.batch.newest.remove(&(record.partition, user.clone()));
                // The request lies in every partition. One that never had the user, and may come to the
                // request late, says nothing: the user may be back where the partitioner puts the key.
                let home = record.key.as_deref().and_then(|key| self.partitioner.of(key, self.of_input));
                if known || home.is_none_or(|home| home == record.partition) {
                    return self.forget(user);
                }
                Ok(())
            }
            Outcome::DeadLetter(reason, message) => {
                self.batch.counts.dead_letters[reason as usize] += 1;
                let example = || Example::of(&self.topic, record, &message);
                self.batch.rejections.add(reason.as_str(), example);
                let letter = DeadLetter { record, topic: &self.topic, reason, message: &message };
                let letter = letter.outgoing(topic::DEAD_LETTERS, self.partitions.dead_letters);
                let reused = std::mem::replace(&mut self.record, letter);
                let sent = self.send();
                self.record = reused;
                sent
            }
        }
    }

    /// Produces what was held back until the commit: the newest features of each user.
    pub(super) fn newest(&mut self) -> Result<()> {
        let mut newest: Vec<_> = self.batch.newest.drain().collect();
        newest.sort_by_key(|(_, record)| (record.partition, record.offset));
        newest.iter().try_for_each(|(_, record)| self.features(record))
    }

    fn features(&mut self, features: &FeatureRecord) -> Result<()> {
        self.batch.counts.features += 1;
        self.population.observe(features);
        self.address(topic::USER_FEATURES, self.partitions.features, &features.user_id);
        let payload = self.record.payload.get_or_insert_default();
        payload.clear();
        serde_json::to_writer(payload, features).map_err(|error| Error::input(false, error))?;
        self.send()
    }

    fn example(&mut self, user: &Id, example: &TrainingExample) -> Result<()> {
        self.batch.counts.examples += 1;
        self.address(topic::TRAINING_EXAMPLES, self.partitions.examples, user);
        let payload = self.record.payload.get_or_insert_default();
        payload.clear();
        example.write(payload);
        self.send()
    }

    fn forget(&mut self, user: &Id) -> Result<()> {
        let features = (topic::USER_FEATURES, self.partitions.features);
        let examples = (topic::TRAINING_EXAMPLES, self.partitions.examples);
        for (topic, partitions) in std::iter::once(features).chain(self.examples.then_some(examples)) {
            self.address(topic, partitions, user);
            let payload = self.record.payload.take();
            let sent = self.send();
            self.record.payload = payload;
            sent?;
        }
        Ok(())
    }

    /// Topic, key and partition of the next output.
    fn address(&mut self, topic: &'static str, partitions: i32, user: &Id) {
        let key = self.record.key.get_or_insert_default();
        key.clear();
        user.write_text(key);
        self.record.partition = partition_for_key(key, partitions);
        self.record.topic = topic;
    }

    fn send(&mut self) -> Result<()> {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        self.batch.bytes += length(&self.record.key) + length(&self.record.payload);
        self.world.reached(Point::BeforeProduce)?;
        self.sink.produce(&self.record)?;
        self.world.reached(Point::AfterProduce)
    }
}
