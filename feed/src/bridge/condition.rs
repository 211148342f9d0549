//! What holds the bridge up: batches that cannot be read, partitions that nobody has.

use hmisr_stream::contract::{DeadLetter, Example, Reason, topic};
use hmisr_stream::{Error, ErrorKind, Record, Result, Sink, Source, Stuck};

use super::Bridge;
use super::copy::{Tally, partitions};

impl<S: Source, K: Sink<Group = S::Group>> Bridge<'_, S, K> {
    /// Looks at what the source knows, skips the batches that are to be skipped, and tells the rest. With
    /// `until_end` what is left is an error: the end is never reached.
    pub(super) fn look(&mut self, until_end: bool) -> Result<()> {
        let condition = self.source.condition();
        let topic = self.source.topic().name.clone();
        self.metrics.unowned.set(condition.unowned.len() as i64);
        self.metrics.stuck.set(condition.stuck.len() as i64);
        self.metrics.silent_seconds.set(condition.silent_seconds());
        if let Some(lag) = condition.topic_lag {
            self.metrics.topic_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        }
        let mut waits = condition.obstacles(&topic);
        for stuck in &condition.stuck {
            let is_meant = |it: &&hmisr_stream::SkipBatch| it.is(stuck.partition, stuck.offset);
            if self.skips.iter().find(is_meant).is_some() && self.positions.contains_key(&stuck.partition) {
                self.skip(stuck).inspect_err(|error| self.undo(error))?;
                continue;
            }
            if until_end {
                return Err(Error::new(ErrorKind::Corrupt, stuck.remedy()));
            }
            waits.push(stuck.remedy());
        }
        let waiting = self.waiting.keys();
        waits.extend(waiting.map(|it| format!("partition {it} of {topic} waits for its committed offset")));
        if self.positions.is_empty() && self.waiting.is_empty() {
            let group = condition.group_in_words();
            waits.push(format!("no partition of {topic} is assigned to this instance{group}"));
        }
        self.metrics.waits().set(waits);
        Ok(())
    }

    /// Goes on behind a batch that cannot be read: its dead letter and the offset behind it are committed
    /// together.
    fn skip(&mut self, stuck: &Stuck) -> Result<()> {
        let Stuck { partition, offset, .. } = *stuck;
        let end = self.source.end_of_batch(partition, offset)?;
        let Some(sink) = self.sink.as_mut() else { return Ok(()) };
        let letters = partitions(sink, topic::DEAD_LETTERS)?;
        let message = format!("offsets {offset} to {} were skipped: {}", end - 1, stuck.message);
        tracing::warn!(partition, from = offset, to = end, "skipping a batch: {}", stuck.message);
        let record =
            Record { partition, offset, timestamp_ms: -1, key: None, payload: None, headers: Vec::new() };
        let name = self.source.topic().name.clone();
        let letter =
            DeadLetter { record: &record, topic: &name, reason: Reason::Unreadable, message: &message }
                .outgoing(topic::DEAD_LETTERS, letters);
        sink.begin()?;
        sink.produce(&letter)?;
        sink.send_offsets(&self.source.group(), &name, &[(partition, end)])?;
        sink.commit()?;
        self.source.seek(partition, end)?;
        self.positions.insert(partition, end);
        let example = Example::of(&name, &record, &message);
        let records = (end - offset).unsigned_abs();
        self.count(records, Tally::letter(Reason::Unreadable, example));
        // One letter stands for all of them.
        self.count_unreadable(records.saturating_sub(1));
        self.metrics.skipped_offsets.inc_by(records);
        Ok(())
    }
}
