//! What other threads may see of the loop.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::prequential::Means;

/// Shared progress; [`Progress::view`] is a consistent copy.
#[derive(Debug, Default)]
pub struct Progress(Mutex<View>);

/// How far the loop is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Examples learnt from, over all runs.
    pub examples: u64,
    /// Of those, what the version had learnt from that this run went on from; 0 where there was none.
    pub learnt_before: u64,
    /// Optimizer steps, over all runs.
    pub step: u64,
    /// Mean cross-entropy of the newest batch before learning from it, nats.
    pub loss: f64,
    /// The evaluation over the newest examples.
    pub rolling: Means,
    /// The evaluation over all examples.
    pub overall: Means,
    /// Items that the model knows.
    pub items: u64,
    /// Records behind the log's end; none while an end is not known, or a partition not yet read.
    pub lag: Option<u64>,
    /// Records that were no training example, in this run.
    pub bad_examples: u64,
    /// Whether journalled batches are being learnt again.
    pub replaying: bool,
    /// Next offset per partition: all before it was learnt from.
    pub positions: BTreeMap<i32, i64>,
    /// Newest published version; 0 before the first.
    pub snapshot_version: u64,
    /// When it was published, epoch milliseconds; 0 before the first.
    pub snapshot_ms: i64,
    /// Next offset per partition in the newest version.
    pub snapshot_offsets: BTreeMap<i32, i64>,
}

impl Progress {
    /// A copy of the newest state.
    pub fn view(&self) -> View {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        // The view is plain data: a panic elsewhere leaves nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
