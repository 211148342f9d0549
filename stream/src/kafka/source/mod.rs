//! [`Source`] over a consumer group.

mod membership;
mod reading;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reports, identity, missing_topic, partitions, unanswered};
use super::member::Patience;
use super::queue::RecordQueue;
use super::rebalance::SourceContext;
use super::stuck::Blocks;
use super::watch::Watch;
use super::{KafkaSettings, batch_end, errors, ffi};
use crate::{Condition, Error, ErrorKind, Limits, Polled, Record, Result, Source, TopicInfo};

/// Pause before a partition without a leader is asked for again.
const ELECTION: Duration = Duration::from_millis(100);

/// A member of a consumer group that reads one topic, committed records only.
///
/// * It joins the group with its first poll. From then on a thread of its own keeps the membership
///   while whoever polls is busy, for up to `max_poll_interval_ms`.
/// * A partition is read from its first [`Source::seek`] on, never before.
/// * A revoked partition is let go at the poll *after* the one that returned it, so that whoever
///   polls can end its transaction and put its state away first. If that poll does not come within
///   `revoke_timeout_ms` the partition goes all the same, and what is committed with
///   [`Source::group`] or [`Source::commit`] until then is refused: the kind is `Aborted`.
/// * Offsets are those of records. Transaction markers take offsets too: [`Source::bounds`] and
///   [`Source::known_end`] return the last stable offset, which lies behind the markers, until
///   this source has read over them; from then on they return the position behind the last record
///   that was returned (or the offset that was sought). So a reader has all there is when its
///   position is at least `known_end`, but an end taken earlier may never be reached.
/// * [`Source::committed`] is `Unavailable` while a transaction that commits an offset of the
///   partition is open, as one of a member that ended without a word is until the broker aborts
///   it, after `transaction_timeout_ms`: ask again.
/// * The assignment is cooperative: a rebalance does not stop the partitions that stay.
/// * A batch that cannot be read holds up its partition alone. It is tried again, and after
///   `unreadable_timeout_ms` stands in [`Source::condition`], as partitions do that no member has.
/// * Where partitions stay without an owner, the source leaves its group and joins anew: it returns
///   all of its partitions as revoked first.
pub struct KafkaSource {
    /// Records of the sought partitions; before the consumer, which must outlive it.
    queue: Option<Arc<RecordQueue>>,
    /// None once it is being dropped.
    consumer: Option<Arc<BaseConsumer<SourceContext>>>,
    /// Keeps the membership, from the first poll on.
    member: Option<JoinHandle<()>>,
    /// Looks whether the group has every partition, from the first poll on.
    watch: Option<Watch>,
    /// Whether the reader was told that everything goes, so that the source can join anew.
    rejoining: bool,
    /// To make another consumer with.
    settings: KafkaSettings,
    patience: Patience,
    topic: TopicInfo,
    group_id: String,
    brokers: String,
    timeout: Duration,
    assigned: BTreeSet<i32>,
    /// Per sought partition the offset from which the next record comes.
    positions: BTreeMap<i32, i64>,
    /// Records that were taken from the queue and not returned yet.
    held: VecDeque<Record>,
    /// Partitions that cannot be read on.
    blocks: Blocks,
    /// When the last poll ended, and when it was last looked at where the partitions stand.
    polled: Instant,
    looked: Instant,
    /// Whether everything that librdkafka had read was taken at some time since.
    drained: bool,
}

/// A consumer that has not joined, and the queue for its records.
fn open(settings: &KafkaSettings, topic: &str) -> Result<(BaseConsumer<SourceContext>, RecordQueue)> {
    let consumer: BaseConsumer<SourceContext> = settings
        .for_source()?
        .create_with_context(SourceContext::new(topic, settings.rejoins()))
        .map_err(errors::creation)?;
    let queue = RecordQueue::new(consumer.client())
        .ok_or_else(|| Error::new(ErrorKind::Unavailable, "librdkafka makes no queue"))?;
    Ok((consumer, queue))
}

impl KafkaSource {
    /// A member to be of the group `settings.group_id` for `topic`. Partitions come with the polls.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`, `MissingTopic`.
    pub fn new(settings: &KafkaSettings, topic: &str) -> Result<Self> {
        let (consumer, queue) = open(settings, topic)?;
        let timeout = settings.request_timeout();
        let found = partitions(consumer.client(), &settings.brokers, topic, timeout).map_err(|error| {
            consumer.context().reporting().await_complaint(|time| drop(consumer.poll(time)));
            if error.kind() != ErrorKind::Unavailable || !consumer.context().reporting().complained() {
                return error;
            }
            let again = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
            unanswered(consumer.client(), &settings.brokers, &format!("asking for the topic {topic}"), again)
        })?;
        let Some(partitions) = found else { return Err(missing_topic(topic, &settings.brokers)) };
        let id = identity(consumer.client(), &settings.brokers, topic, timeout)?;
        Ok(Self {
            queue: Some(Arc::new(queue)),
            consumer: Some(Arc::new(consumer)),
            member: None,
            watch: None,
            rejoining: false,
            settings: settings.clone(),
            patience: settings.patience(),
            topic: TopicInfo { name: topic.to_owned(), id, partitions },
            group_id: settings.group_id.clone(),
            brokers: settings.brokers.clone(),
            timeout,
            assigned: BTreeSet::new(),
            positions: BTreeMap::new(),
            held: VecDeque::new(),
            blocks: Blocks::new(topic, settings.unreadable_timeout()),
            polled: Instant::now(),
            looked: Instant::now(),
            drained: false,
        })
    }

    #[expect(clippy::expect_used, reason = "only `drop` takes the consumer out")]
    fn consumer(&self) -> &BaseConsumer<SourceContext> {
        self.consumer.as_ref().expect("the consumer is there until drop")
    }

    fn unanswered(&self, question: &str, error: KafkaError) -> Error {
        unanswered(self.consumer().client(), &self.brokers, question, error)
    }

    /// The first offset of a partition whose record's timestamp is `timestamp_ms` (epoch
    /// milliseconds) or later; the partition's end where there is none.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn offset_at(&mut self, partition: i32, timestamp_ms: i64) -> Result<i64> {
        let question =
            format!("asking for the offset at {timestamp_ms} of {} [{partition}]", self.topic.name);
        let asked = self.at(partition, Offset::Offset(timestamp_ms))?;
        let answer = self
            .consumer()
            .offsets_for_times(asked, self.timeout)
            .map_err(|error| self.unanswered(&question, error))?;
        let found = answer.find_partition(&self.topic.name, partition).map(|element| element.offset());
        match found {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => Ok(self.bounds(partition)?.1),
        }
    }

    fn at(&self, partition: i32, offset: Offset) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic.name, partition, offset).map_err(|error| {
            Error::caused(ErrorKind::Configuration, format!("{offset:?} is not an offset"), error)
        })?;
        Ok(list)
    }

    /// Whether librdkafka has handed out, or read over, everything below `end`.
    fn has_read_to(&self, partition: i32, end: i64) -> bool {
        self.consumer()
            .position()
            .ok()
            .and_then(|list| Some(list.find_partition(&self.topic.name, partition)?.offset()))
            .is_some_and(|offset| matches!(offset, Offset::Offset(position) if position >= end))
    }

    /// An end as it concerns who reads records: markers that were read over do not count.
    fn end_for_reader(&self, partition: i32, end: i64) -> i64 {
        match self.positions.get(&partition) {
            // Where librdkafka stands after a batch that it cannot read means nothing.
            Some(_) if self.blocks.has(partition) => end,
            Some(&position) if position >= end || self.has_read_to(partition, end) => position,
            _ => end,
        }
    }
}

impl Source for KafkaSource {
    type Group = Arc<ConsumerGroupMetadata>;

    fn topic(&self) -> &TopicInfo {
        &self.topic
    }

    fn group_id(&self) -> &str {
        &self.group_id
    }

    #[expect(clippy::expect_used, reason = "a consumer that was made with a group has its metadata")]
    fn group(&self) -> Arc<ConsumerGroupMetadata> {
        let consumer = self.consumer();
        consumer.context().group(consumer).expect("the consumer has a group")
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled> {
        self.join()?;
        if let Some(everything) = self.rejoin()? {
            return Ok(everything);
        }
        self.blocks.pause(self.polled.elapsed(), Instant::now());
        self.look();
        let consumer = self.consumer();
        consumer
            .context()
            .acknowledge(consumer)
            .map_err(|error| self.unanswered("letting partitions go", error))?;
        let polled = self.wait(limits, Instant::now() + timeout);
        self.consumer().context().fall_silent();
        self.polled = Instant::now();
        polled
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        if !self.assigned.contains(&partition) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "partition {partition} of the topic {} is not assigned to this member",
                    self.topic.name
                ),
            ));
        }
        let start = self.at(partition, Offset::Offset(offset))?;
        self.held.retain(|record| record.partition != partition);
        let (Some(consumer), Some(queue)) = (&self.consumer, &self.queue) else { return Ok(()) };
        // Nothing is let go while this is held.
        let shared = consumer.context().shared();
        let taken = || {
            Error::new(
                ErrorKind::Unavailable,
                format!("partition {partition} of the topic {} was taken away", self.topic.name),
            )
        };
        if !shared.owns(partition) {
            return Err(taken());
        }
        // One that was lost and gained again before it was first sought is fetched without a position.
        let fetched = self.positions.contains_key(&partition)
            || consumer
                .assignment()
                .is_ok_and(|list| list.find_partition(&self.topic.name, partition).is_some());
        let seek =
            || consumer.seek(&self.topic.name, partition, Offset::Offset(offset), self.timeout).is_ok();
        // A partition that is not fetched (not yet, or no more after an error) cannot be sought, but
        // be assigned where to start.
        if !fetched || !seek() {
            if fetched {
                // This would pass for the answer that the group waits for.
                if shared.is_leaving() {
                    return Err(taken());
                }
                // That it is not assigned is no reason not to assign it. Stopping ends what leads it
                // to the queue, some time later: a seek, which fails, waits for that.
                let _ = consumer.incremental_unassign(&start);
                seek();
            }
            if !queue.lead(consumer.client(), &self.topic.name, partition) {
                return Err(taken());
            }
            consumer.incremental_assign(&start).map_err(|error| {
                self.unanswered(
                    &format!("seeking {offset} in partition {partition} of {}", self.topic.name),
                    error,
                )
            })?;
        }
        drop(shared);
        self.positions.insert(partition, offset);
        self.blocks.sought(partition, offset);
        Ok(())
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic.name, partition);
        let question =
            format!("asking for the group {}'s offset of {} [{partition}]", self.group_id, self.topic.name);
        let answer = self.consumer().committed_offsets(list, self.timeout).map_err(|error| {
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::UnstableOffsetCommit) => Error::caused(
                    ErrorKind::Unavailable,
                    format!(
                        "{question} was not answered within {} ms: an open transaction of another member holds \
                         it back (until kafka.transaction_timeout_ms at most; ask again), or the brokers {} \
                         cannot be reached",
                        self.timeout.as_millis(),
                        self.brokers
                    ),
                    error,
                ),
                _ => self.unanswered(&question, error),
            }
        })?;
        let Some(element) = answer.find_partition(&self.topic.name, partition) else { return Ok(None) };
        element.error().map_err(|error| self.unanswered(&question, error))?;
        match element.offset() {
            Offset::Offset(offset) => Ok(Some(offset)),
            _ => Ok(None),
        }
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        // For a reader of committed records the brokers answer with the last stable offset. A
        // partition has no leader yet just after its topic was made, and for a moment after its
        // broker went.
        let deadline = Instant::now() + self.timeout;
        let (low, end) = loop {
            match self.consumer().fetch_watermarks(&self.topic.name, partition, self.timeout) {
                Ok(bounds) => break bounds,
                Err(error) if has_no_leader(&error) && Instant::now() < deadline => {
                    std::thread::sleep(ELECTION);
                }
                Err(error) => {
                    let question = format!("asking for the bounds of {} [{partition}]", self.topic.name);
                    return Err(self.unanswered(&question, error));
                }
            }
        };
        self.consumer().context().learn_end(partition, end);
        Ok((low, self.end_for_reader(partition, end).max(low)))
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for &(partition, offset) in offsets {
            list.add_partition_offset(&self.topic.name, partition, Offset::Offset(offset)).map_err(
                |error| {
                    let text =
                        format!("{offset} of {} [{partition}] is not an offset to commit", self.topic.name);
                    Error::caused(ErrorKind::Configuration, text, error)
                },
            )?;
        }
        let question = format!("committing offsets of {}", self.topic.name);
        if self.consumer().context().shared().is_behind() {
            let text =
                format!("{question} was given up: the group {} has taken partitions away", self.group_id);
            return Err(Error::new(ErrorKind::Aborted, text));
        }
        // What is taken away from now on stays for `patience.revoke`, which is not waited out here.
        let within = self.timeout.min(self.patience.revoke);
        ffi::commit(self.consumer().client(), &list, within).map_err(|code| {
            use RDKafkaErrorCode as Code;
            let error = KafkaError::ConsumerCommit(code);
            match code {
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::StaleMemberEpoch => {
                    let text = format!("{question} was refused: the group {} has moved on", self.group_id);
                    Error::caused(ErrorKind::Aborted, text, error)
                }
                _ => self.unanswered(&question, error),
            }
        })
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        let end = self.consumer().context().end(partition)?;
        Some(self.end_for_reader(partition, end))
    }

    fn condition(&self) -> Condition {
        let seen = self.watch.as_ref().map(Watch::condition).unwrap_or_default();
        let mut stuck = self.blocks.stuck(Instant::now());
        stuck.retain(|it| !self.holds(it.partition));
        Condition { stuck, ..seen }
    }

    fn end_of_batch(&mut self, partition: i32, offset: i64) -> Result<i64> {
        let (_, end) = self.bounds(partition)?;
        batch_end::find(&self.settings, &self.topic.name, partition, offset, end)
    }
}

fn has_no_leader(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition,
    };
    let absent = [LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| absent.contains(&code))
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.leave();
    }
}
