//! How much each source counts, learnt from the stream.
//!
//! One Newton step an example on the logarithm of softmax(Σ_s w_s φ_s), which is concave in w: w moves by H⁻¹g under
//! w ≥ 0, where g is the example's gradient and H the sum of the curvatures of those so far (the online Newton step
//! of Hazan, Agarwal and Kale, 2007). Older ones are forgotten, for the network gets better: the memory is a quarter
//! of all examples, [`MEMORY`] at most.

use super::SOURCES;
use super::likelihood::{Example, Point};

/// Examples that are remembered, at least and at most.
const MEMORY: (f64, f64) = (64.0, 4_096.0);
/// Curvature before the first example: about that of four examples of which a source knows something.
const PRIOR: f64 = 4.0;
/// Rows of the curvature.
const N: usize = SOURCES.len();

/// Weights of the sources, none below 0, and how sure they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    /// In the order of [`SOURCES`].
    pub(super) values: [f64; N],
    /// H, `[N, N]`.
    pub(super) curvature: [f64; N * N],
    pub(super) examples: u64,
}

impl Default for Weights {
    /// The network alone.
    fn default() -> Self {
        let mut weights = Self { values: [0.0; N], curvature: [0.0; N * N], examples: 0 };
        weights.values[0] = 1.0;
        (0..N).for_each(|at| weights.curvature[at * N + at] = PRIOR);
        weights
    }
}

impl Weights {
    /// The same, as unsure as before the first example.
    pub(super) fn unsure(&mut self) {
        *self = Self { values: self.values, ..Self::default() };
    }

    /// Learns from one example. What is not finite teaches nothing.
    pub(super) fn learn(&mut self, example: &Example) {
        let Point { gradient, mut curvature, .. } = example.likelihood(&self.values);
        if !gradient.iter().chain(&curvature).all(|value| value.is_finite()) {
            return;
        }
        self.examples += 1;
        let memory = (self.examples as f64 / 4.0).clamp(MEMORY.0, MEMORY.1);
        let kept = 1.0 - 1.0 / memory;
        curvature.iter_mut().zip(&self.curvature).for_each(|(new, old)| *new += kept * old);
        // Where a source has said nothing for long, what it is unsure of stays bounded.
        (0..N).for_each(|at| curvature[at * N + at] = curvature[at * N + at].max(PRIOR));
        let found = Point { value: 0.0, gradient, curvature: curvature.clone() }.greatest(&self.values);
        if found.iter().all(|weight| weight.is_finite()) {
            self.values.copy_from_slice(&found);
            self.curvature.copy_from_slice(&curvature);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two candidates; a source tells the target where `told` has it, and the contrary else.
    fn example(told: [bool; N]) -> Example {
        let values = told.iter().flat_map(|told| if *told { [2.0, 0.0] } else { [0.0, 2.0] }).collect();
        Example { values, target: 0, stands_for: 1.0 }
    }

    #[test]
    fn what_tells_most_gets_most_and_none_is_negative() {
        let mut weights = Weights::default();
        for nth in 0..4_000_u32 {
            // The network is right in one of two, popularity in three of four, categories never.
            let of = |every: u32| !nth.is_multiple_of(every);
            let mut told = [of(2); N];
            (told[1], told[4]) = (of(4), false);
            weights.learn(&example(told));
        }
        let found = weights.values;
        assert!(found.iter().all(|weight| *weight >= 0.0), "{found:?}");
        assert_eq!(found[4], 0.0, "{found:?}");
        // The odds are e^(2w): with 3/4, w = ln 3 / 2, and what is right by chance adds nothing.
        assert!((found[1] - 0.55).abs() < 0.1, "{found:?}");
        assert!(found[0] < 0.1, "{found:?}");
    }

    #[test]
    fn what_is_not_finite_teaches_nothing() {
        let mut weights = Weights::default();
        let mut odd = example([true; N]);
        odd.values[3] = f32::NAN;
        weights.learn(&odd);
        assert_eq!(weights, Weights::default());
        odd.values[3] = f32::MAX;
        weights.learn(&odd);
        assert!(weights.values.iter().all(|weight| weight.is_finite()));
    }
}
