//! Who is told how far a study is.

use crate::fit::{Progress, Run, Watch};
use crate::split::CaseSet;

/// Who watches a study: its fits step by step, and what is asked.
pub trait Watcher: Watch {
    /// The fit of a model begins in this folder, or goes on from `progress`.
    fn fit_begins(&mut self, _model: &str, _run: &Run, _progress: &Progress) {}

    /// It came to its end, was stopped, or failed.
    fn fit_ends(&mut self) {}

    /// A model with a seed was asked `done` of the `cases` of a set: none when it begins, all in the end.
    fn asked(&mut self, _model: &str, _seed: u64, _set: CaseSet, _done: usize, _cases: usize) {}

    /// It was asked to stop, and did at this model with this seed.
    fn stopped(&mut self, _model: &str, _seed: u64) {}
}
