//! The loop: poll, process, commit.
//!
//! The order of a commit is what makes the job exactly once: outputs and input offsets in one
//! transaction, then state and offset in one `WriteBatch` per partition. docs/state.md, "The commit",
//! tells the whole protocol; [`crate::recovery`] decides where a partition starts after a crash.
//!
//! One thread owns source, sink and stores. With 1,000 partitions, instances of one group share
//! them; an instance commits all of its partitions in one transaction.

mod condition;
mod outbox;
mod partitions;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hmisr_features::FeatureSettings;
use hmisr_state::{PartitionStore, Resources, StateSettings};
use hmisr_stream::contract::Reason;
use hmisr_stream::{Limits, Polled, Record, Sink, Source};

use self::outbox::{Batch, Outbox};
pub use self::world::{Point, SystemWorld, World};
use crate::checkpoints::Checkpoints;
use crate::partitioning::Partitioning;
use crate::population::Population;
use crate::processor::Processor;
use crate::{Delivery, Error, PipelineMetrics, PipelineProgress, PipelineSettings, Result, StateDirectory};

/// How long a poll waits for records, at most; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// How often the lag is asked for.
const LAG: Duration = Duration::from_millis(200);

/// What an engine is made of besides source and sink.
pub struct Setup {
    /// What the features are.
    pub features: FeatureSettings,
    /// How the job runs.
    pub pipeline: PipelineSettings,
    /// How state is kept.
    pub state: StateSettings,
    /// Folder of the stores: one folder a partition below it.
    pub folder: PathBuf,
    /// Metrics.
    pub metrics: PipelineMetrics,
    /// Where the owned stores are listed for look-ups.
    pub directory: StateDirectory,
    /// Where progress is shown.
    pub progress: Arc<PipelineProgress>,
    /// Time and kill points.
    pub world: Arc<dyn World>,
}

/// The exactly-once engine over a source and a transactional sink.
pub struct Engine<S, K> {
    setup: Setup,
    processor: Processor,
    resources: Resources,
    source: S,
    outbox: Outbox<K>,
    assigned: BTreeSet<i32>,
    partitions: BTreeMap<i32, Partition>,
    /// Assigned partitions that could not be started yet.
    waiting: BTreeMap<i32, Waiting>,
    checkpoints: Checkpoints,
    partitioning: Partitioning,
    failed_commits: u32,
    failed_at: Duration,
    /// When the lag was last asked for.
    lag_at: Option<Duration>,
    /// Why the sink cannot be used any more.
    lost: Option<Error>,
}

/// A partition that could not be started yet.
struct Waiting {
    since: Duration,
    tried: Duration,
    /// What it waits for.
    why: String,
}

struct Partition {
    store: PartitionStore,
    /// Whether position and store agree; if not, it must be started (again).
    started: bool,
    /// The next offset to process.
    position: i64,
    /// Outputs of records before this offset are already written.
    mute_until: i64,
    /// Whether the group has yet to be told of the offset that the store was adopted with.
    uncommitted: bool,
}

impl<S, K> Engine<S, K>
where
    S: Source,
    K: Sink<Group = S::Group>,
{
    /// Brings source and sink together. The sink has fenced its predecessors by now, so that no
    /// open transaction of theirs can still commit.
    ///
    /// # Errors
    /// Where a setting is out of range or a topic to be written does not exist.
    pub fn new(setup: Setup, source: S, sink: K) -> Result<Self> {
        setup.features.validate().map_err(|error| Error::refused(error.to_string()))?;
        setup.pipeline.validate().map_err(Error::refused)?;
        setup.state.validate().map_err(Error::refused)?;
        let world = setup.world.clone();
        let outbox = Outbox::new(
            sink,
            source.topic(),
            setup.directory.partitioner(),
            &setup.pipeline,
            Population::new(&setup.metrics.population),
            world.clone(),
        )?;
        let partitioning = Partitioning::new(
            &source.topic().name,
            source.topic().partitions,
            setup.directory.partitioner(),
            setup.metrics.partitioning.clone(),
        );
        let checkpoints =
            Checkpoints::new(&setup.state, &setup.folder, world, setup.metrics.checkpoints.clone())?;
        Ok(Self {
            processor: Processor::new(setup.features.clone(), setup.pipeline.clone()),
            resources: Resources::new(setup.state.clone()),
            setup,
            source,
            outbox,
            assigned: BTreeSet::new(),
            partitions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            checkpoints,
            partitioning,
            failed_commits: 0,
            failed_at: Duration::ZERO,
            lag_at: None,
            lost: None,
        })
    }

    /// Runs until `stop` is set, then commits what is processed. `new_sink` replaces a sink that
    /// can no longer be used.
    ///
    /// # Errors
    /// Where starting again is needed or would not help; see the kind. Nothing committed is lost.
    pub fn run(
        mut self,
        stop: &AtomicBool,
        mut new_sink: impl FnMut() -> hmisr_stream::Result<K>,
    ) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.step(&mut new_sink)?;
        }
        if let Some(error) = self.lost {
            return Err(error);
        }
        self.commit()?;
        self.checkpoints.end(self.partitions.iter().map(|(number, partition)| (*number, &partition.store)))
    }

    /// One turn: a poll, what it brought, and a commit where one is due. Where that failed in a
    /// way that can be mended, goes back to the last commit.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn step(&mut self, new_sink: &mut impl FnMut() -> hmisr_stream::Result<K>) -> Result<()> {
        let turn = match self.lost {
            // A late end of the old transaction must not land in a later one: the new sink
            // fences the old before any offset is read.
            Some(_) => new_sink().map_err(Error::from).map(|sink| {
                self.outbox.sink = sink;
                self.lost = None;
            }),
            None => self.turn(),
        };
        turn.or_else(|error| self.recover(error))
    }

    fn turn(&mut self) -> Result<()> {
        self.setup.world.reached(Point::BeforePoll)?;
        let limits =
            Limits { records: self.setup.pipeline.batch_records, bytes: self.setup.pipeline.batch_bytes };
        let wait = self.due_in().min(POLL);
        let polled = self.source.poll(limits, wait)?;
        self.setup.world.reached(Point::AfterPoll)?;
        match polled {
            Polled::Records(records) => self.process(&records)?,
            Polled::Assigned(partitions) => self.assigned.extend(partitions),
            Polled::Revoked(partitions) => self.release(&partitions)?,
        }
        self.start_waiting()?;
        let sum = |of: fn(&PartitionStore) -> usize| -> usize {
            self.partitions.values().map(|partition| of(&partition.store)).sum()
        };
        let full = self.outbox.batch.counts.records >= self.setup.pipeline.commit_records as u64
            || self.outbox.batch.bytes >= self.setup.pipeline.commit_bytes
            || sum(PartitionStore::dirty_bytes) >= self.setup.state.cache_bytes / 2
            || sum(PartitionStore::cached_bytes) >= self.setup.state.cache_bytes * 2;
        if full || self.due_in().is_zero() {
            self.commit()?;
        }
        self.checkpoints
            .turn(self.partitions.iter().map(|(number, partition)| (*number, &partition.store)))?;
        self.show_lag()?;
        self.show();
        Ok(())
    }

    /// Time until the next commit is due; long where nothing is uncommitted.
    fn due_in(&self) -> Duration {
        let interval = Duration::from_millis(self.setup.pipeline.commit_interval_ms);
        self.outbox
            .batch
            .since
            .map_or(Duration::MAX, |since| (since + interval).saturating_sub(self.setup.world.now()))
    }

    fn process(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.setup.metrics.batch_records.observe(records.len() as f64);
        self.outbox.batch.since.get_or_insert_with(|| self.setup.world.now());
        let mut by_partition: BTreeMap<i32, Vec<&Record>> = BTreeMap::new();
        for record in records {
            by_partition.entry(record.partition).or_default().push(record);
        }
        for (number, records) in by_partition {
            let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.started)
            else {
                continue;
            };
            let records: Vec<_> =
                records.into_iter().filter(|record| record.offset >= partition.position).collect();
            self.setup.world.reached(Point::BeforeProcess)?;
            if records.last().is_some_and(|record| record.offset >= partition.mute_until) {
                self.outbox.open()?;
            }
            let mute_until = partition.mute_until;
            self.partitioning.observe(number, &records, mute_until);
            self.processor.apply_all(
                &mut partition.store,
                number,
                records.iter().copied(),
                |record, outcome| self.outbox.take(record, outcome, record.offset < mute_until),
            )?;
            if let Some(last) = records.last() {
                partition.position = last.offset + 1;
            }
            self.setup.world.reached(Point::AfterProcess)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.outbox.batch.since.is_none() {
            return Ok(());
        }
        let world = self.setup.world.clone();
        let began = world.now();
        if self.outbox.batch.open {
            self.outbox.newest()?;
            let offsets: Vec<(i32, i64)> = self
                .partitions
                .iter()
                .filter(|(_, partition)| {
                    partition.started && (partition.position > partition.mute_until || partition.uncommitted)
                })
                .map(|(number, partition)| (*number, partition.position))
                .collect();
            self.commit_outputs(&offsets)?;
            self.partitions.values_mut().for_each(|partition| partition.uncommitted = false);
        }
        let cache_limit = self.setup.state.cache_bytes / self.partitions.len().max(1);
        let mut written = 0;
        // One that waits to be started holds what was dropped: neither its offset nor its state counts.
        for (&number, partition) in self.partitions.iter_mut().filter(|(_, partition)| partition.started) {
            if partition.position > partition.store.next_offset() {
                world.reached(Point::BeforeWriteBatch)?;
                written += partition.store.commit(partition.position, cache_limit)?.bytes;
                let replayed = partition.store.next_offset() >= partition.mute_until;
                if replayed && !self.setup.directory.owns(number) {
                    let partitions = self.source.topic().partitions;
                    self.setup.directory.insert(partitions, number, partition.store.reader());
                }
                self.failed_commits = 0;
                world.reached(Point::AfterWriteBatch)?;
            } else {
                partition.store.trim(cache_limit);
            }
        }
        self.committed(began, written);
        Ok(())
    }

    /// Makes outputs and offsets visible: together, or, at least once, the offsets only when every
    /// output is acknowledged.
    fn commit_outputs(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        let world = &*self.setup.world;
        if self.setup.pipeline.delivery == Delivery::ExactlyOnce {
            world.reached(Point::BeforeSendOffsets)?;
            self.outbox.sink.send_offsets(&self.source.group(), &self.source.topic().name, offsets)?;
            world.reached(Point::AfterSendOffsets)?;
        }
        world.reached(Point::BeforeCommit)?;
        self.outbox.sink.commit()?;
        if self.setup.pipeline.delivery == Delivery::AtLeastOnce {
            world.reached(Point::BeforeSendOffsets)?;
            self.source.commit(offsets)?;
            world.reached(Point::AfterSendOffsets)?;
        }
        world.reached(Point::AfterCommit)
    }

    fn committed(&mut self, began: Duration, written: usize) {
        let Batch { oldest_ms, counts, rejections, .. } = std::mem::take(&mut self.outbox.batch);
        self.outbox.population.commit();
        self.partitioning.commit();
        let (metrics, progress) = (&self.setup.metrics, &self.setup.progress);
        let took = self.setup.world.now().saturating_sub(began);
        metrics.commit_seconds.observe(took.as_secs_f64());
        metrics.commit_records.observe(counts.records as f64);
        metrics.state_bytes_written.inc_by(written as u64);
        metrics.events.inc_by(counts.applied);
        metrics.replayed.inc_by(counts.replayed);
        metrics.features.inc_by(counts.features);
        metrics.examples.inc_by(counts.examples);
        metrics.forgotten.inc_by(counts.forgotten);
        metrics.duplicates.inc_by(counts.duplicates);
        metrics.neutral.inc_by(counts.neutral);
        metrics.unknown_actions.inc_by(counts.unknown_actions);
        metrics.skipped.inc_by(counts.skipped);
        for (reason, count) in Reason::ALL.into_iter().zip(counts.dead_letters) {
            metrics.dead_letter(reason).inc_by(count);
        }
        if let Some(oldest) = oldest_ms {
            metrics.latency_seconds.observe((self.setup.world.wall_ms() - oldest).max(0) as f64 / 1e3);
        }
        let add = |to: &AtomicU64, count| to.fetch_add(count, Ordering::Relaxed);
        add(&progress.applied, counts.applied);
        add(&progress.neutral, counts.neutral);
        add(&progress.features, counts.features);
        add(&progress.examples, counts.examples);
        add(&progress.dead_letters, counts.dead_letters.iter().sum());
        add(&progress.duplicates, counts.duplicates);
        if rejections.total() > 0 {
            progress.rejections.lock().unwrap_or_else(PoisonError::into_inner).merge(rejections);
        }
        add(&progress.commits, 1);
        progress.commit_us.store(took.as_micros() as u64, Ordering::Relaxed);
        self.show_offsets();
    }

    fn show_offsets(&self) {
        let offsets =
            self.partitions.iter().map(|(number, partition)| (*number, partition.store.next_offset()));
        *self.setup.progress.next_offsets.lock().unwrap_or_else(PoisonError::into_inner) = offsets.collect();
    }

    /// The lag, which asks the source about every partition, and what stands in the way, once in a while
    /// only.
    fn show_lag(&mut self) -> Result<()> {
        let now = self.setup.world.now();
        if self.lag_at.is_some_and(|at| now.saturating_sub(at) < LAG) {
            return Ok(());
        }
        self.lag_at = Some(now);
        let behind = |(number, partition): (&i32, &Partition)| {
            self.source.known_end(*number).map_or(0, |end| (end - partition.position).max(0))
        };
        let lag: i64 = self.partitions.iter().map(behind).sum();
        self.setup.metrics.lag.set(lag);
        self.setup.progress.lag.store(lag as u64, Ordering::Relaxed);
        self.look()
    }

    fn show(&self) {
        // A replay ends with the commit after its last record: from then on users are looked up here.
        let caught_up = |partition: &Partition| {
            partition.started && partition.store.next_offset() >= partition.mute_until
        };
        let waits = !self.setup.progress.waits().is_empty();
        let ready = !waits
            && !self.assigned.is_empty()
            && self.assigned.iter().all(|number| self.partitions.get(number).is_some_and(caught_up));
        let cached: usize = self.partitions.values().map(|partition| partition.store.cached_bytes()).sum();
        let (metrics, progress) = (&self.setup.metrics, &self.setup.progress);
        metrics.partitions.set(self.partitions.len() as i64);
        metrics.cache_bytes.set(cached as i64);
        metrics.ready.set(i64::from(ready));
        progress.ready.store(ready, Ordering::Relaxed);
    }
}
