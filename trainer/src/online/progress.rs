//! What other threads may see of the loop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hmisr_model::hmisr::Stage;
use hmisr_stream::{Source, Waits};

use crate::Metrics;

use crate::prequential::Means;

/// Shared progress; [`Progress::view`] is a consistent copy.
#[derive(Debug, Default)]
pub struct Progress {
    view: Mutex<View>,
    /// What keeps the loop from reading all examples.
    pub waits: Waits,
}

/// How far the loop is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Examples learnt from, once each, over all runs.
    pub examples: u64,
    /// Of those, what the version had learnt from that this run went on from; 0 where there was none.
    pub learnt_before: u64,
    /// Examples learnt from in this run, in each pass of a first lesson.
    pub taken: u64,
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
    /// The pass of the first lesson that is under way.
    pub lesson: Option<Pass>,
    /// Next offset per partition: all before it was learnt from.
    pub positions: BTreeMap<i32, i64>,
    /// Newest published version; 0 before the first.
    pub snapshot_version: u64,
    /// When it was published, epoch milliseconds; 0 before the first.
    pub snapshot_ms: i64,
    /// Next offset per partition in the newest version.
    pub snapshot_offsets: BTreeMap<i32, i64>,
}

/// A pass of the first lesson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    /// Which, from 1.
    pub number: usize,
    /// Passes in all.
    pub of: usize,
    /// What it learns.
    pub stage: Stage,
    /// Share of it that is done, 0 to 1.
    pub share: f64,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, of, share, .. } = self;
        write!(f, "first lesson, pass {number} of {of}, {:.0} %", share * 100.0)
    }
}

impl Progress {
    /// A copy of the newest state.
    pub fn view(&self) -> View {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.lock());
    }

    /// Tells how far the loop is from reading all of its topic, of which it has `here` partitions.
    pub(super) fn look<S: Source>(&self, source: &S, here: usize, metrics: &Metrics) {
        let (condition, topic) = (source.condition(), source.topic());
        let missing = i64::from(topic.partitions) - here as i64;
        metrics.missing_partitions.set(missing);
        metrics.silent_seconds.set(condition.silent_seconds());
        let mut waits = condition.obstacles(&topic.name);
        if missing > 0 {
            let (name, all, group) = (&topic.name, topic.partitions, source.group_id());
            waits.push(format!(
                "{here} of {all} partitions of {name} are this trainer's: another member of the group {group} has the \
                 others, had them until a moment ago, or the group is being assigned"
            ));
        }
        self.waits.set(waits);
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        // The view is plain data: a panic elsewhere leaves nothing half done in it.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
