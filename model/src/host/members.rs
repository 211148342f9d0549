//! Averages of each interest's own events: an event changes the sums of its own interest alone.

use rayon::prelude::*;

use crate::members::{HALF_LIVES, Members};
use crate::simd::vectorised;

const RATES: usize = HALF_LIVES.len();

/// A history's part of [`Members`].
struct History<'a> {
    owners: &'a [usize],
    /// The asked among its events, ascending.
    asked: Vec<usize>,
    span: usize,
    interests: usize,
    d: usize,
    /// 2^(−a/h) of ages below the span.
    fading: &'a [[f32; RATES]],
}

/// How many members an interest has had in the history, and of those that are seen their number and weights.
#[derive(Clone, Copy, Default)]
struct Seen {
    ever: usize,
    now: usize,
    weights: [f32; RATES],
}

/// What an event changes.
struct Step {
    owner: usize,
    /// Whose event is no longer seen, which, and its weights; none where its interest has no other.
    out: Option<(usize, usize, [f32; RATES])>,
    /// The interest that is left without events.
    emptied: Option<usize>,
}

impl<'a> History<'a> {
    fn all(members: &'a Members, fading: &'a [[f32; RATES]], d: usize) -> Vec<Self> {
        let each = |(nth, asked): (usize, std::ops::Range<usize>)| {
            let first = nth * members.windows.len;
            Self {
                owners: &members.owners[first..first + members.windows.len],
                asked: members.windows.asked[asked].iter().map(|position| position - first).collect(),
                span: members.windows.span,
                interests: members.interests,
                d,
                fading,
            }
        };
        members.windows.of_histories().enumerate().map(each).collect()
    }

    /// The events up to the last that is asked: what each changes, and how the interests stand then, `[events, K]`.
    fn walk(&self) -> (Vec<Step>, Vec<Seen>) {
        let walked = self.asked.last().map_or(0, |last| last + 1);
        let mut seen = vec![Seen::default(); self.interests];
        // Which of its interest's members an event is.
        let mut places = Vec::with_capacity(walked);
        let mut steps = Vec::with_capacity(walked);
        let mut stood = Vec::with_capacity(walked * self.interests);
        for (at, &owner) in self.owners[..walked].iter().enumerate() {
            let own = &mut seen[owner];
            places.push(own.ever);
            own.ever += 1;
            own.now += 1;
            for (weight, fading) in own.weights.iter_mut().zip(self.fading[1]) {
                *weight = *weight * fading + 1.0;
            }
            let (mut out, mut emptied) = (None, None);
            if let Some(old) = at.checked_sub(self.span) {
                let owner = self.owners[old];
                let own = &mut seen[owner];
                own.now -= 1;
                if own.now == 0 {
                    own.weights = [0.0; RATES];
                    emptied = Some(owner);
                } else {
                    let weights = self.fading[own.ever - 1 - places[old]];
                    for (weight, lost) in own.weights.iter_mut().zip(weights) {
                        *weight -= lost;
                    }
                    out = Some((owner, old, weights));
                }
            }
            steps.push(Step { owner, out, emptied });
            stood.extend_from_slice(&seen);
        }
        (steps, stood)
    }

    #[inline(always)]
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let (d, each) = (self.d, RATES * self.d);
        let mut output = Vec::with_capacity(self.asked.len() * self.interests * each);
        let mut sums = vec![0.0; self.interests * each];
        let mut asked = self.asked.iter().peekable();
        let (steps, stood) = self.walk();
        for (at, (step, seen)) in steps.into_iter().zip(stood.chunks_exact(self.interests)).enumerate() {
            for (rate, sum) in of(&mut sums, step.owner, each).chunks_exact_mut(d).enumerate() {
                let keep = self.fading[1][rate];
                sum.iter_mut().zip(event(x, at, d)).for_each(|(sum, x)| *sum = keep * *sum + x);
            }
            if let Some((owner, old, weights)) = step.out {
                for (sum, weight) in of(&mut sums, owner, each).chunks_exact_mut(d).zip(weights) {
                    sum.iter_mut().zip(event(x, old, d)).for_each(|(sum, x)| *sum -= weight * x);
                }
            }
            if let Some(owner) = step.emptied {
                of(&mut sums, owner, each).fill(0.0);
            }
            if asked.next_if_eq(&&at).is_none() {
                continue;
            }
            for (sums, seen) in sums.chunks_exact(each).zip(seen) {
                for (sum, weight) in sums.chunks_exact(d).zip(seen.weights) {
                    let share = if seen.now > 0 { 1.0 / weight } else { 0.0 };
                    output.extend(sum.iter().map(|sum| sum * share));
                }
            }
        }
        output
    }

    /// Adds the gradient by its events to `by_x`.
    #[inline(always)]
    fn backward(&self, by_output: &[f32], by_x: &mut [f32]) {
        let (d, each) = (self.d, RATES * self.d);
        // The gradients by the sums, carried back.
        let mut by = vec![0.0; self.interests * each];
        let rows = by_output.chunks_exact((self.interests * each).max(1));
        let mut asked = self.asked.iter().zip(rows).rev().peekable();
        let (steps, stood) = self.walk();
        for (at, (step, seen)) in steps.into_iter().zip(stood.chunks_exact(self.interests)).enumerate().rev()
        {
            if let Some((_, by_output)) = asked.next_if(|(asked, _)| **asked == at) {
                let interests = by.chunks_exact_mut(each).zip(by_output.chunks_exact(each)).zip(seen);
                for ((by, by_output), seen) in interests.filter(|(_, seen)| seen.now > 0) {
                    let rates = by.chunks_exact_mut(d).zip(by_output.chunks_exact(d)).zip(seen.weights);
                    for ((by, by_output), weight) in rates {
                        let share = 1.0 / weight;
                        by.iter_mut().zip(by_output).for_each(|(by, value)| *by += share * value);
                    }
                }
            }
            if let Some(owner) = step.emptied {
                of(&mut by, owner, each).fill(0.0);
            }
            if let Some((owner, old, weights)) = step.out {
                let by_old = &mut by_x[old * d..(old + 1) * d];
                for (by, weight) in of(&mut by, owner, each).chunks_exact(d).zip(weights) {
                    by_old.iter_mut().zip(by).for_each(|(by_x, by)| *by_x -= weight * by);
                }
            }
            let by_event = &mut by_x[at * d..(at + 1) * d];
            for (rate, by) in of(&mut by, step.owner, each).chunks_exact_mut(d).enumerate() {
                by_event.iter_mut().zip(&*by).for_each(|(by_x, by)| *by_x += by);
                by.iter_mut().for_each(|by| *by *= self.fading[1][rate]);
            }
        }
    }
}

fn of(values: &mut [f32], interest: usize, each: usize) -> &mut [f32] {
    &mut values[interest * each..(interest + 1) * each]
}

fn event(x: &[f32], at: usize, d: usize) -> &[f32] {
    &x[at * d..(at + 1) * d]
}

/// 2^(−a/h) of every age that a member can have.
fn fading(members: &Members) -> Vec<[f32; RATES]> {
    let ages = members.windows.span.min(members.windows.len).max(1);
    (0..=ages).map(|age| HALF_LIVES.map(|half_life| (-(age as f32) / half_life).exp2())).collect()
}

/// See [`Fused::members`](crate::fused::Fused::members); `x` is `[count · len, d]`.
pub(super) fn forward(x: &[f32], members: &Members, d: usize) -> Vec<f32> {
    let fading = fading(members);
    let histories = History::all(members, &fading, d);
    let each = histories.par_iter().zip(x.par_chunks_exact((members.windows.len * d).max(1)));
    let parts: Vec<Vec<f32>> = each
        .map(|(history, x)| {
            vectorised(
                #[inline(always)]
                || history.forward(x),
            )
        })
        .collect();
    parts.concat()
}

/// The gradient by `x`.
pub(super) fn backward(by_output: &[f32], members: &Members, d: usize) -> Vec<f32> {
    let mut by_x = vec![0.0; members.windows.count * members.windows.len * d];
    let fading = fading(members);
    let histories = History::all(members, &fading, d);
    let ranges: Vec<_> = members.windows.of_histories().collect();
    let columns = members.columns(d);
    let each =
        histories.par_iter().zip(by_x.par_chunks_exact_mut((members.windows.len * d).max(1))).zip(&ranges);
    each.for_each(|((history, by_x), asked)| {
        let by_output = &by_output[asked.start * columns..asked.end * columns];
        vectorised(
            #[inline(always)]
            || history.backward(by_output, by_x),
        );
    });
    by_x
}
