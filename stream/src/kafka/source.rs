//! [`Source`] over a consumer group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reports, close, identity, missing_topic, partitions, unanswered};
use super::member::{self, Patience};
use super::queue::{CHUNK, Fetched, RecordQueue};
use super::rebalance::{Change, SourceContext};
use super::stuck::Blocks;
use super::watch::{Watch, Watched};
use super::{GroupProtocol, KafkaSettings, batch_end, errors, ffi};
use crate::{Condition, Error, ErrorKind, Limits, Polled, Record, Result, Source, TopicInfo};

/// Pause before a partition without a leader is asked for again.
const ELECTION: Duration = Duration::from_millis(100);
/// Between two looks at where the partitions stand.
const STANDS: Duration = Duration::from_secs(1);

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

    /// Joins the group, once.
    fn join(&mut self) -> Result<()> {
        let (Some(consumer), Some(queue), None) = (&self.consumer, &self.queue, &self.member) else {
            return Ok(());
        };
        consumer
            .subscribe(&[&self.topic.name])
            .map_err(|error| self.unanswered(&format!("subscribing to {}", self.topic.name), error))?;
        let member = member::start(consumer.clone(), queue.clone(), self.patience).map_err(|error| {
            Error::caused(ErrorKind::Unavailable, "no thread can be started for the membership", error)
        })?;
        self.member = Some(member);
        let watched = Watched {
            group: self.group_id.clone(),
            topic: self.topic.name.clone(),
            partitions: self.topic.partitions,
            hand_over: self.patience.revoke,
            timeout: self.timeout,
            tells_owners: self.settings.group_protocol == GroupProtocol::Classic,
        };
        let watch = Watch::start(consumer.clone(), watched).map_err(|error| {
            Error::caused(ErrorKind::Unavailable, "no thread can be started that watches the group", error)
        })?;
        self.watch = Some(watch);
        Ok(())
    }

    /// Leaves the group, unless the member has a name, and lets everything of the consumer go.
    fn leave(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        if let Err(error) = consumer.context().close(&consumer) {
            tracing::debug!(%error, "partitions could not be let go");
        }
        // The threads see the end of the context within one poll.
        if self.member.take().is_some_and(|member| member.join().is_err()) {
            tracing::error!("the thread of the membership ended by a panic");
        }
        if let Some(watch) = self.watch.take() {
            watch.join();
        }
        self.queue = None;
        close(consumer, &self.group_id);
    }

    /// Where partitions stay without an owner: first tells the reader that all of its own go, and joins
    /// anew when that polls again. A member that starts makes the group assign everything.
    fn rejoin(&mut self) -> Result<Option<Polled>> {
        if self.rejoining {
            // The new one first: so there always is one.
            let (consumer, queue) = open(&self.settings, &self.topic.name)?;
            self.leave();
            (self.consumer, self.queue) = (Some(Arc::new(consumer)), Some(Arc::new(queue)));
            self.rejoining = false;
            self.join()?;
        } else if self.watch.as_ref().is_some_and(Watch::wants_rejoin) {
            tracing::warn!(topic = self.topic.name, group = self.group_id, "joining the group anew");
            self.rejoining = true;
            self.positions.clear();
            self.held.clear();
            let lost: Vec<i32> = std::mem::take(&mut self.assigned).into_iter().collect();
            lost.iter().for_each(|partition| self.blocks.forget(*partition));
            return Ok(Some(Polled::Revoked(lost)));
        }
        Ok(None)
    }

    /// Tries batches again that could not be read, and looks whether every partition goes on.
    fn look(&mut self) {
        let now = Instant::now();
        for partition in self.blocks.due(now) {
            // What was read before the batch is handed out first: a seek drops it.
            if self.holds(partition) {
                continue;
            }
            let Some(&position) = self.positions.get(&partition) else { continue };
            if let Err(error) = self.seek(partition, position) {
                tracing::debug!(partition, %error, "tried again later");
            }
        }
        if now.saturating_duration_since(self.looked) < STANDS {
            return;
        }
        let since = now.saturating_duration_since(std::mem::replace(&mut self.looked, now));
        // One queue holds the records of all: what has not come of one may wait behind those of others.
        if !std::mem::take(&mut self.drained) {
            self.blocks.pause(since, now);
            return;
        }
        let reached = self.consumer().position().ok();
        let is_answered = self.watch.as_ref().is_some_and(Watch::is_answered);
        for (&partition, &position) in &self.positions {
            let read = reached
                .as_ref()
                .and_then(|list| list.find_partition(&self.topic.name, partition)?.offset().to_raw())
                .map_or(position, |read| read.max(position));
            let end = self.consumer().context().end(partition).unwrap_or(position);
            let more = is_answered && end > read;
            self.blocks.stands(partition, (position, read), more, now);
        }
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

    /// The next change of the assignment, applied to what is kept here.
    fn change(&mut self) -> Result<Option<Polled>> {
        let Some(change) = self.consumer().context().take_change() else { return Ok(None) };
        Ok(match change {
            Change::Gained(partitions) => {
                if let Some(new) = partitions.iter().find(|partition| **partition >= self.topic.partitions) {
                    let TopicInfo { name, partitions, .. } = &self.topic;
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        format!(
                            "the topic {name} has grown: partition {new} was added to the {partitions} that it \
                             had. Keys move to other partitions by that, so what is kept per partition does \
                             not fit any more: write the records anew, in order, to a new topic of that many \
                             partitions, and start there without state"
                        ),
                    ));
                }
                self.assigned.extend(&partitions);
                Some(Polled::Assigned(partitions))
            }
            Change::Lost(partitions) => {
                for partition in &partitions {
                    self.assigned.remove(partition);
                    self.positions.remove(partition);
                    self.blocks.forget(*partition);
                }
                self.held.retain(|record| !partitions.contains(&record.partition));
                Some(Polled::Revoked(partitions))
            }
        })
    }

    /// The next record of a sought partition; none where the message is an older one, read before
    /// a seek or of a partition that has gone.
    fn accept(positions: &mut BTreeMap<i32, i64>, message: &Fetched<'_>) -> Option<Record> {
        let position = positions.get_mut(&message.partition())?;
        if message.offset() < *position {
            return None;
        }
        *position = message.offset() + 1;
        Some(message.record())
    }

    /// Takes what waits in the queue, up to `limits`; waits for the first record as long as `wait`.
    /// Returns whether the queue was empty.
    fn take(&mut self, records: &mut Records, limits: Limits, wait: Duration) -> Result<bool> {
        let Some(queue) = &self.queue else { return Ok(true) };
        let (positions, held, blocks) = (&mut self.positions, &mut self.held, &mut self.blocks);
        let (mut failed, mut out_of_range) = (None, Vec::new());
        let most = limits.records.saturating_sub(records.list.len()).clamp(1, CHUNK);
        let taken = queue.take(wait, most, |message| match message {
            Ok(message) if !blocks.accepts(message.partition()) => {}
            Err(error) if error.partition >= 0 && !blocks.accepts(error.partition) => {}
            Ok(message) => {
                if let Some(record) = Self::accept(positions, &message) {
                    if !blocks.is_empty() {
                        blocks.passed(record.partition, record.offset);
                    }
                    if records.is_full(limits) { held.push_back(record) } else { records.push(record) }
                }
            }
            // One of a partition that has gone, or of what was read before a seek, is nobody's concern.
            Err(unreadable) if unreadable.is_unreadable() => {
                if let Some(&position) = positions.get(&unreadable.partition) {
                    blocks.refuse(unreadable, position, Instant::now());
                }
            }
            Err(error) if error.is_out_of_range() => out_of_range.push(error),
            Err(other) => {
                failed.get_or_insert(other.code);
            }
        });
        self.drained |= taken == 0 && held.is_empty();
        for error in out_of_range {
            let (partition, code) = (error.partition, error.code);
            match self.positions.get(&partition) {
                // Not ours to read any more.
                None => {}
                // librdkafka lost its place (see `stuck`): it names another one. A log that was cut off below the
                // position has none to name.
                Some(&position)
                    if error.offset >= 0
                        && error.offset != position
                        && self.is_in_log(partition, position) != Some(false) =>
                {
                    self.blocks.refuse(error, position, Instant::now());
                }
                Some(_) => {
                    failed.get_or_insert(code);
                }
            }
        }
        match failed.and_then(|code| self.queue_error(KafkaError::MessageConsumption(code))) {
            Some(error) => Err(error),
            None => Ok(taken == 0),
        }
    }

    /// Waits until `deadline` for records or a change of the assignment.
    fn wait(&mut self, limits: Limits, deadline: Instant) -> Result<Polled> {
        let mut records = Records::default();
        loop {
            while let Some(error) = self.consumer().context().take_error() {
                if let Some(error) = self.queue_error(error) {
                    return Err(error);
                }
            }
            if let Some(change) = self.change()? {
                return Ok(change);
            }
            while !records.is_full(limits)
                && let Some(record) = self.held.pop_front()
            {
                records.push(record);
            }
            let mut empty = false;
            while !records.is_full(limits) && !empty {
                let left = deadline.saturating_duration_since(Instant::now());
                let wait = if records.list.is_empty() { left } else { Duration::ZERO };
                empty = match self.take(&mut records, limits, wait) {
                    Ok(empty) => empty,
                    Err(error) => {
                        records.list.append(&mut self.held.drain(..).collect());
                        self.held = records.list.into();
                        return Err(error);
                    }
                };
            }
            if !records.list.is_empty() || Instant::now() >= deadline {
                return Ok(Polled::Records(records.list));
            }
        }
    }

    /// An error on the queue; none where librdkafka goes on by itself.
    fn queue_error(&self, error: KafkaError) -> Option<Error> {
        let (code, fatal) = match error {
            KafkaError::MessageConsumption(code) => (code, false),
            KafkaError::MessageConsumptionFatal(code) => (code, true),
            KafkaError::PartitionEOF(_) => return None,
            other => return Some(self.unanswered("reading", other)),
        };
        let reason = self.consumer().context().reporting().reason();
        let kind = match errors::queue_kind(code) {
            Some(kind) => kind,
            None if fatal => ErrorKind::Configuration,
            None => {
                tracing::warn!(topic = self.topic.name, %error, reason, "reading goes on when this has passed");
                return None;
            }
        };
        let name = &self.topic.name;
        let text = match kind {
            ErrorKind::OffsetOutOfRange => format!(
                "an offset of the topic {name} is not in its log ({}): its records were deleted or the topic was made anew",
                self.out_of_range()
            ),
            ErrorKind::MissingTopic => {
                format!("the topic {name} is not there any more ({reason}): make it again")
            }
            ErrorKind::Corrupt => format!("the topic {name} holds bytes that are not records ({reason})"),
            ErrorKind::Fenced => format!(
                "another member of the group {} has the same kafka.group_instance_id ({reason}): stop one of them",
                self.group_id
            ),
            _ => format!(
                "reading the topic {name} in the group {} was refused: {error} ({reason})",
                self.group_id
            ),
        };
        Some(Error::caused(kind, text, error))
    }

    /// Whether records of the partition wait to be handed out.
    fn holds(&self, partition: i32) -> bool {
        self.held.iter().any(|record| record.partition == partition)
    }

    /// Whether the leader of a partition says that `position` is in its log, or at its end; none where it says
    /// nothing.
    fn is_in_log(&self, partition: i32, position: i64) -> Option<bool> {
        let (low, high) = self.consumer().fetch_watermarks(&self.topic.name, partition, self.timeout).ok()?;
        Some((low..=high).contains(&position))
    }

    /// The partitions whose position is outside of their log, for people.
    fn out_of_range(&self) -> String {
        let outside: Vec<String> = self
            .positions
            .iter()
            .filter_map(|(&partition, position)| {
                let (low, high) =
                    self.consumer().fetch_watermarks(&self.topic.name, partition, self.timeout).ok()?;
                (!(low..=high).contains(position))
                    .then(|| format!("partition {partition}: {position} is not in {low} to {high}"))
            })
            .collect();
        if outside.is_empty() { self.consumer().context().reporting().reason() } else { outside.join(", ") }
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

/// What one poll returns.
#[derive(Default)]
struct Records {
    list: Vec<Record>,
    bytes: usize,
}

impl Records {
    fn push(&mut self, record: Record) {
        self.bytes += record.bytes();
        self.list.push(record);
    }

    fn is_full(&self, limits: Limits) -> bool {
        self.list.len() >= limits.records || self.bytes >= limits.bytes
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.leave();
    }
}
