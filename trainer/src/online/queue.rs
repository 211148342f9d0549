//! Records that were read and not yet learnt from, per partition.

use std::collections::{BTreeMap, VecDeque};
use std::str;

use hmisr_stream::Record;
use hmisr_stream::contract::{Id, TrainingExample};

use super::journal::Entry;
use crate::served::ONE_IN;

/// What a record says.
#[derive(Debug)]
enum Content {
    Example(Box<TrainingExample>),
    /// A tombstone: forget this user.
    Forget(Id),
    /// Not readable; counted when it came.
    Bad,
}

/// Examples of a batch, and users forgotten after it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) examples: Vec<TrainingExample>,
    /// Those that are ranked as served, by their offset, so that a replay asks for the same.
    pub(super) asked: Vec<usize>,
    pub(super) forgotten: Vec<Id>,
}

/// Queues in offset order, and how far each partition was taken.
#[derive(Debug, Default)]
pub(super) struct Queue {
    partitions: BTreeMap<i32, VecDeque<(i64, Content)>>,
    /// Next offset per partition: all before it was taken.
    pub(super) positions: BTreeMap<i32, i64>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The offset after the last that was read of a partition; none where it is not yet read from.
    pub(super) fn next(&self, partition: i32) -> Option<i64> {
        let last = self.partitions.get(&partition).and_then(VecDeque::back).map(|(last, _)| last + 1);
        last.or_else(|| self.positions.get(&partition).copied())
    }

    /// Appends a record. An error tells why it is no example; it keeps its place all the same, so
    /// that batches are formed alike with and without it.
    pub(super) fn push(&mut self, record: Record) -> Result<(), String> {
        let (content, problem) = match content(&record) {
            Ok(content) => (content, Ok(())),
            Err(problem) => (Content::Bad, Err(problem)),
        };
        self.len += 1;
        self.partitions.entry(record.partition).or_default().push_back((record.offset, content));
        problem
    }

    /// Drops what was read of a partition and not taken.
    pub(super) fn revoke(&mut self, partition: i32) {
        let dropped = self.partitions.remove(&partition).unwrap_or_default();
        self.len -= dropped.len();
    }

    /// Everything read, as the batch with this number.
    pub(super) fn all(&self, batch: u64) -> Entry {
        let range = |(partition, queue): (&i32, &VecDeque<(i64, Content)>)| {
            let (first, last) = (queue.front()?.0, queue.back()?.0);
            let from = self.positions.get(partition).copied().unwrap_or(first);
            Some((*partition, (from, last + 1)))
        };
        Entry { batch, ranges: self.partitions.iter().filter_map(range).collect() }
    }

    /// Whether every record of the batch was read. Offsets may have holes, but a batch ends with a
    /// record: once one at or after it is here, so are all before.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        entry.ranges.iter().all(|(partition, (_, end))| {
            self.partitions.get(partition).and_then(VecDeque::back).is_some_and(|(last, _)| last + 1 >= *end)
        })
    }

    /// Takes a batch out, partitions in order: whatever order they were read in, the batch is the
    /// same.
    pub(super) fn take(&mut self, entry: &Entry) -> Batch {
        let mut batch = Batch::default();
        for (partition, (_, end)) in &entry.ranges {
            let Some(queue) = self.partitions.get_mut(partition) else { continue };
            while queue.front().is_some_and(|(offset, _)| offset < end) {
                self.len -= 1;
                match queue.pop_front() {
                    Some((offset, Content::Example(example))) => {
                        if offset % ONE_IN == 0 {
                            batch.asked.push(batch.examples.len());
                        }
                        batch.examples.push(*example);
                    }
                    Some((_, Content::Forget(user))) => batch.forgotten.push(user),
                    _ => {}
                }
            }
            self.positions.insert(*partition, *end);
        }
        batch
    }
}

fn content(record: &Record) -> Result<Content, String> {
    if let Some(payload) = &record.payload {
        let example = TrainingExample::read(payload).map_err(|error| error.to_string())?;
        return Ok(Content::Example(Box::new(example)));
    }
    let key = record.key.as_deref().ok_or("a tombstone without a key")?;
    let text = str::from_utf8(key).map_err(|error| format!("a tombstone's key is no user id: {error}"))?;
    Id::parse(text).map(Content::Forget).map_err(|error| format!("a tombstone's key is no user id: {error}"))
}
