//! The loop: poll, process, commit.
//!
//! The order of a commit is what makes the job exactly once:
//!
//! 1. begin a transaction, process records in the write-back cache, produce outputs;
//! 2. send the input offsets, commit the transaction;
//! 3. write state and offset in one `WriteBatch` per partition.
//!
//! A crash before 2 has ended leaves nothing. A crash between 2 and 3 leaves the store behind;
//! the next start replays that gap with outputs muted ([`crate::recovery`]). Whenever the fate
//! of a transaction is not known, everything in memory goes and the partitions start as after a
//! crash.
//!
//! One thread owns source, sink and stores. With 1,000 partitions, instances of one group share
//! them; an instance commits all of its partitions in one transaction.

mod output;
mod partitions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmisr_features::FeatureSettings;
use hmisr_state::{PartitionStore, Resources, StateSettings};
use hmisr_stream::contract::{Reason, topic};
use hmisr_stream::{Limits, Polled, Record, Sink, Source};

use self::output::{Batch, Output, OutputPartitions, outgoing_features};
use crate::processor::Processor;
use crate::{Error, PipelineMetrics, PipelineProgress, PipelineSettings, Result, StateDirectory};

/// How long a poll waits for records, at most; also how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(50);

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
}

/// The exactly-once engine over a source and a transactional sink.
pub struct Engine<S, K> {
    setup: Setup,
    processor: Processor,
    resources: Resources,
    source: S,
    sink: K,
    outputs: OutputPartitions,
    assigned: BTreeSet<i32>,
    partitions: BTreeMap<i32, Partition>,
    /// Since when an assigned partition could not be started.
    waiting_since: Option<Instant>,
    batch: Batch,
    failed_commits: u32,
}

struct Partition {
    store: PartitionStore,
    /// Whether position and store agree; if not, it must be started (again).
    started: bool,
    /// The next offset to process.
    position: i64,
    /// Outputs of records before this offset are already written.
    mute_until: i64,
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
    pub fn new(setup: Setup, source: S, mut sink: K) -> Result<Self> {
        setup.features.validate().map_err(|error| Error::refused(error.to_string()))?;
        setup.pipeline.validate().map_err(Error::refused)?;
        setup.state.validate().map_err(Error::refused)?;
        let mut partitions = |topic: &str| {
            sink.partitions(topic)?.ok_or_else(|| {
                Error::refused(format!(
                    "topic `{topic}` does not exist; create it with `hmisr topics create`"
                ))
            })
        };
        let outputs = OutputPartitions {
            features: partitions(topic::USER_FEATURES)?,
            examples: partitions(topic::TRAINING_EXAMPLES)?,
            dead_letters: partitions(topic::DEAD_LETTERS)?,
        };
        Ok(Self {
            processor: Processor::new(setup.features.clone(), setup.pipeline.clone()),
            resources: Resources::new(setup.state.clone()),
            setup,
            source,
            sink,
            outputs,
            assigned: BTreeSet::new(),
            partitions: BTreeMap::new(),
            waiting_since: None,
            batch: Batch::default(),
            failed_commits: 0,
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
            if let Err(error) = self.turn() {
                self.recover(error, stop, &mut new_sink)?;
            }
        }
        self.commit()
    }

    fn turn(&mut self) -> Result<()> {
        let limits =
            Limits { records: self.setup.pipeline.batch_records, bytes: self.setup.pipeline.batch_bytes };
        let wait = self.due_in().min(POLL);
        match self.source.poll(limits, wait)? {
            Polled::Records(records) => self.process(&records)?,
            Polled::Assigned(partitions) => self.assigned.extend(partitions),
            Polled::Revoked(partitions) => self.release(&partitions)?,
        }
        self.start_waiting()?;
        let dirty: usize = self.partitions.values().map(|partition| partition.store.dirty_bytes()).sum();
        let full = self.batch.counts.records >= self.setup.pipeline.commit_records as u64
            || self.batch.bytes >= self.setup.pipeline.commit_bytes
            || dirty >= self.setup.state.cache_bytes / 2;
        if full || self.due_in().is_zero() {
            self.commit()?;
        }
        self.show();
        Ok(())
    }

    /// Time until the next commit is due; long where nothing is uncommitted.
    fn due_in(&self) -> Duration {
        let interval = Duration::from_millis(self.setup.pipeline.commit_interval_ms);
        self.batch.since.map_or(Duration::MAX, |since| interval.saturating_sub(since.elapsed()))
    }

    fn process(&mut self, records: &[Record]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.setup.metrics.batch_records.observe(records.len() as f64);
        self.batch.since.get_or_insert_with(Instant::now);
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
            let unmuted = records.last().is_some_and(|record| record.offset >= partition.mute_until);
            if unmuted && !self.batch.open {
                self.sink.begin()?;
                self.batch.open = true;
            }
            let mut output = Output {
                sink: &mut self.sink,
                partitions: &self.outputs,
                topic: &self.source.topic().name,
                emit: self.setup.pipeline.emit,
                batch: &mut self.batch,
            };
            let mute_until = partition.mute_until;
            self.processor.apply_all(
                &mut partition.store,
                number,
                records.iter().copied(),
                |record, outcome| output.take(record, outcome, record.offset < mute_until),
            )?;
            if let Some(last) = records.last() {
                partition.position = last.offset + 1;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.batch.since.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        if self.batch.open {
            let mut newest: Vec<_> = self.batch.newest.drain().collect();
            newest.sort_by_key(|(_, record)| (record.partition, record.offset));
            for (_, record) in newest {
                self.sink.produce(outgoing_features(&record, self.outputs.features))?;
            }
            let offsets: Vec<(i32, i64)> = self
                .partitions
                .iter()
                .filter(|(_, partition)| partition.started && partition.position > partition.mute_until)
                .map(|(number, partition)| (*number, partition.position))
                .collect();
            self.sink.send_offsets(&self.source.group(), &self.source.topic().name, &offsets)?;
            self.sink.commit()?;
            self.failed_commits = 0;
        }
        let cache_limit = self.setup.state.cache_bytes / self.partitions.len().max(1);
        let mut written = 0;
        // One that waits to be started holds what was dropped: neither its offset nor its state counts.
        for partition in self.partitions.values_mut().filter(|partition| partition.started) {
            if partition.position > partition.store.next_offset() {
                written += partition.store.commit(partition.position, cache_limit)?.bytes;
            }
        }
        self.committed(began, written);
        Ok(())
    }

    fn committed(&mut self, began: Instant, written: usize) {
        let Batch { oldest_ms, counts, .. } = std::mem::take(&mut self.batch);
        let (metrics, progress) = (&self.setup.metrics, &self.setup.progress);
        let took = began.elapsed();
        metrics.commit_seconds.observe(took.as_secs_f64());
        metrics.commit_records.observe(counts.records as f64);
        metrics.state_bytes_written.inc_by(written as u64);
        metrics.events.inc_by(counts.applied);
        metrics.replayed.inc_by(counts.replayed);
        metrics.features.inc_by(counts.features);
        metrics.examples.inc_by(counts.examples);
        metrics.forgotten.inc_by(counts.forgotten);
        metrics.unknown_actions.inc_by(counts.unknown_actions);
        for (reason, count) in Reason::ALL.into_iter().zip(counts.dead_letters) {
            metrics.dead_letter(reason).inc_by(count);
        }
        if let Some(oldest) = oldest_ms {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            metrics.latency_seconds.observe((now as f64 - oldest as f64).max(0.0) / 1e3);
        }
        let add = |to: &AtomicU64, count| to.fetch_add(count, Ordering::Relaxed);
        add(&progress.applied, counts.applied);
        add(&progress.features, counts.features);
        add(&progress.examples, counts.examples);
        add(&progress.dead_letters, counts.dead_letters.iter().sum());
        add(&progress.commits, 1);
        progress.commit_us.store(took.as_micros() as u64, Ordering::Relaxed);
        self.show_offsets();
    }

    fn show_offsets(&self) {
        let offsets =
            self.partitions.iter().map(|(number, partition)| (*number, partition.store.next_offset()));
        *self.setup.progress.next_offsets.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            offsets.collect();
    }

    fn show(&self) {
        let behind = |(number, partition): (&i32, &Partition)| {
            self.source.known_end(*number).map_or(0, |end| (end - partition.position).max(0))
        };
        let lag: i64 = self.partitions.iter().map(behind).sum();
        let caught_up =
            |partition: &Partition| partition.started && partition.position >= partition.mute_until;
        let ready = !self.assigned.is_empty()
            && self.assigned.iter().all(|number| self.partitions.get(number).is_some_and(caught_up));
        let cached: usize = self.partitions.values().map(|partition| partition.store.cached_bytes()).sum();
        let (metrics, progress) = (&self.setup.metrics, &self.setup.progress);
        metrics.lag.set(lag);
        metrics.partitions.set(self.partitions.len() as i64);
        metrics.cache_bytes.set(cached as i64);
        metrics.ready.set(i64::from(ready));
        progress.lag.store(lag as u64, Ordering::Relaxed);
        progress.ready.store(ready, Ordering::Relaxed);
    }
}
