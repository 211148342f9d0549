//! What the outputs and the state must be: what the oracle says of the records of `events`, counted, and in
//! the form in which the topics have it.

use std::collections::BTreeMap;

use hmisr_features::FeatureSettings;
use hmisr_pipeline::PipelineSettings;
use hmisr_stream::Record;
use hmisr_stream::contract::{Reason, topic};
use hmisr_testkit::oracle::{Oracle, Outcome, Partition};

use crate::outputs::{Content, Outputs, Sequence};

/// Every partition's state after the records so far.
pub struct Model {
    oracle: Oracle,
    training_examples: bool,
    /// What became of the records.
    pub counts: Counts,
}

/// How many records became what.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records of `events`.
    pub events: u64,
    /// Feature records.
    pub features: u64,
    /// Training examples.
    pub examples: u64,
    /// Users deleted on request.
    pub forgotten: u64,
    /// Events whose action is not positive, or whose weight is negative.
    pub neutral: u64,
    /// Of them those whose action is in no list.
    pub unknown_actions: u64,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
}

impl Model {
    /// Before the first record.
    pub fn new(features: FeatureSettings, settings: PipelineSettings) -> Self {
        let training_examples = settings.training_examples;
        Self { oracle: Oracle::new(features, settings), training_examples, counts: Counts::default() }
    }

    /// The partitions with records.
    pub fn partitions(&self) -> &BTreeMap<i32, Partition> {
        self.oracle.partitions()
    }

    /// Applies the next record of its partition, and adds what must be written for it.
    pub fn apply(&mut self, record: &Record, outputs: &mut Outputs) {
        self.counts.events += 1;
        let key = record.key.as_deref().unwrap_or_default();
        let mut add = |topic, payload| outputs.add(Sequence::user(topic, key), Content::Bytes(payload));
        match self.oracle.apply(record) {
            Outcome::Applied { features, example } => {
                if let Some(example) = example {
                    self.counts.examples += 1;
                    add(topic::TRAINING_EXAMPLES, Some(example.to_bytes()));
                }
                self.counts.features += 1;
                add(topic::USER_FEATURES, Some(serde_json::to_vec(&features).unwrap_or_default()));
            }
            Outcome::Noted { known_action } => {
                self.counts.neutral += 1;
                self.counts.unknown_actions += u64::from(!known_action);
            }
            // The events have no ids to be known by.
            Outcome::Duplicate => {}
            Outcome::Forgotten => {
                self.counts.forgotten += 1;
                add(topic::USER_FEATURES, None);
                if self.training_examples {
                    add(topic::TRAINING_EXAMPLES, None);
                }
            }
            Outcome::DeadLetter(reason) => self.dead(record, reason, outputs),
        }
    }

    fn dead(&mut self, record: &Record, reason: Reason, outputs: &mut Outputs) {
        *self.counts.dead_letters.entry(reason.as_str()).or_default() += 1;
        let letter = Content::Letter {
            key: record.key.clone(),
            payload: record.payload.clone(),
            reason: reason.to_string(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
        };
        outputs.add(Sequence::letters(record.partition), letter);
    }
}
