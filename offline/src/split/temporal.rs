//! O2: a global temporal split ("Time to Split", arXiv 2507.16289).
//!
//! With the n times sorted, the test begins at the time at index ⌊0.9 n⌋: every event at that time
//! or later is held out. Within the events before it the validation begins in the same way. What is
//! before that is the training part, of all users.

use super::future::LEAST_FUTURE_EVENTS;
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
    for (user, events) in split.data.events.iter().enumerate() {
        let before = |from| events.partition_point(|event: &Event| event.ts_ms < from);
        let (validation_at, test_at, count) = (before(validation_from), before(test_from), events.len());
        let case = |at: usize| Case { user: user as u32, at: at as u32 };
        split.train_len[user] = validation_at as u32;
        if test_at > validation_at.max(1) {
            split.validation.push(case(test_at - 1));
        }
        if count == test_at {
            continue;
        }
        if count < 2 {
            split.without_history += 1;
            continue;
        }
        split.test.push(case(count - 1));
        let first = test_at.max(1);
        split.successive.extend((first..count).map(case));
        if count - first >= LEAST_FUTURE_EVENTS {
            split.adaptation.push(case(first));
        }
    }
    Ok(())
}

/// The time at index ⌊0.9 n⌋ of the sorted times; `times` is not empty.
fn threshold(times: &[i64]) -> i64 {
    times[((times.len() as f64 * QUANTILE) as usize).min(times.len() - 1)]
}
