//! Reading the embedded log.

use std::time::{Duration, Instant};

use super::codec::{Encoded, decode, record_key};
use super::store::{GroupOffsets, Log, RECORDS, disk};
use crate::{Error, ErrorKind, Limits, Polled, Record, Result, Source, TopicInfo};

/// Reads every partition of a topic. There is one member a group, so nothing is ever revoked.
pub struct LogSource {
    log: Log,
    topic: TopicInfo,
    group: String,
    announced: bool,
    positions: Vec<Option<i64>>,
    /// The partition with which the next poll begins, so that none starves.
    turn: usize,
}

impl LogSource {
    pub(super) fn new(log: Log, topic: TopicInfo, group: String) -> Self {
        let positions = vec![None; topic.partitions as usize];
        Self { log, topic, group, announced: false, positions, turn: 0 }
    }

    /// Partitions that have records to read, with where to read and how far.
    fn ready(&self) -> Result<Vec<(usize, i64, i64)>> {
        let index = self.log.inner.index();
        let topic = index.topic(&self.topic.name)?;
        let count = self.positions.len();
        let mut ready = Vec::new();
        for at in (0..count).map(|step| (self.turn + step) % count) {
            let Some(position) = self.positions[at] else { continue };
            let span = topic.spans[at];
            if position < span.start || position > span.end {
                return Err(Error::new(
                    ErrorKind::OffsetOutOfRange,
                    format!(
                        "topic `{}`, partition {at}: offset {position} is not in the log, which holds {} to before {}",
                        self.topic.name, span.start, span.end
                    ),
                ));
            }
            if position < span.end {
                ready.push((at, position, span.end));
            }
        }
        Ok(ready)
    }

    fn read(&self, at: usize, from: i64, to: i64, limits: Limits, out: &mut Vec<Record>) -> Result<i64> {
        let number = self.log.inner.index().topic(&self.topic.name)?.number;
        let family = self.log.inner.family(RECORDS)?;
        let mut options = rocksdb::ReadOptions::default();
        options.set_iterate_upper_bound(record_key(number, at as i32, to));
        options.set_readahead_size(1 << 20);
        let mut iterator = self.log.inner.db.raw_iterator_cf_opt(family, options);
        iterator.seek(record_key(number, at as i32, from));
        let (mut records, mut bytes, mut next) = (0, 0, from);
        while let Some((key, value)) = iterator.item() {
            let record = decode(at as i32, key, value)?;
            next = record.offset + 1;
            records += 1;
            bytes += record.bytes();
            out.push(record);
            if records >= limits.records || bytes >= limits.bytes {
                break;
            }
            iterator.next();
        }
        iterator.status().map_err(disk)?;
        Ok(next)
    }
}

impl Source for LogSource {
    type Group = String;

    fn topic(&self) -> &TopicInfo {
        &self.topic
    }

    fn group_id(&self) -> &str {
        &self.group
    }

    fn group(&self) -> String {
        self.group.clone()
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled> {
        if !self.announced {
            self.announced = true;
            return Ok(Polled::Assigned((0..self.topic.partitions).collect()));
        }
        let deadline = Instant::now() + timeout;
        let ready = loop {
            let ready = self.ready()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !ready.is_empty() || left.is_zero() {
                break ready;
            }
            let index = self.log.inner.index();
            let ends = |at: usize| index.topics.get(&self.topic.name).map(|topic| topic.spans[at].end);
            let grown = (0..self.positions.len())
                .any(|at| self.positions[at].is_some_and(|position| ends(at) > Some(position)));
            if !grown {
                self.log.inner.wait(index, left);
            }
        };
        self.turn = (self.turn + 1) % self.positions.len();
        let share = Limits {
            records: limits.records.div_ceil(ready.len().max(1)).max(1),
            bytes: limits.bytes / ready.len().max(1),
        };
        let mut records = Vec::new();
        for (at, from, to) in ready {
            let next = self.read(at, from, to, share, &mut records)?;
            self.positions[at] = Some(next);
        }
        Ok(Polled::Records(records))
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.log.inner.index().topic(&self.topic.name)?.span(&self.topic.name, partition)?;
        self.positions[partition as usize] = Some(offset);
        Ok(())
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        self.log.committed(&self.group, &self.topic.name, partition)
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        let index = self.log.inner.index();
        let span = index.topic(&self.topic.name)?.span(&self.topic.name, partition)?;
        Ok((span.start, span.end))
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        let (group, topic) = (self.group.clone(), self.topic.name.clone());
        self.log.inner.commit(Encoded::default(), &[GroupOffsets { group, topic, offsets: offsets.to_vec() }])
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        let index = self.log.inner.index();
        let span = index.topic(&self.topic.name).ok()?.span(&self.topic.name, partition).ok()?;
        Some(span.end)
    }
}
