//! What is known of users' wish for diversity beside their states (design, section 3.5 "The diversity score").
//!
//! The DiversityScore itself is no part of the network: it is foretold from the user's habits by whoever asks. Before
//! it was learnt, the design's fixed blend of a long-term, a middle and a short-term part stands in; its sigmoids are
//! moved to the middle of their inputs' range, since at 0 they would give at least 0.5 to everyone.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Inputs of the fixed blend.
const BLENDED: usize = 6;
/// The score of a user of whom nothing is foretold.
const UNTOLD: f32 = 0.5;

/// The user's long-term habits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Habits {
    /// Entropy of the categories in the window, over its maximum, 0 to 1.
    pub entropy: f32,
    /// Share of long-tail items in the window.
    pub tail: f32,
    /// Share of steps in the window that change the category.
    pub switching: f32,
    /// Distinct categories among the newest events, over their number.
    pub recent: f32,
    /// The DiversityScore, once it was learnt.
    pub score: Option<f32>,
}

/// What is known of users beside their states.
#[derive(Debug)]
pub(super) struct Features<B: Backend> {
    /// What the fixed blend reads: entropy, exploration, switching, mean distance of interests, spread of their
    /// masses, recent diversity, `[rows, 6]`.
    pub(super) blended: Tensor<B, 2>,
    /// The DiversityScore, 0.5 where it was not learnt, `[rows, 1]`.
    pub(super) diversity: Tensor<B, 2>,
}

/// Features of users with these habits, `interests` `[rows, K, d]` and their `mass` `[rows, K]`.
pub(super) fn features<B: Backend>(
    habits: &[Habits],
    interests: Tensor<B, 3>,
    mass: Tensor<B, 2>,
) -> Features<B> {
    let [rows, k, _] = interests.dims();
    let device = interests.device();
    let column = |pick: fn(&Habits) -> f32| -> Tensor<B, 2> {
        let values: Vec<f32> = habits.iter().map(pick).collect();
        Tensor::from_data(TensorData::new(values, [rows, 1]), &device)
    };
    let norms = interests.clone().square().sum_dim(2).add_scalar(1e-6).sqrt();
    let unit = interests / norms;
    let cosines: Tensor<B, 2> =
        unit.clone().matmul(unit.transpose()).sum_dim(2).sum_dim(1).reshape([rows, 1]);
    // The sum of all pairs holds each pair twice and K ones.
    let pairs = (k * (k.max(2) - 1)) as f32;
    // One interest is at no distance from itself.
    let alone = if k == 1 { 0.0 } else { 1.0 };
    let distance = cosines.sub_scalar(k as f32).div_scalar(pairs).neg().add_scalar(1.0).mul_scalar(alone);
    let spread = mass.sub_scalar(1.0 / k as f32).square().mean_dim(1).sqrt();
    Features {
        diversity: column(|habits| habits.score.unwrap_or(UNTOLD)),
        blended: Tensor::cat(
            vec![
                column(|habits| habits.entropy),
                column(|habits| habits.tail),
                column(|habits| habits.switching),
                distance,
                spread,
                column(|habits| habits.recent),
            ],
            1,
        ),
    }
}

/// The fixed blend 0.3·long + 0.5·middle + 0.2·short, for networks that have not learned the
/// score, of entropy, exploration, switching, distance and spread of the interests, recent diversity.
pub fn blend(features: [f32; BLENDED]) -> f32 {
    let [entropy, tail, switching, distance, spread, recent] = features;
    let centred = |mean: f32| 1.0 / (1.0 + (-6.0 * (mean - 0.5)).exp());
    let long = centred((entropy + tail + switching) / 3.0);
    let middle = centred((distance.clamp(0.0, 1.0) + (1.0 - spread).clamp(0.0, 1.0)) / 2.0);
    (0.3 * long + 0.5 * middle + 0.2 * centred(recent)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};

    #[test]
    fn features_measure_distance_and_spread() {
        let device = backend::device().unwrap();
        let interests =
            Tensor::<Inner, 3>::from_floats([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]], &device);
        let mass = Tensor::from_floats([[0.5, 0.5], [1.0, 0.0]], &device);
        let untold = Habits { entropy: 0.3, tail: 0.2, switching: 0.1, recent: 0.9, score: None };
        let features = features(&[untold, Habits { score: Some(0.7), ..untold }], interests, mass);
        assert_eq!(features.diversity.into_data().to_vec::<f32>().unwrap(), [0.5, 0.7]);
        let rows: Vec<f32> = features.blended.into_data().to_vec().unwrap();
        for (found, expected) in rows.iter().zip([0.3, 0.2, 0.1, 1.0, 0.0, 0.9, 0.3, 0.2, 0.1, 0.0, 0.5, 0.9])
        {
            assert!((found - expected).abs() < 1e-4, "{rows:?}");
        }
    }

    #[test]
    fn the_blend_spans_focused_and_exploring() {
        assert!(blend([0.1, 0.0, 0.1, 0.1, 0.4, 0.1]) < 0.3);
        assert!(blend([0.9, 0.8, 0.9, 0.9, 0.0, 0.9]) > 0.7);
    }
}
