//! Weights of a log-linear model by maximum likelihood.
//!
//! The logarithm of softmax(Σ_s w_s φ_s) is concave in w. Its gradient is the target's φ less the mean of φ under
//! the model, its curvature the model's covariance of φ. With eight weights a step of Newton's costs a few of a
//! gradient's and needs no rate: to the greatest value of the quadratic model under w ≥ 0, found coordinate by
//! coordinate, and halved until the likelihood is no less than before.

use rayon::prelude::*;

/// Where the weights begin.
const START: f64 = 0.1;
/// λ of −λ/2·‖w‖², an example: what says nothing ends at 0, and what is always right at a number. Where a source
/// matters the covariance is a thousand times as great.
const RIDGE: f64 = 1e-3;
/// Weights below this are 0: they move no score by as much as .03, but cost each request their time.
const NEGLIGIBLE: f64 = 1e-3;
const STEPS: usize = 100;
const SWEEPS: usize = 1_000;
const HALVINGS: usize = 30;
/// Where weights change by less the search is at its end.
const TOLERANCE: f64 = 1e-5;

/// A case that weights are fitted to.
#[derive(Debug)]
pub struct Example {
    /// φ, `[sources, candidates]`.
    pub values: Vec<f32>,
    /// The target's place among the candidates.
    pub target: usize,
    /// Items that each other candidate stands for: more than 1 where not all are asked about.
    pub stands_for: f64,
}

/// The weights of `sources` under which the examples are the most likely. Without examples all are alike and sum
/// to 1.
pub fn fit(examples: &[Example], sources: usize) -> Vec<f32> {
    if examples.is_empty() {
        return vec![1.0 / sources as f32; sources];
    }
    let mut weights = vec![START; sources];
    let mut here = Point::of(examples, &weights);
    for _ in 0..STEPS {
        let target = here.greatest(&weights);
        let far = target.iter().zip(&weights).map(|(to, from)| (to - from).abs()).fold(0.0, f64::max);
        if far < TOLERANCE {
            break;
        }
        let Some((better, there)) = here.towards(examples, &weights, &target) else { break };
        (weights, here) = (better, there);
    }
    weights.into_iter().map(|weight| if weight < NEGLIGIBLE { 0.0 } else { weight as f32 }).collect()
}

/// The likelihood at some weights: a mean over examples, less the ridge.
pub(super) struct Point {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// `[sources, sources]`, positive definite: minus the second derivative.
    pub(super) curvature: Vec<f64>,
}

impl Point {
    fn of(examples: &[Example], weights: &[f64]) -> Self {
        let sources = weights.len();
        let each: Vec<Self> = examples.par_iter().map(|example| example.likelihood(weights)).collect();
        let mut sum =
            Self { value: 0.0, gradient: vec![0.0; sources], curvature: vec![0.0; sources * sources] };
        // One after the other: the sum must not depend on the number of threads.
        for one in &each {
            sum.value += one.value;
            sum.gradient.iter_mut().zip(&one.gradient).for_each(|(sum, one)| *sum += one);
            sum.curvature.iter_mut().zip(&one.curvature).for_each(|(sum, one)| *sum += one);
        }
        let count = examples.len() as f64;
        sum.value =
            sum.value / count - RIDGE / 2.0 * weights.iter().map(|weight| weight * weight).sum::<f64>();
        sum.gradient.iter_mut().zip(weights).for_each(|(sum, weight)| *sum = *sum / count - RIDGE * weight);
        sum.curvature.iter_mut().for_each(|sum| *sum /= count);
        (0..sources).for_each(|at| sum.curvature[at * sources + at] += RIDGE);
        sum
    }

    /// The weights, none below 0, at which this point's quadratic model is greatest.
    pub(super) fn greatest(&self, weights: &[f64]) -> Vec<f64> {
        let sources = weights.len();
        let mut found = weights.to_vec();
        for _ in 0..SWEEPS {
            let mut far = 0.0_f64;
            for at in 0..sources {
                let row = &self.curvature[at * sources..(at + 1) * sources];
                let moved = found.iter().zip(weights).map(|(to, from)| to - from);
                let slope =
                    self.gradient[at] - row.iter().zip(moved).map(|(one, other)| one * other).sum::<f64>();
                let to = (found[at] + slope / row[at]).max(0.0);
                far = far.max((to - found[at]).abs());
                found[at] = to;
            }
            if far < TOLERANCE / 100.0 {
                break;
            }
        }
        found
    }

    /// The first of all the way, half of it, … to the target that is no worse than here; none where none is.
    fn towards(&self, examples: &[Example], weights: &[f64], target: &[f64]) -> Option<(Vec<f64>, Self)> {
        let mut share = 1.0_f64;
        for _ in 0..HALVINGS {
            let between = |(from, to): (&f64, &f64)| from + share * (to - from);
            let weights: Vec<f64> = weights.iter().zip(target).map(between).collect();
            let there = Self::of(examples, &weights);
            if there.value >= self.value {
                return Some((weights, there));
            }
            share /= 2.0;
        }
        None
    }
}

impl Example {
    pub(super) fn likelihood(&self, weights: &[f64]) -> Point {
        let sources = weights.len();
        let candidates = self.values.len() / sources;
        let rows: Vec<&[f32]> = self.values.chunks_exact(candidates).collect();
        let mut shares = vec![0.0_f64; candidates];
        for (row, weight) in rows.iter().zip(weights) {
            shares.iter_mut().zip(*row).for_each(|(score, value)| *score += weight * f64::from(*value));
        }
        let many = self.stands_for.ln();
        shares
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| *at != self.target)
            .for_each(|(_, score)| *score += many);
        let greatest = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let own = shares[self.target] - greatest;
        shares.iter_mut().for_each(|score| *score = (*score - greatest).exp());
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        let mean =
            |row: &&[f32]| -> f64 { shares.iter().zip(*row).map(|(p, value)| p * f64::from(*value)).sum() };
        let means: Vec<f64> = rows.iter().map(mean).collect();
        let mut curvature = vec![0.0; sources * sources];
        for (at, row) in rows.iter().enumerate() {
            let weighted: Vec<f64> =
                shares.iter().zip(*row).map(|(p, value)| p * f64::from(*value)).collect();
            for (other, values) in rows.iter().enumerate().skip(at) {
                let product: f64 =
                    weighted.iter().zip(*values).map(|(one, value)| one * f64::from(*value)).sum();
                let covariance = product - means[at] * means[other];
                curvature[at * sources + other] = covariance;
                curvature[other * sources + at] = covariance;
            }
        }
        let gradient =
            rows.iter().zip(&means).map(|(row, mean)| f64::from(row[self.target]) - mean).collect();
        Point { value: own - sum.ln(), gradient, curvature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three candidates; the first source tells the target, the second all alike, the third another one.
    fn example(target: usize, told: usize) -> Example {
        let one = |at: usize| (0..3).map(move |candidate| if candidate == at { 1.0 } else { 0.0 });
        let values = one(told).chain([1.0; 3]).chain(one((target + 1) % 3)).collect();
        Example { values, target, stands_for: 1.0 }
    }

    #[test]
    fn a_weight_is_the_logarithm_of_the_odds() {
        // Right in three of four cases, else one of two others: e^w / (e^w + 2) = 3/4, so w = ln 6.
        let examples: Vec<Example> =
            (0..40).map(|at| example(at % 3, if at % 4 == 0 { (at + 2) % 3 } else { at % 3 })).collect();
        let found = fit(&examples, 3);
        assert!((f64::from(found[0]) - 6.0_f64.ln()).abs() < 0.02, "{found:?}");
        assert_eq!(found[1..], [0.0, 0.0], "what says nothing, and what says the contrary");
    }

    #[test]
    fn what_is_always_right_gets_a_number() {
        let examples: Vec<Example> = (0..9).map(|at| example(at % 3, at % 3)).collect();
        let found = fit(&examples, 3);
        assert!(found[0] > 3.0 && found[0] < 20.0, "{found:?}");
        assert_eq!(fit(&[], 4), [0.25; 4]);
    }
}
