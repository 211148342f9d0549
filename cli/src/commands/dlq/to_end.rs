//! Reading a topic up to the end that it had at the beginning.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmisr_stream::{Limits, Polled, Record, Source};

use crate::failure::Failure;

/// How much is read at a time.
const LIMITS: Limits = Limits { records: 500, bytes: 4 << 20 };
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A topic's records from where the caller says to the end: what is written meanwhile, as by a job
/// that refuses a replayed event again, is not read.
pub struct ToEnd<S> {
    source: S,
    /// The only partition that is read, or all.
    only: Option<i32>,
    spans: BTreeMap<i32, Span>,
}

/// What is left of a partition.
struct Span {
    position: i64,
    end: i64,
}

impl<S: Source> ToEnd<S> {
    /// Over a source that was not polled yet.
    pub fn new(source: S, only: Option<i32>) -> Result<Self, Failure> {
        let topic = source.topic();
        if let Some(only) = only.filter(|only| !(0..topic.partitions).contains(only)) {
            return Err(Failure::user(format!(
                "--partition {only}: the topic {} has the partitions 0 to {}",
                topic.name,
                topic.partitions - 1
            )));
        }
        Ok(Self { source, only, spans: BTreeMap::new() })
    }

    /// The group that reads.
    pub fn group(&self) -> S::Group {
        self.source.group()
    }

    /// The next records, in the order of offsets within each partition; none at the end. `from`
    /// says where a partition begins.
    pub fn next(&mut self, from: &dyn Fn(i32) -> i64) -> Result<Option<Vec<Record>>, Failure> {
        let began = Instant::now();
        loop {
            match self.source.poll(LIMITS, POLL)? {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        let (start, end) = self.source.bounds(partition)?;
                        let position = start.max(from(partition));
                        // A partition is read from its first seek on.
                        if self.only.is_none_or(|only| only == partition) && position < end {
                            self.source.seek(partition, position)?;
                        }
                        let end = if self.only.is_none_or(|only| only == partition) { end } else { 0 };
                        self.spans.insert(partition, Span { position, end });
                    }
                }
                Polled::Revoked(_) => {
                    let text = "another process reads dead letters in the same group: let it end first";
                    return Err(Failure::user(text));
                }
                Polled::Records(records) => {
                    let records = self.up_to_end(records);
                    if !records.is_empty() {
                        return Ok(Some(records));
                    }
                }
            }
            if self.is_done()? {
                return Ok(None);
            }
            if began.elapsed() > PATIENCE {
                return Err(Failure::user(format!(
                    "the topic {} was not read to its end within {} s without a record: see that the brokers answer, and that no other process reads dead letters in the same group",
                    self.source.topic().name,
                    PATIENCE.as_secs()
                )));
            }
        }
    }

    fn up_to_end(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        for record in &records {
            if let Some(span) = self.spans.get_mut(&record.partition) {
                span.position = record.offset + 1;
            }
        }
        records
            .retain(|record| self.spans.get(&record.partition).is_some_and(|span| record.offset < span.end));
        records
    }

    fn is_done(&mut self) -> Result<bool, Failure> {
        let all = self.spans.len() as i64 == i64::from(self.source.topic().partitions);
        for (&partition, span) in &mut self.spans {
            // Markers of transactions take offsets, too: only who has read over them knows.
            if span.position < span.end && self.source.bounds(partition)?.1 > span.position {
                return Ok(false);
            }
        }
        Ok(all)
    }
}
