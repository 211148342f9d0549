//! How records come from the queue, what is made of its errors, and what is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::KafkaSource;
use crate::kafka::client::Reports;
use crate::kafka::errors;
use crate::kafka::queue::{CHUNK, Fetched};
use crate::kafka::watch::Watch;
use crate::{Error, ErrorKind, Limits, Polled, Record, Result, Source};

/// Between two looks at where the partitions stand.
const STANDS: Duration = Duration::from_secs(1);

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

impl KafkaSource {
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
    pub(super) fn wait(&mut self, limits: Limits, deadline: Instant) -> Result<Polled> {
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
    pub(super) fn holds(&self, partition: i32) -> bool {
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

    /// Tries batches again that could not be read, and looks whether every partition goes on.
    pub(super) fn look(&mut self) {
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
}
