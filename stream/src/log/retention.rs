//! Dropping old records, never one that a group has yet to read.

use std::time::{Duration, Instant};

use super::codec::{decode, record_key};
use super::store::{Log, Passed, RECORDS, Span, disk, now_ms};
use crate::Result;

/// What one pass of [`Log::retain`] dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records dropped.
    pub records: u64,
}

impl Log {
    /// Drops records beyond the retention of bytes or time that every group reading their topic
    /// was past for [`LogSettings::retention_margin_ms`](super::LogSettings::retention_margin_ms).
    /// The newest record of a partition always stays: its offset is the log's end.
    ///
    /// It is meant to be called every few seconds: a pass sees what the ones before it saw.
    ///
    /// # Errors
    /// Kind `Unavailable` where the disk fails.
    pub fn retain(&self) -> Result<Retention> {
        let partitions: Vec<(String, u32, i32, Span)> = {
            let index = self.inner.index();
            let of = |(name, topic): (&String, &super::store::Topic)| {
                let spans: Vec<_> = topic.spans.iter().copied().enumerate().collect();
                let (name, number) = (name.clone(), topic.number);
                spans.into_iter().map(move |(at, span)| (name.clone(), number, at as i32, span))
            };
            index.topics.iter().flat_map(of).collect()
        };
        let mut dropped = Retention::default();
        for (name, number, partition, span) in partitions {
            let floor = self.floor(&name, number, partition, span)?;
            let Some(floor) = self.passed(number, partition, floor) else { continue };
            let keep_from = self.keep_from(number, partition, span)?.min(floor);
            if keep_from > span.start {
                let (from, to) =
                    (record_key(number, partition, span.start), record_key(number, partition, keep_from));
                let family = self.inner.family(RECORDS)?;
                self.inner.db.delete_range_cf(family, from, to).map_err(disk)?;
                if let Some(topic) = self.inner.index().topics.get_mut(&name) {
                    topic.spans[partition as usize].start = keep_from;
                }
                dropped.records += (keep_from - span.start) as u64;
            }
        }
        Ok(dropped)
    }

    /// The smallest offset that a group has yet to read; the newest record where none reads.
    fn floor(&self, name: &str, number: u32, partition: i32, span: Span) -> Result<i64> {
        let readers = self.inner.index().readers.clone();
        let mut floor = span.end - 1;
        for (group, _) in readers.iter().filter(|(_, topic)| topic == name) {
            floor = floor.min(self.inner.committed(group, number, partition)?.unwrap_or(span.start));
        }
        Ok(floor)
    }

    /// The floor as it was the margin ago; none where no pass is that old. Notes the present one.
    fn passed(&self, number: u32, partition: i32, floor: i64) -> Option<i64> {
        let margin = Duration::from_millis(self.inner.settings.retention_margin_ms);
        let mut index = self.inner.index();
        let passed = index.passed.entry((number, partition)).or_default();
        // A group that was sent back, or that came later, needs what the others were past.
        passed.iter_mut().for_each(|earlier| earlier.floor = earlier.floor.min(floor));
        passed.push_back(Passed { at: Instant::now(), floor });
        while passed.get(1).is_some_and(|next| next.at.elapsed() >= margin) {
            passed.pop_front();
        }
        passed.front().filter(|oldest| oldest.at.elapsed() >= margin).map(|oldest| oldest.floor)
    }

    /// The first offset within the retention of bytes and time.
    fn keep_from(&self, number: u32, partition: i32, span: Span) -> Result<i64> {
        let family = self.inner.family(RECORDS)?;
        let too_old = now_ms().saturating_sub_unsigned(self.inner.settings.retention_ms);
        let is_kept = |offset: i64| -> Result<bool> {
            let (from, to) = (record_key(number, partition, offset), record_key(number, partition, span.end));
            let range = [rocksdb::Range::new(&from, &to)];
            let bytes: u64 = self.inner.db.get_approximate_sizes_cf(family, &range).iter().sum();
            let record = self.inner.db.get_pinned_cf(family, from).map_err(disk)?;
            let appended_ms = match record {
                Some(value) => decode(partition, &from, &value)?.timestamp_ms,
                None => i64::MIN,
            };
            Ok(bytes <= self.inner.settings.retention_bytes && appended_ms >= too_old)
        };
        // Both size and age fall as the offset grows, so the border is found by bisection.
        let (mut low, mut high) = (span.start, span.end - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_kept(middle)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}
