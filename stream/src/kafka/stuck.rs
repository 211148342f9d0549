//! Batches that cannot be read: they hold up their partition, and no other.
//!
//! librdkafka tells of such a batch by an error on the partition's queue, and then does one of two
//! things: a codec that it does not know it fetches again and again; after a damaged checksum it goes on
//! with what comes behind, which would be a silent loss, or with bytes in the middle of the batch (up to
//! 2.12 at least it takes a length for a place), which it takes for further batches: their errors name
//! offsets that are none, and it may fetch on from one of those, which is out of range. So nothing
//! more is taken of the partition, error or record; it is sought back to where it was and tried again: a
//! batch that was damaged on the way, or that another replica has whole, is read then. Some damage
//! librdkafka does not tell of at all: a partition of which nothing comes though there is more counts as
//! stuck as well.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::errors::queue_kind;
use crate::{ErrorKind, Stuck};

/// Between an error and the next try, until the time is over.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two tries after that, and of what tells nothing: a batch takes long over a slow network.
const SELDOM: Duration = Duration::from_secs(10);

/// What librdkafka says of a batch.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

impl Failed {
    /// Whether it says that the position is not in the log.
    pub(super) fn is_out_of_range(&self) -> bool {
        self.partition >= 0 && queue_kind(self.code) == Some(ErrorKind::OffsetOutOfRange)
    }

    /// Whether it is about bytes that cannot be read, and not about the way to them.
    pub(super) fn is_unreadable(&self) -> bool {
        use RDKafkaErrorCode as Code;
        self.partition >= 0
            && matches!(
                self.code,
                Code::BadMessage
                    | Code::BadCompression
                    | Code::InvalidMessage
                    | Code::InvalidMessageSize
                    | Code::InvalidRecord
                    | Code::NotImplemented
                    | Code::MessageSizeTooLarge
                    | Code::Underflow
                    | Code::Unknown
            )
    }
}

#[derive(Debug)]
struct Block {
    offset: i64,
    since: Instant,
    tried: Instant,
    /// Whether nothing of the partition is taken until it is sought again.
    refuses: bool,
    message: String,
}

/// Where a partition stood, and since when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Still {
    position: (i64, i64),
    since: Instant,
}

/// The partitions of a source that cannot be read on.
#[derive(Debug)]
pub(super) struct Blocks {
    topic: String,
    patience: Duration,
    blocks: BTreeMap<i32, Block>,
    still: BTreeMap<i32, Still>,
}

impl Blocks {
    /// None yet, for batches that are tried for `patience`.
    pub(super) fn new(topic: &str, patience: Duration) -> Self {
        Self { topic: topic.to_owned(), patience, blocks: BTreeMap::new(), still: BTreeMap::new() }
    }

    /// A batch could not be read by one who stands at `offset`. Where librdkafka says that the batch begins is no
    /// part of its checksum, and one may stand in its middle. What comes of the partition after that, until it is
    /// sought again, tells nothing.
    pub(super) fn refuse(&mut self, failed: Failed, offset: i64, now: Instant) {
        let Failed { partition, code, text, .. } = failed;
        if !self.accepts(partition) {
            return;
        }
        let message = format!(
            "the batch at offset {offset} of {} [{partition}] cannot be read: {text} ({code:?})",
            self.topic
        );
        match self.blocks.get_mut(&partition) {
            Some(block) if block.offset == offset => {
                (block.refuses, block.tried, block.message) = (true, now, message);
            }
            _ => {
                tracing::warn!("{message}; it is tried again, and the other partitions go on");
                let block = Block { offset, since: now, tried: now, refuses: true, message };
                self.blocks.insert(partition, block);
            }
        }
    }

    /// Whether records and errors of the partition may be taken.
    pub(super) fn accepts(&self, partition: i32) -> bool {
        self.blocks.get(&partition).is_none_or(|block| !block.refuses)
    }

    /// A record of the partition was taken.
    pub(super) fn passed(&mut self, partition: i32, offset: i64) {
        if let Some(block) = self.blocks.get(&partition)
            && offset >= block.offset
        {
            tracing::info!(topic = self.topic, partition, offset, "read on");
            self.blocks.remove(&partition);
        }
    }

    /// The partition was sought: to before the batch, which is tried again then, or to behind it.
    pub(super) fn sought(&mut self, partition: i32, offset: i64) {
        match self.blocks.get_mut(&partition) {
            Some(block) if offset <= block.offset => block.refuses = false,
            Some(_) => drop(self.blocks.remove(&partition)),
            None => {}
        }
    }

    /// The partition is no longer this source's.
    pub(super) fn forget(&mut self, partition: i32) {
        self.blocks.remove(&partition);
        self.still.remove(&partition);
    }

    /// Whether the partition is held up.
    pub(super) fn has(&self, partition: i32) -> bool {
        self.blocks.contains_key(&partition)
    }

    /// Whether there is nothing to be done here.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Partitions to be tried again now: to be sought.
    pub(super) fn due(&mut self, now: Instant) -> Vec<i32> {
        let patience = self.patience;
        let mut due = Vec::new();
        for (partition, block) in &mut self.blocks {
            let is_stuck = now.saturating_duration_since(block.since) >= patience;
            let pause = if block.refuses && !is_stuck { AGAIN } else { SELDOM };
            if now.saturating_duration_since(block.tried) >= pause {
                block.tried = now;
                due.push(*partition);
            }
        }
        due
    }

    /// Looks at where a partition stands: the next record, and how far librdkafka has read. `more`: whether
    /// the log goes on behind that, and the brokers answer. Only for who has taken all that was read.
    pub(super) fn stands(&mut self, partition: i32, position: (i64, i64), more: bool, now: Instant) {
        let still = self.still.entry(partition).or_insert(Still { position, since: now });
        if still.position != position || !more {
            *still = Still { position, since: now };
        }
        let long = now.saturating_duration_since(still.since) >= self.patience;
        if long && !self.blocks.contains_key(&partition) {
            let offset = position.0;
            let message = format!(
                "nothing has come of {} [{partition}] from offset {offset} on for {} s, though the log goes on: \
                 what lies there cannot be read, or its leader does not send it",
                self.topic,
                self.patience.as_secs()
            );
            tracing::warn!("{message}");
            let block = Block { offset, since: still.since, tried: now, refuses: false, message };
            self.blocks.insert(partition, block);
        }
    }

    /// Time passed in which nobody took what was read: it does not count.
    pub(super) fn pause(&mut self, time: Duration, now: Instant) {
        for still in self.still.values_mut() {
            still.since = (still.since + time).min(now);
        }
    }

    /// What has been tried for long enough.
    pub(super) fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let is_stuck = |block: &Block| now.saturating_duration_since(block.since) >= self.patience;
        self.blocks
            .iter()
            .filter(|(_, block)| is_stuck(block))
            .map(|(partition, block)| Stuck {
                partition: *partition,
                offset: block.offset,
                tried_for: now.saturating_duration_since(block.since),
                message: block.message.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(offset: i64) -> Failed {
        Failed { partition: 1, offset, code: RDKafkaErrorCode::NotImplemented, text: "codec 5".to_owned() }
    }

    #[test]
    fn a_batch_is_tried_again_then_called_stuck_and_forgotten_when_it_is_passed() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut blocks = Blocks::new("events", Duration::from_secs(5));
        blocks.refuse(failed(7), 7, start);
        // Of bytes in the middle of the batch.
        blocks.refuse(failed(1 << 50), 7, start);
        assert!(!blocks.accepts(1) && blocks.accepts(0) && blocks.stuck(start).is_empty());
        assert_eq!(blocks.due(start), [0; 0]);
        assert_eq!(blocks.due(after(1)), [1]);
        assert!(!blocks.accepts(1), "the seek may fail");
        blocks.sought(1, 7);
        assert!(blocks.accepts(1));
        blocks.refuse(failed(7), 7, after(1));
        assert_eq!(blocks.due(after(1)), [0; 0]);
        let stuck = blocks.stuck(after(6));
        assert_eq!((stuck.len(), stuck[0].partition, stuck[0].offset), (1, 1, 7));
        assert!(stuck[0].message.contains("offset 7 of events [1]"), "{}", stuck[0].message);
        assert_eq!((blocks.due(after(6)), blocks.due(after(11))), (vec![], vec![1]));
        blocks.passed(1, 6);
        blocks.sought(1, 7);
        assert!(!blocks.is_empty());
        blocks.passed(1, 7);
        assert!(blocks.is_empty());
        blocks.refuse(failed(7), 7, after(20));
        blocks.sought(1, 8);
        assert!(blocks.is_empty() && blocks.accepts(1));
    }

    #[test]
    fn a_batch_ages_where_one_stands_wherever_it_is_said_to_begin() {
        let start = Instant::now();
        let mut blocks = Blocks::new("events", Duration::from_secs(5));
        for second in 0..6 {
            let now = start + Duration::from_secs(second);
            blocks.refuse(failed(if second % 2 == 0 { 7 } else { 1 << 50 }), 9, now);
            blocks.sought(1, 9);
        }
        assert_eq!(blocks.stuck(start + Duration::from_secs(5))[0].offset, 9);
    }

    #[test]
    fn a_partition_of_which_nothing_comes_is_stuck_and_time_without_reading_does_not_count() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut blocks = Blocks::new("events", Duration::from_secs(5));
        blocks.stands(0, (3, 3), true, start);
        blocks.pause(Duration::from_secs(3), after(4));
        blocks.pause(Duration::from_secs(60), after(4));
        blocks.stands(0, (3, 3), true, after(8));
        assert!(blocks.is_empty());
        blocks.stands(0, (3, 4), true, after(9));
        blocks.stands(0, (3, 4), true, after(14));
        assert_eq!(blocks.stuck(after(14))[0].offset, 3);
        assert_eq!((blocks.due(after(14)), blocks.due(after(24))), (vec![], vec![0]), "it is tried again");
        blocks.passed(0, 3);
        blocks.stands(0, (4, 4), false, after(30));
        assert!(blocks.is_empty());
    }
}
