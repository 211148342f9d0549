//! How partitions come and go, and where the log ends.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use serde::Deserialize;

use super::client::{Reporting, Reports};

/// A change of the assignment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Gained(Vec<i32>),
    Lost(Vec<i32>),
}

#[derive(Debug, Default)]
struct Shared {
    changes: VecDeque<Change>,
    /// Partitions that the group wants back, and that are still ours until [`release`].
    leaving: Option<Vec<i32>>,
    closing: bool,
    ends: BTreeMap<i32, i64>,
}

/// What librdkafka calls from within a poll.
///
/// A gained partition is *not* given to librdkafka yet, which would start to fetch it from the
/// committed offset: the first seek does that. A lost one stays with librdkafka, and with this
/// member of the group, until [`SourceContext::release`] at the next poll: so whoever polls can
/// end its transaction first.
#[derive(Debug)]
pub(super) struct SourceContext {
    topic: String,
    reporting: Reporting,
    shared: Mutex<Shared>,
}

impl SourceContext {
    /// For a consumer of one topic.
    pub(super) fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), reporting: Reporting::default(), shared: Mutex::default() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest change that was not taken yet.
    pub(super) fn take_change(&self) -> Option<Change> {
        self.shared().changes.pop_front()
    }

    /// The log's end, where statistics or a question have told it.
    pub(super) fn end(&self, partition: i32) -> Option<i64> {
        self.shared().ends.get(&partition).copied()
    }

    /// Remembers a log's end.
    pub(super) fn learn_end(&self, partition: i32, end: i64) {
        let mut shared = self.shared();
        let known = shared.ends.entry(partition).or_insert(end);
        *known = end.max(*known);
    }

    /// Lets lost partitions go; nothing where none is leaving.
    pub(super) fn release(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<()> {
        let Some(leaving) = self.shared().leaving.take() else { return Ok(()) };
        // Those that were never sought are not librdkafka's; an empty list is an answer as well.
        let theirs = consumer.assignment()?;
        let mut list = TopicPartitionList::new();
        for partition in leaving {
            if theirs.find_partition(&self.topic, partition).is_some() {
                list.add_partition(&self.topic, partition);
            }
        }
        consumer.incremental_unassign(&list)
    }

    /// From now on nobody polls any more: lost partitions go at once.
    pub(super) fn close(&self) {
        self.shared().closing = true;
    }
}

impl Reports for SourceContext {
    fn reporting(&self) -> &Reporting {
        &self.reporting
    }
}

/// The part of librdkafka's statistics that is read.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    /// The last stable offset; negative while it is not known.
    #[serde(default)]
    ls_offset: i64,
}

impl ClientContext for SourceContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.reporting.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reporting.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(mut statistics) = serde_json::from_slice::<Statistics>(statistics) else { return };
        let Some(topic) = statistics.topics.remove(&self.topic) else { return };
        for (partition, values) in topic.partitions {
            match partition.parse() {
                Ok(partition) if partition >= 0 && values.ls_offset >= 0 => {
                    self.learn_end(partition, values.ls_offset);
                }
                _ => {}
            }
        }
    }
}

impl ConsumerContext for SourceContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> =
            list.elements_for_topic(&self.topic).iter().map(|element| element.partition()).collect();
        let done = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::debug!(topic = self.topic, ?partitions, "partitions gained");
            if !partitions.is_empty() {
                self.shared().changes.push_back(Change::Gained(partitions));
            }
            // The group waits for an answer; an empty one takes the partitions and fetches none.
            consumer.incremental_assign(&TopicPartitionList::new())
        } else {
            tracing::debug!(topic = self.topic, ?partitions, "partitions lost");
            let closing = {
                let mut shared = self.shared();
                shared.leaving = Some(partitions.clone());
                if !partitions.is_empty() && !shared.closing {
                    shared.changes.push_back(Change::Lost(partitions.clone()));
                }
                shared.closing
            };
            // Without partitions nobody has anything to finish.
            if closing || partitions.is_empty() { self.release(consumer) } else { Ok(()) }
        };
        if let Err(error) = done {
            tracing::warn!(topic = self.topic, %error, "the change of the assignment was refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_tell_the_last_stable_offset() {
        let context = SourceContext::new("events");
        context.stats_raw(
            br#"{"name": "x", "topics": {"other": {"partitions": {"0": {"ls_offset": 9}}},
                "events": {"partitions": {"-1": {"ls_offset": 7}, "0": {"ls_offset": 5, "hi_offset": 8},
                "1": {"ls_offset": -1001}}}}}"#,
        );
        assert_eq!((context.end(0), context.end(1), context.end(-1)), (Some(5), None, None));
        context.stats_raw(b"not json");
        assert_eq!(context.end(0), Some(5));
    }
}
