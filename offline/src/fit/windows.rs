//! How an epoch cuts histories into what a step reads.
//!
//! Each user's events are cut into runs of one length at most from a random phase, so that every
//! event but the first is foretold once an epoch, from another stretch of its past each time.
//! Batches hold runs of similar length, so that little is padded, in a random order.

use hmisr_model::random::SplitMix;

use crate::split::Split;

/// A run of one user's training events, each of which foretells the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) user: u32,
    /// First event that is read.
    pub(super) start: usize,
    /// One past the last event that is read; the event at `end` is its target.
    pub(super) end: usize,
}

/// Batches that are sorted by length together.
const POOL: usize = 32;

/// The batches of an epoch, of at most `events` events each, padding included; what a memory holds, or
/// what is recalled before a run, comes on top.
pub(super) fn batches(split: &Split, run: usize, events: usize, seed: u64) -> Vec<Vec<Window>> {
    let mut random = SplitMix::new(seed);
    let mut windows = Vec::new();
    for (user, train) in split.training() {
        let last = train.len() - 1;
        let mut start = 0;
        let mut end = 1 + random.below(run as u32) as usize;
        while start < last {
            end = end.min(last);
            windows.push(Window { user, start, end });
            start = end;
            end += run;
        }
    }
    shuffle(&mut windows, &mut random);
    let mut batches = Vec::new();
    for pool in windows.chunks_mut((events / run).max(1) * POOL) {
        pool.sort_by_key(|window| std::cmp::Reverse(window.end - window.start));
        let mut rest = &pool[..];
        while let Some(first) = rest.first() {
            let count = (events / (first.end - first.start)).clamp(1, rest.len());
            let (batch, left) = rest.split_at(count);
            batches.push(batch.to_vec());
            rest = left;
        }
    }
    shuffle(&mut batches, &mut random);
    batches
}

/// Fisher and Yates.
fn shuffle<T>(values: &mut [T], random: &mut SplitMix) {
    for at in (1..values.len()).rev() {
        values.swap(at, random.below(at as u32 + 1) as usize);
    }
}
