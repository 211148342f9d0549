//! How partitions begin, go, and go back to the last commit.

use std::time::Duration;

use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore};
use hmisr_stream::{Sink, Source};

use super::outbox::Batch;
use super::{Engine, POLL, Partition, Waiting};
use crate::error::Fate;
use crate::recovery::Situation;
use crate::{Error, Result};

/// How long a partition may wait to be started: for its committed offset, which is not known while a
/// peer that owned it has a transaction open (15 minutes at most, by Kafka's default
/// `transaction.max.timeout.ms`), or for its checkpoint.
const WAIT: Duration = Duration::from_secs(16 * 60);
/// How long one turn may go on starting partitions before it polls again.
const STARTING: Duration = Duration::from_secs(1);
/// Failures further apart are not in a row, whether or not there was anything to commit between.
const IN_A_ROW: Duration = Duration::from_secs(10 * 60);
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(5);

impl<S, K> Engine<S, K>
where
    S: Source,
    K: Sink<Group = S::Group>,
{
    /// Starts the assigned partitions that are not started. One that cannot be started yet waits
    /// for a later turn, so that polling, and with it the group's membership, goes on, and holds up
    /// no other: whoever was tried longest ago comes first.
    pub(super) fn start_waiting(&mut self) -> Result<()> {
        let is_started =
            |number: &i32| self.partitions.get(number).is_some_and(|partition| partition.started);
        let mut waiting: Vec<i32> =
            self.assigned.iter().copied().filter(|number| !is_started(number)).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        waiting.sort_by_key(|number| self.waiting.get(number).map(|waiting| waiting.tried));
        // A start may take long, and an open transaction has a time limit.
        self.commit()?;
        let (began, mut failed) = (self.setup.world.now(), false);
        for number in waiting {
            let now = self.setup.world.now();
            if now.saturating_sub(began) > STARTING {
                break;
            }
            match self.start(number) {
                Ok(()) => drop(self.waiting.remove(&number)),
                Err(error) if error.fate() == Some(Fate::Unknown) => {
                    let waiting = self.waiting.entry(number).or_insert(Waiting { since: now, tried: now });
                    waiting.tried = now;
                    if now.saturating_sub(waiting.since) > WAIT {
                        return Err(error);
                    }
                    tracing::info!(partition = number, %error, "waiting to start");
                    failed = true;
                }
                Err(error) => return Err(error),
            }
        }
        if failed {
            self.setup.world.sleep(POLL * 4);
        }
        Ok(())
    }

    /// Opens or keeps the partition's store, and reads on where store and group agree.
    fn start(&mut self, number: i32) -> Result<()> {
        let committed = self.source.committed(number)?;
        let (log_start, log_end) = self.source.bounds(number)?;
        if !self.partitions.contains_key(&number) {
            let adopted = self.setup.pipeline.adopt_store_offset.then_some(log_end);
            let store = self.open(number, log_start, committed.or(adopted))?;
            let partition =
                Partition { store, started: false, position: 0, mute_until: 0, uncommitted: false };
            self.partitions.insert(number, partition);
        }
        let Some(partition) = self.partitions.get_mut(&number) else { return Ok(()) };
        partition.store.rollback()?;
        let store = partition.store.next_offset();
        let start = Situation {
            partition: number,
            store: (!partition.store.is_new()?).then_some(store),
            committed,
            log_start,
            log_end,
            adopt_store_offset: self.setup.pipeline.adopt_store_offset,
        }
        .start()?;
        if start.mute_until > start.offset {
            let records = start.mute_until - start.offset;
            tracing::info!(partition = number, records, "replaying what the store is behind, outputs muted");
        }
        self.source.seek(number, start.offset)?;
        // A store that is behind would call users unknown whom its peer has answered for: look-ups
        // come back with the commit that ends the replay.
        match start.mute_until > start.offset {
            true => self.setup.directory.remove(number),
            false => {
                let partitions = self.source.topic().partitions;
                self.setup.directory.insert(partitions, number, partition.store.reader());
            }
        }
        (partition.position, partition.mute_until, partition.started) =
            (start.offset, start.mute_until, true);
        partition.uncommitted = committed.is_none() && !partition.store.is_new()?;
        if partition.uncommitted {
            // Adopted: from now on the group has it too, also where no record comes.
            self.outbox.open()?;
            self.outbox.batch.since.get_or_insert_with(|| self.setup.world.now());
        }
        self.show_offsets();
        Ok(())
    }

    /// Opens the partition's store, or the checkpoint that takes its place where it is not of use
    /// for going on at `newest`: with nothing in it, ahead of that, or older than the log.
    fn open(&mut self, number: i32, log_start: i64, newest: Option<i64>) -> Result<PartitionStore> {
        let path = self.setup.folder.join(format!("partition-{number:05}"));
        std::fs::create_dir_all(&path)
            .map_err(|error| Error::refused(format!("state folder {}: {error}", path.display())))?;
        let identity = Identity {
            format: FORMAT_VERSION,
            topic: self.source.topic().id.clone(),
            group: self.source.group_id().to_owned(),
            partition: number,
            partitions: self.source.topic().partitions,
            features: self.setup.pipeline.definition(&self.setup.features),
            visits_kept: self.setup.pipeline.visits_kept(),
        };
        let range = log_start..=newest.unwrap_or(log_start);
        let fits = |store: &PartitionStore| {
            let fits = if store.is_new()? {
                range.end() <= range.start()
            } else {
                range.contains(&store.next_offset())
            };
            Ok(fits || newest.is_none())
        };
        let open = || PartitionStore::open(&path, &identity, &self.setup.features, &self.resources);
        self.checkpoints.begin(&identity, &path, &range, newest.is_none(), fits, open)
    }

    /// Gives partitions up: the open transaction holds records of theirs, so it is aborted, and
    /// the partitions that stay are read again from their stores.
    pub(super) fn release(&mut self, lost: &[i32]) -> Result<()> {
        let aborted = if self.outbox.batch.open { self.outbox.sink.abort() } else { Ok(()) };
        let going = self.partitions.iter().filter(|(number, _)| lost.contains(number));
        self.checkpoints.end(going.map(|(number, partition)| (*number, &partition.store)))?;
        for number in lost {
            self.assigned.remove(number);
            self.waiting.remove(number);
            self.partitions.remove(number);
            self.setup.directory.remove(*number);
        }
        self.restart();
        Ok(aborted?)
    }

    /// Drops everything uncommitted; every partition is then started as after a crash.
    fn restart(&mut self) {
        self.outbox.batch = Batch::default();
        self.outbox.population.discard();
        self.partitioning.discard();
        self.partitions.values_mut().for_each(|partition| partition.started = false);
    }

    /// Goes back to the last commit after a transaction that did not commit or a log that could
    /// not be reached, a bounded number of times in a row.
    pub(super) fn recover(&mut self, error: Error) -> Result<()> {
        let Some(fate) = error.fate() else { return Err(error) };
        let now = self.setup.world.now();
        if now.saturating_sub(self.failed_at) > IN_A_ROW {
            self.failed_commits = 0;
        }
        (self.failed_commits, self.failed_at) = (self.failed_commits + 1, now);
        self.setup.metrics.failed_commits.inc();
        if self.failed_commits > self.setup.pipeline.max_failed_commits {
            return Err(error);
        }
        tracing::warn!(%error, failures = self.failed_commits, "going back to the last commit");
        self.restart();
        let doubled =
            self.setup.pipeline.retry_pause_ms.saturating_mul(1 << (self.failed_commits - 1).min(16));
        self.setup.world.sleep(PAUSE.min(Duration::from_millis(doubled)));
        if self.lost.is_some() || fate == Fate::Unknown || self.outbox.sink.abort().is_err() {
            self.lost = Some(error);
        }
        Ok(())
    }
}
