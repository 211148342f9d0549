//! How partitions come and go, and where the log ends.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use serde::Deserialize;

use super::client::{Reporting, Reports};
use super::ffi;

/// Errors of the consumer that wait to be looked at, at most; older ones go.
const ERRORS: usize = 16;

/// A change of the assignment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Gained(Vec<i32>),
    Lost(Vec<i32>),
}

/// What the group knows and what the reader knows differ for a while: this is the difference.
#[derive(Default)]
pub(super) struct Shared {
    changes: VecDeque<Change>,
    errors: VecDeque<KafkaError>,
    /// Partitions that are this member's, as the group sees it.
    owned: BTreeSet<i32>,
    /// Partitions that the group wants back, since when; still ours until they are released.
    leaving: Option<(Vec<i32>, Instant)>,
    /// Whether the reader was told of a loss and has not polled since.
    told: bool,
    /// The membership with which the reader commits.
    group: Option<Arc<ConsumerGroupMetadata>>,
    /// Since when the reader has not polled; none while it does.
    silent_since: Option<Instant>,
    closing: bool,
    ends: BTreeMap<i32, i64>,
    /// Whether the first assignment is to be followed by another join.
    rejoins: bool,
}

impl Shared {
    /// Whether partitions were taken away, of which the reader may still hold something.
    pub(super) fn is_behind(&self) -> bool {
        self.told || self.changes.iter().any(|change| matches!(change, Change::Lost(_)))
    }

    /// Whether the partition may be read.
    pub(super) fn owns(&self, partition: i32) -> bool {
        self.owned.contains(&partition)
    }

    /// Whether the group waits for partitions.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }
}

/// What librdkafka calls from within a poll.
///
/// A gained partition is *not* given to librdkafka yet, which would start to fetch it from the
/// committed offset: the first seek does that. A lost one stays with librdkafka, and with this
/// member of the group, until the reader polls after it was told, so that it can end its
/// transaction first; or until the time for that is over.
///
/// A member with a name (static membership, classic protocol) that starts into a stable group is given
/// what its predecessor was assigned last, without a rebalance. Had that one died between the two
/// rebalances of the cooperative protocol, after it was told to let partitions go and before it joined
/// again to say so, then its successor owns none of them, so it lets none go and never joins again: the
/// partitions are nobody's, and the group stays stable. So such a member joins once more as soon as it has
/// its assignment: it then says what it owns, and everything else is assigned. No partition moves by that.
///
/// From a loss on until that poll the membership that the reader commits with is the one from
/// before the loss. So the brokers refuse what it commits of partitions that others have by then.
pub(super) struct SourceContext {
    topic: String,
    reporting: Reporting,
    shared: Mutex<Shared>,
}

impl SourceContext {
    /// For a consumer of one topic. One that `rejoins` joins once more after its first assignment.
    pub(super) fn new(topic: &str, rejoins: bool) -> Self {
        let shared = Shared { rejoins, ..Shared::default() };
        Self { topic: topic.to_owned(), reporting: Reporting::default(), shared: Mutex::new(shared) }
    }

    /// What is shared with the thread that polls the consumer; it waits meanwhile.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest change that was not taken yet. Who takes a loss acknowledges it by polling again.
    pub(super) fn take_change(&self) -> Option<Change> {
        let mut shared = self.shared();
        let change = shared.changes.pop_front()?;
        shared.told |= matches!(change, Change::Lost(_));
        Some(change)
    }

    /// The oldest error that was not taken yet.
    pub(super) fn take_error(&self) -> Option<KafkaError> {
        self.shared().errors.pop_front()
    }

    /// Keeps an error of the consumer for the reader.
    pub(super) fn keep_error(&self, error: KafkaError) {
        let mut shared = self.shared();
        if shared.errors.len() == ERRORS {
            shared.errors.pop_front();
        }
        shared.errors.push_back(error);
    }

    /// Whether something waits for the reader.
    pub(super) fn has_news(&self) -> bool {
        let shared = self.shared();
        !shared.changes.is_empty() || !shared.errors.is_empty()
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

    /// The reader begins a poll: what it was told of may go now.
    pub(super) fn acknowledge(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<()> {
        let mut shared = self.shared();
        shared.silent_since = None;
        shared.told = false;
        if shared.is_behind() { Ok(()) } else { self.release(consumer, &mut shared) }
    }

    /// Lets partitions go for which the group has waited longer than `timeout`.
    pub(super) fn release_overdue(
        &self,
        consumer: &BaseConsumer<Self>,
        timeout: Duration,
    ) -> KafkaResult<()> {
        let mut shared = self.shared();
        match &shared.leaving {
            Some((partitions, since)) if since.elapsed() >= timeout => {
                tracing::warn!(
                    topic = self.topic,
                    ?partitions,
                    "given to the group after {} ms (kafka.revoke_timeout_ms), though still in use here: \
                     what is not committed of them will be refused",
                    timeout.as_millis()
                );
                self.release(consumer, &mut shared)
            }
            _ => Ok(()),
        }
    }

    /// Lets lost partitions go; nothing where none is leaving.
    fn release(&self, consumer: &BaseConsumer<Self>, shared: &mut Shared) -> KafkaResult<()> {
        let Some((leaving, _)) = shared.leaving.take() else { return Ok(()) };
        // Those that were never sought are not librdkafka's; an empty list is an answer as well.
        let theirs = consumer.assignment()?;
        let mut list = TopicPartitionList::new();
        for partition in leaving {
            shared.owned.remove(&partition);
            if theirs.find_partition(&self.topic, partition).is_some() {
                list.add_partition(&self.topic, partition);
            }
        }
        consumer.incremental_unassign(&list)
    }

    /// The reader's poll is over.
    pub(super) fn fall_silent(&self) {
        self.shared().silent_since = Some(Instant::now());
    }

    /// How long the reader has not polled.
    pub(super) fn silence(&self) -> Duration {
        self.shared().silent_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// From now on nobody reads any more: lost partitions go at once.
    pub(super) fn close(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<()> {
        let mut shared = self.shared();
        shared.closing = true;
        self.release(consumer, &mut shared)
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        self.shared().closing
    }

    /// The membership with which the reader may commit; none before there was one.
    pub(super) fn group(&self, consumer: &BaseConsumer<Self>) -> Option<Arc<ConsumerGroupMetadata>> {
        let mut shared = self.shared();
        remember_group(consumer, &mut shared);
        shared.group.clone()
    }
}

/// Takes the membership as it is now, unless the reader is behind it or there is none.
fn remember_group<C: ConsumerContext>(consumer: &BaseConsumer<C>, shared: &mut Shared) {
    if shared.is_behind() {
        return;
    }
    let now = consumer.group_metadata();
    // A member that was thrown out has no generation, and brokers would take a commit without one
    // for that of a reader outside of any group. Asked last: so a loss in between is seen.
    let is_member = ffi::generation(consumer.client()) >= 0;
    if is_member || shared.group.is_none() {
        shared.group = now.map(Arc::new);
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
        let mut shared = self.shared();
        let done = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::debug!(topic = self.topic, ?partitions, "partitions gained");
            if !partitions.is_empty() {
                shared.owned.extend(&partitions);
                shared.changes.push_back(Change::Gained(partitions));
            }
            // Asked for in the middle of an assignment, it is done when that is over, as another join.
            let again = match std::mem::take(&mut shared.rejoins) {
                true => consumer.subscribe(&[&self.topic]),
                false => Ok(()),
            };
            // The group waits for an answer; an empty one takes the partitions and fetches none.
            consumer.incremental_assign(&TopicPartitionList::new()).and(again)
        } else {
            tracing::debug!(topic = self.topic, ?partitions, "partitions lost");
            remember_group(consumer, &mut shared);
            let nothing = partitions.is_empty();
            let (leaving, _) = shared.leaving.get_or_insert_with(|| (Vec::new(), Instant::now()));
            leaving.extend(&partitions);
            // Without partitions nobody has anything to finish.
            if shared.closing || (nothing && !shared.is_behind()) {
                self.release(consumer, &mut shared)
            } else {
                if !nothing {
                    shared.changes.push_back(Change::Lost(partitions));
                }
                Ok(())
            }
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
        let context = SourceContext::new("events", false);
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
