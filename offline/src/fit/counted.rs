//! What a version of a fit counts beside its network.

use hmisr_model::backend;
use hmisr_recommend::counts::{Counts, MOST_BYTES, REACH};

use super::learnt::Learnt;
use super::neural::Neural;
use super::run::Run;
use crate::error::{Error, Result};
use crate::split::{Case, Split};

/// Validation cases that tell what counts are worth, at most, evenly spaced.
const CASES: usize = 1_000;

/// Counts of the training part in the order of its times, as a stream would bring it, worth what the validation
/// cases tell beside the best weights of the run.
///
/// # Errors
/// As [`Neural::load`], and [`Error::Backend`].
pub(super) fn counted(run: &Run, split: &Split, learnt: &Learnt) -> Result<Counts> {
    let items = split.data.items.len();
    let mut targets: Vec<(i64, u32, usize)> = Vec::new();
    for (user, events) in split.training() {
        let chosen = events.iter().enumerate().filter(|(_, event)| learnt.is_target(event));
        targets.extend(chosen.map(|(at, event)| (event.ts_ms, user, at)));
    }
    // Stable: what a user did at once stays in its order.
    targets.sort_by_key(|(ts_ms, ..)| *ts_ms);
    let mut counts = Counts::default();
    for (_, user, at) in targets {
        let events = split.train(user);
        let before = events[..at].iter().rev().filter(|event| learnt.is_choice(event));
        let before: Vec<u32> = before.take(REACH).map(|event| event.item).collect();
        counts.count(events[at].item, &before, items, MOST_BYTES);
    }
    let every = split.validation.len().div_ceil(CASES).max(1);
    let mut cases: Vec<Case> = split.validation.iter().copied().step_by(every).collect();
    cases.sort_by_key(|case| split.target(*case).ts_ms);
    Neural::load(run, split, backend::device().map_err(Error::Backend)?)?.weighed(counts, &cases)
}
