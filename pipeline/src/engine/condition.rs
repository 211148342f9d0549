//! What stands in the way: partitions that nobody has, batches that cannot be read, starts that wait.

use hmisr_stream::contract::Reason;
use hmisr_stream::{Record, Sink, Source, Stuck};

use super::Engine;
use crate::Result;
use crate::processor::Outcome;

/// Waits that `/readyz` tells of, at most.
const TOLD: usize = 5;

impl<S, K> Engine<S, K>
where
    S: Source,
    K: Sink<Group = S::Group>,
{
    /// Looks at what the source knows, skips the batches that are to be skipped, and tells the rest.
    pub(super) fn look(&mut self) -> Result<()> {
        let condition = self.source.condition();
        let (metrics, topic) = (&self.setup.metrics, &self.source.topic().name);
        metrics.unowned.set(condition.unowned.len() as i64);
        metrics.stuck.set(condition.stuck.len() as i64);
        metrics.silent_seconds.set(condition.silent_seconds());
        if let Some(lag) = condition.topic_lag {
            metrics.topic_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        }
        let mut waits = condition.obstacles(topic);
        waits.extend(condition.stuck.iter().map(Stuck::remedy));
        waits.extend(self.waiting.iter().map(|(number, waiting)| {
            format!("partition {number} of {topic} waits to be started: {}", waiting.why)
        }));
        if self.assigned.is_empty() {
            let group = condition.group_in_words();
            waits.push(format!("no partition of {topic} is assigned to this instance{group}"));
        }
        waits.truncate(TOLD);
        self.setup.progress.waits.set(waits);
        for stuck in &condition.stuck {
            self.skip(stuck)?;
        }
        Ok(())
    }

    /// Goes on behind a batch that cannot be read, where the settings name it. Its dead letter and the offset
    /// behind it are committed together, like those of any record; in a replay the letter is written already,
    /// as far as the batch was skipped before. Without a word nothing is skipped then either: the batch may
    /// have been whole the first time.
    fn skip(&mut self, stuck: &Stuck) -> Result<()> {
        let number = stuck.partition;
        if !self.setup.pipeline.skip_unreadable.iter().any(|it| it.is(number, stuck.offset)) {
            return Ok(());
        }
        // Looking for the end takes longer than a transaction may be open.
        self.commit()?;
        let Some(partition) = self.partitions.get(&number).filter(|partition| partition.started) else {
            return Ok(());
        };
        // What comes before the batch is not processed yet.
        if partition.position < stuck.offset {
            return Ok(());
        }
        let muted = stuck.offset < partition.mute_until;
        let end = match self.source.end_of_batch(number, stuck.offset) {
            Ok(end) => end,
            Err(error) => {
                tracing::warn!(partition = number, offset = stuck.offset, %error, "the batch is not skipped yet");
                return Ok(());
            }
        };
        tracing::warn!(
            partition = number,
            from = stuck.offset,
            to = end,
            "skipping a batch: {}",
            stuck.message
        );
        self.outbox.batch.since.get_or_insert_with(|| self.setup.world.now());
        if !muted {
            self.outbox.open()?;
        }
        let message = format!("offsets {} to {} were skipped: {}", stuck.offset, end - 1, stuck.message);
        let record = Record {
            partition: number,
            offset: stuck.offset,
            timestamp_ms: -1,
            key: None,
            payload: None,
            headers: Vec::new(),
        };
        self.outbox.take(&record, Outcome::DeadLetter(Reason::Unreadable, message), muted)?;
        self.outbox.batch.counts.skipped += (end - stuck.offset).unsigned_abs();
        self.source.seek(number, end)?;
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.position = end;
        }
        Ok(())
    }
}
