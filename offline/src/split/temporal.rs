//! O2: a global temporal split ("Time to Split", arXiv 2507.16289).
//!
//! With the n times sorted, the test begins at the time at index ⌊0.9 n⌋: every event at that time
//! or later is held out. Within the events before it the validation begins in the same way. What is
//! before that is the training part, of all users.

use std::sync::Arc;

use super::future::FUTURE_EVENTS;
use super::{Case, Split};
use crate::data::Event;
use crate::error::{Error, Result};

/// The share of the events that is before each threshold.
pub const QUANTILE: f64 = 0.9;

pub(super) fn cut(split: &mut Split) -> Result<()> {
    let mut times: Vec<i64> = split.data.events.iter().flatten().map(|event| event.ts_ms).collect();
    times.sort_unstable();
    let test_from = threshold(&times);
    times.truncate(times.partition_point(|&ts| ts < test_from));
    if times.is_empty() {
        return Err(Error::Data {
            name: split.data.name.clone(),
            problem: "all events before the test share one time or there is none".to_owned(),
            remedy: "give events over a longer time, or use protocol o1".to_owned(),
        });
    }
    let validation_from = threshold(&times);
    split.thresholds_ms = Some([validation_from, test_from]);
    let data = Arc::clone(&split.data);
    for (user, events) in data.events.iter().enumerate() {
        let before = |from| events.partition_point(|event: &Event| event.ts_ms < from);
        let (validation_at, test_at, count) = (before(validation_from), before(test_from), events.len());
        let case = |at: usize| Case { user: user as u32, at: at as u32 };
        // What was chosen in a span, but for a first event: there is no history before it.
        let choices = |from: usize, to: usize| (from.max(1)..to).filter(|at| data.is_choice(&events[*at]));
        split.train_len[user] = validation_at as u32;
        split.validation.extend(choices(validation_at, test_at).next_back().map(case));
        if count > test_at && count < 2 {
            split.without_history += 1;
        }
        split.test.extend(choices(test_at, count).next_back().map(case));
        split.successive.extend(choices(test_at, count).map(case));
        if choices(test_at, count).count() >= FUTURE_EVENTS {
            split.adaptation.extend(choices(test_at, count).next().map(case));
        }
    }
    Ok(())
}

/// The time at index ⌊0.9 n⌋ of the sorted times; `times` is not empty.
fn threshold(times: &[i64]) -> i64 {
    times[((times.len() as f64 * QUANTILE) as usize).min(times.len() - 1)]
}
