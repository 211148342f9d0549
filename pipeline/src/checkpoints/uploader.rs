//! The thread that uploads checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmisr_state::{Condemned, Manifest, PartitionCheckpoints};

use super::CheckpointMetrics;
use crate::engine::{Point, World};
use crate::{Error, Result};

/// A local checkpoint to be uploaded, then removed.
pub(super) struct Job {
    pub(super) partition: i32,
    pub(super) checkpoints: PartitionCheckpoints,
    pub(super) folder: PathBuf,
    pub(super) next_offset: i64,
}

/// Uploads one checkpoint after another. The queue holds at most one a partition.
pub(super) struct Uploader {
    queue: Sender<(u64, Job)>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
    keep: usize,
    world: Arc<dyn World>,
    metrics: CheckpointMetrics,
}

#[derive(Default)]
struct State {
    under_way: BTreeSet<i32>,
    histories: BTreeMap<i32, History>,
    /// How many stores a partition has had: an upload of an earlier one knows nothing of the later.
    epochs: BTreeMap<i32, u64>,
    /// The engine is to end as if its process had died in an upload.
    dead: Option<Error>,
}

impl State {
    fn epoch(&self, partition: i32) -> u64 {
        self.epochs.get(&partition).copied().unwrap_or_default()
    }

    /// The history of this epoch's store; that of another one stays where it is.
    fn take_history(&mut self, partition: i32, epoch: u64) -> History {
        let own = self.epoch(partition) == epoch;
        own.then(|| self.histories.remove(&partition)).flatten().unwrap_or_default()
    }
}

/// What is known of a partition's checkpoints.
#[derive(Default)]
struct History {
    newest: Option<Manifest>,
    condemned: Condemned,
}

impl Uploader {
    pub(super) fn start(keep: usize, world: Arc<dyn World>, metrics: CheckpointMetrics) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            keep,
            world,
            metrics,
        });
        let (queue, jobs) = channel();
        let own = shared.clone();
        std::thread::Builder::new().name("checkpoints".into()).spawn(move || own.run(&jobs))?;
        Ok(Self { queue, shared })
    }

    /// The partition has another store now: `newest` is the checkpoint that it was restored from.
    pub(super) fn begin(&self, partition: i32, newest: Option<Manifest>) {
        let history = History { newest, condemned: Condemned::default() };
        let mut state = self.shared.lock();
        *state.epochs.entry(partition).or_default() += 1;
        state.histories.insert(partition, history);
    }

    pub(super) fn is_under_way(&self, partition: i32) -> bool {
        self.shared.lock().under_way.contains(&partition)
    }

    /// The offset of the partition's newest checkpoint that is published.
    pub(super) fn newest(&self, partition: i32) -> Option<i64> {
        let state = self.shared.lock();
        Some(state.histories.get(&partition)?.newest.as_ref()?.next_offset)
    }

    pub(super) fn add(&self, job: Job) {
        let mut state = self.shared.lock();
        let epoch = state.epoch(job.partition);
        state.under_way.insert(job.partition);
        drop(state);
        // Its thread ends only after this sender.
        let _ = self.queue.send((epoch, job));
    }

    /// Waits until nothing is under way for these partitions; answers false after `limit`.
    pub(super) fn wait(&self, partitions: &[i32], limit: Duration) -> bool {
        let busy = |state: &mut State| {
            state.dead.is_none() && partitions.iter().any(|partition| state.under_way.contains(partition))
        };
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), limit, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// # Errors
    /// Where the world ended an upload.
    pub(super) fn check(&self) -> Result<()> {
        self.shared.lock().dead.take().map_or(Ok(()), Err)
    }
}

impl Drop for Uploader {
    /// The thread ends after the file that it is at: what would follow is not ours to write.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, jobs: &Receiver<(u64, Job)>) {
        while let Ok((epoch, job)) = jobs.recv() {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let mut history = self.lock().take_history(job.partition, epoch);
            let began = Instant::now();
            match self.upload(&job, &mut history) {
                Ok(()) => self.metrics.seconds.observe(began.elapsed().as_secs_f64()),
                Err(Ended::Failed(_)) if self.stopped.load(Ordering::Relaxed) => {}
                Err(Ended::Failed(error)) => {
                    self.metrics.failures.inc();
                    tracing::warn!(partition = job.partition, %error, "a checkpoint failed; the next one is made as planned");
                }
                Err(Ended::Dead(error)) => {
                    self.lock().dead = Some(error);
                    self.changed.notify_all();
                    return;
                }
            }
            if self.stopped.load(Ordering::Relaxed) {
                // A successor may have made its own there.
                return;
            }
            let _ = std::fs::remove_dir_all(&job.folder);
            let mut state = self.lock();
            if state.epoch(job.partition) == epoch {
                state.histories.entry(job.partition).or_insert(history);
            }
            state.under_way.remove(&job.partition);
            self.changed.notify_all();
        }
    }

    fn upload(&self, job: &Job, history: &mut History) -> std::result::Result<(), Ended> {
        let reached = |point| self.world.reached(point).map_err(Ended::Dead);
        reached(Point::BeforeCheckpointUpload)?;
        let stopped = || self.stopped.load(Ordering::Relaxed);
        let uploaded =
            job.checkpoints.upload(&job.folder, job.next_offset, history.newest.as_ref(), stopped)?;
        self.metrics.bytes.inc_by(uploaded.bytes);
        reached(Point::AfterCheckpointUpload)?;
        if stopped() {
            return Ok(());
        }
        reached(Point::BeforeCheckpointRename)?;
        let is_newest = job.checkpoints.publish(&uploaded.manifest)?;
        reached(Point::AfterCheckpointRename)?;
        self.metrics.published.inc();
        tracing::debug!(
            partition = job.partition,
            offset = job.next_offset,
            bytes = uploaded.bytes,
            "checkpoint published"
        );
        history.newest = Some(uploaded.manifest);
        if is_newest {
            job.checkpoints.retain(self.keep, &mut history.condemned)?;
        } else {
            self.metrics.superseded.inc();
        }
        Ok(())
    }
}

enum Ended {
    Failed(hmisr_state::Error),
    Dead(Error),
}

impl From<hmisr_state::Error> for Ended {
    fn from(error: hmisr_state::Error) -> Self {
        Self::Failed(error)
    }
}
