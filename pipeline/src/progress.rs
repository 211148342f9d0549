//! How far the job is, for other threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hmisr_stream::Waits;
use hmisr_stream::contract::Rejections;

/// Numbers that a status view reads while the engine runs; all of them count what is committed.
#[derive(Debug, Default)]
pub struct PipelineProgress {
    pub(crate) applied: AtomicU64,
    pub(crate) neutral: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    pub(crate) features: AtomicU64,
    pub(crate) examples: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commit_us: AtomicU64,
    pub(crate) lag: AtomicU64,
    pub(crate) ready: AtomicBool,
    pub(crate) duplicates: AtomicU64,
    pub(crate) rejections: Mutex<Rejections>,
    pub(crate) next_offsets: Mutex<BTreeMap<i32, i64>>,
    pub(crate) waits: Waits,
}

impl PipelineProgress {
    /// Events applied since the start of the process, without those replayed.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Of the events applied those that are no choice: of another action than a positive one, or of a
    /// negative weight.
    pub fn neutral(&self) -> u64 {
        self.neutral.load(Ordering::Relaxed)
    }

    /// Dead letters written.
    pub fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }

    /// Events left out as duplicates.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// The dead letters by reason, with an example of each.
    pub fn rejections(&self) -> Rejections {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Feature records written.
    pub fn features(&self) -> u64 {
        self.features.load(Ordering::Relaxed)
    }

    /// Training examples written.
    pub fn examples(&self) -> u64 {
        self.examples.load(Ordering::Relaxed)
    }

    /// Commits.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How long the last commit took.
    pub fn commit_time(&self) -> Duration {
        Duration::from_micros(self.commit_us.load(Ordering::Relaxed))
    }

    /// Input records that are not yet processed, over all owned partitions.
    pub fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// What stands in the way of reading every partition, in words; empty where nothing does.
    pub fn waits(&self) -> Vec<String> {
        self.waits.texts()
    }

    /// Whether all owned partitions have caught up with their committed offsets, every partition has an
    /// owner, and none is stuck.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The next input offset by partition, as committed by this process.
    pub fn next_offsets(&self) -> BTreeMap<i32, i64> {
        self.next_offsets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
