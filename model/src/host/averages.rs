//! Exponential averages: the sums of a history are carried from one event to the next.

use rayon::prelude::*;

use crate::decay::{Decay, HALF_LIVES, RECALLED};
use crate::simd::{dot, vectorised};

const RATES: usize = HALF_LIVES.len();

/// A history's part of [`Decay`].
struct History<'a> {
    /// `[events, d]`.
    x: &'a [f32],
    elapsed: &'a [f32],
    /// The asked among its events, ascending.
    asked: Vec<usize>,
    powers: &'a [f32],
    span: usize,
    d: usize,
}

/// What is carried at a half-life: Σ ω x and Σ ω.
struct Sums {
    /// `[RATES, d]`.
    events: Vec<f32>,
    weights: [f32; RATES],
}

impl<'a> History<'a> {
    fn all(decay: &'a Decay, x: &'a [f32], powers: &'a [f32], d: usize) -> Vec<Self> {
        let each = |(nth, asked): (usize, std::ops::Range<usize>)| {
            let first = nth * decay.windows.len;
            Self {
                x: &x[first * d..(first + decay.windows.len) * d],
                elapsed: &decay.elapsed[first..first + decay.windows.len],
                asked: decay.windows.asked[asked].iter().map(|position| position - first).collect(),
                powers,
                span: decay.windows.span,
                d,
            }
        };
        decay.windows.of_histories().enumerate().map(each).collect()
    }

    fn event(&self, event: usize) -> &'a [f32] {
        &self.x[event * self.d..(event + 1) * self.d]
    }

    /// What the weights of the events before `at` are multiplied by there.
    #[inline(always)]
    fn fading(&self, rate: usize, at: usize) -> f32 {
        self.faded(rate, at - 1, at)
    }

    /// The weight of event `from` at event `at`.
    #[inline(always)]
    fn faded(&self, rate: usize, from: usize, at: usize) -> f32 {
        let by_events = (at - from) as f32 * std::f32::consts::LN_2 / HALF_LIVES[rate];
        (-by_events - self.powers[rate] * (self.elapsed[at] - self.elapsed[from])).exp()
    }

    /// The event that is no longer seen at `at`.
    fn fallen_out(&self, at: usize) -> Option<usize> {
        at.checked_sub(self.span)
    }

    /// The events up to the last that is asked.
    fn walked(&self) -> usize {
        self.asked.last().map_or(0, |last| last + 1)
    }

    #[inline(always)]
    fn advance(&self, sums: &mut Sums, at: usize) {
        let (d, x) = (self.d, self.event(at));
        for (rate, sum) in sums.events.chunks_exact_mut(d).enumerate() {
            let keep = if at > 0 { self.fading(rate, at) } else { 0.0 };
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum = keep * *sum + x);
            sums.weights[rate] = keep * sums.weights[rate] + 1.0;
            if let Some(old) = self.fallen_out(at) {
                let weight = self.faded(rate, old, at);
                sum.iter_mut().zip(self.event(old)).for_each(|(sum, x)| *sum -= weight * x);
                sums.weights[rate] -= weight;
            }
        }
    }

    #[inline(always)]
    fn forward(&self) -> Vec<f32> {
        let d = self.d;
        let mut output = Vec::with_capacity(self.asked.len() * RECALLED * d);
        let mut sums = Sums { events: vec![0.0; RATES * d], weights: [0.0; RATES] };
        let mut asked = self.asked.iter().peekable();
        for at in 0..self.walked() {
            self.advance(&mut sums, at);
            if asked.next_if_eq(&&at).is_none() {
                continue;
            }
            output.extend_from_slice(self.event(at));
            match at {
                0 => output.resize(output.len() + d, 0.0),
                _ => output.extend_from_slice(self.event(at - 1)),
            }
            for (sum, weight) in sums.events.chunks_exact(d).zip(sums.weights) {
                let share = 1.0 / weight;
                output.extend(sum.iter().map(|sum| sum * share));
            }
        }
        output
    }

    /// Adds the gradient by its events to `by_x`, and returns that by the powers.
    #[inline(always)]
    fn backward(&self, by_output: &[f32], by_x: &mut [f32]) -> [f32; RATES] {
        let (d, walked) = (self.d, self.walked());
        // The sums as they were after each event.
        let mut kept = vec![0.0; walked * RATES * d];
        let mut weights = Vec::with_capacity(walked);
        let mut sums = Sums { events: vec![0.0; RATES * d], weights: [0.0; RATES] };
        for (at, kept) in kept.chunks_exact_mut(RATES * d).enumerate() {
            self.advance(&mut sums, at);
            kept.copy_from_slice(&sums.events);
            weights.push(sums.weights);
        }
        // The gradients by the sums, carried back.
        let mut by = Sums { events: vec![0.0; RATES * d], weights: [0.0; RATES] };
        let mut by_powers = [0.0; RATES];
        let mut asked = self.asked.iter().zip(by_output.chunks_exact(RECALLED * d)).rev().peekable();
        for at in (0..walked).rev() {
            if let Some((_, by_output)) = asked.next_if(|(asked, _)| **asked == at) {
                let (newest, rest) = by_output.split_at(d);
                let (before, averages) = rest.split_at(d);
                add(&mut by_x[at * d..(at + 1) * d], newest);
                if at > 0 {
                    add(&mut by_x[(at - 1) * d..at * d], before);
                }
                let sums = kept[at * RATES * d..].chunks_exact(d);
                let parts = by.events.chunks_exact_mut(d).zip(averages.chunks_exact(d)).zip(sums);
                for (rate, ((by_sum, by_average), sum)) in parts.enumerate() {
                    let share = 1.0 / weights[at][rate];
                    by_sum.iter_mut().zip(by_average).for_each(|(by, value)| *by += share * value);
                    by.weights[rate] -= dot(by_average, sum) * share * share;
                }
            }
            for rate in 0..RATES {
                let by_sum = &mut by.events[rate * d..(rate + 1) * d];
                add(&mut by_x[at * d..(at + 1) * d], by_sum);
                if let Some(old) = self.fallen_out(at) {
                    let weight = self.faded(rate, old, at);
                    let along = dot(by_sum, self.event(old)) + by.weights[rate];
                    by_powers[rate] += weight * along * (self.elapsed[at] - self.elapsed[old]);
                    let by_old = &mut by_x[old * d..(old + 1) * d];
                    by_old.iter_mut().zip(&*by_sum).for_each(|(by, value)| *by -= weight * value);
                }
                if at > 0 {
                    let keep = self.fading(rate, at);
                    let before = &kept[((at - 1) * RATES + rate) * d..][..d];
                    let along = dot(by_sum, before) + by.weights[rate] * weights[at - 1][rate];
                    by_powers[rate] -= keep * along * (self.elapsed[at] - self.elapsed[at - 1]);
                    by_sum.iter_mut().for_each(|by| *by *= keep);
                    by.weights[rate] *= keep;
                }
            }
        }
        by_powers
    }
}

#[inline(always)]
fn add(to: &mut [f32], values: &[f32]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
}

/// See [`Fused::averages`](crate::fused::Fused::averages); `x` is `[count · len, d]`.
pub(super) fn forward(x: &[f32], powers: &[f32], decay: &Decay, d: usize) -> Vec<f32> {
    let histories = History::all(decay, x, powers, d);
    let parts: Vec<Vec<f32>> = histories
        .par_iter()
        .map(|history| {
            vectorised(
                #[inline(always)]
                || history.forward(),
            )
        })
        .collect();
    parts.concat()
}

/// Gradients by `x` and by the powers.
pub(super) fn backward(
    by_output: &[f32],
    x: &[f32],
    powers: &[f32],
    decay: &Decay,
    d: usize,
) -> [Vec<f32>; 2] {
    let mut by_x = vec![0.0; x.len()];
    let histories = History::all(decay, x, powers, d);
    let ranges: Vec<_> = decay.windows.of_histories().collect();
    let parts =
        histories.par_iter().zip(by_x.par_chunks_exact_mut((decay.windows.len * d).max(1))).zip(&ranges);
    let by_powers: Vec<[f32; RATES]> = parts
        .map(|((history, by_x), asked)| {
            let by_output = &by_output[asked.start * RECALLED * d..asked.end * RECALLED * d];
            vectorised(
                #[inline(always)]
                || history.backward(by_output, by_x),
            )
        })
        .collect();
    // In order, so that the number of threads changes nothing.
    let total = by_powers.iter().fold([0.0; RATES], |mut total, by| {
        add(&mut total, by);
        total
    });
    [by_x, total.to_vec()]
}
