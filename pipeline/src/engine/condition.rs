//! What stands in the way: partitions that nobody has, batches that cannot be read, starts that wait.

use std::sync::PoisonError;

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
        if let Some(lag) = condition.topic_lag {
            metrics.topic_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        }
        let group = condition.group.map_or_else(String::new, |text| format!("; the group is {text}"));
        let mut waits: Vec<String> = condition.stuck.iter().map(|stuck| self.remedy(stuck)).collect();
        if condition.abandoned {
            let unowned = condition.unowned;
            waits.push(format!("nobody in the group reads the partitions {unowned:?} of {topic}{group}"));
        }
        waits.extend(self.waiting.iter().map(|(number, waiting)| {
            format!("partition {number} of {topic} waits to be started: {}", waiting.why)
        }));
        if self.assigned.is_empty() {
            waits.push(format!("no partition of {topic} is assigned yet{group}"));
        }
        waits.truncate(TOLD);
        *self.setup.progress.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
        for stuck in &condition.stuck {
            self.skip(stuck)?;
        }
        Ok(())
    }

    fn remedy(&self, stuck: &Stuck) -> String {
        format!(
            "{} (for {} s now). Mend it at the brokers, read it with a program that can, or give it up: start \
             with --skip-unreadable {}:{}",
            stuck.message,
            stuck.tried_for.as_secs(),
            stuck.partition,
            stuck.offset
        )
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
