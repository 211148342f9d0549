//! The DiversityScore (design, section 3.5 "The diversity score"): how various the user's next choices
//! will be.
//!
//! σ(MLP(the user's habits, z-scored, mean distance of the interests, spread of their masses, the session's
//! states)). The label is the normalised entropy of the
//! categories of the user's *next* 20 interactions: from the history, as the design has it, it would
//! be its own input. Before the network has learned it, the design's fixed blend of a long-term, a
//! middle and a short-term part stands in; its sigmoids are moved to the middle of their inputs' range, since
//! at 0 they would give at least 0.5 to everyone.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::fused::Fused;
use crate::histories::Histories;
use crate::layers::Affine;
use crate::parameters::Builder;

/// A pause that ends a session, milliseconds.
const SESSION_GAP_MS: i64 = 30 * 60 * 1_000;
/// Width of the session's encoding.
const SESSION: usize = 8;
/// Width of the hidden layer (design, section 4.1 "Parameters").
const HIDDEN: usize = 64;
/// Numbers that tell a user's habits.
pub const HABITS: usize = 9;
/// What the interests tell beside them.
const OF_INTERESTS: usize = 2;
/// Inputs of the fixed blend.
const BLENDED: usize = 6;

/// The user's long-term habits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Habits {
    /// The features of the stream, z-scored over the examples that were learnt from.
    pub standard: [f32; HABITS],
    /// Entropy of the categories in the window, over its maximum, 0 to 1.
    pub entropy: f32,
    /// Share of long-tail items in the window.
    pub tail: f32,
    /// Share of steps in the window that change the category.
    pub switching: f32,
    /// Distinct categories among the newest events, over their number.
    pub recent: f32,
}

/// The network.
#[derive(Debug)]
pub(super) struct Diversity<B: Backend> {
    session: Affine<B>,
    hidden: Affine<B>,
    output: Affine<B>,
}

impl<B: Fused> Diversity<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize) -> Self {
        Self {
            session: Affine::build(builder, "session", d, SESSION),
            hidden: Affine::build(builder, "habits", HABITS + OF_INTERESTS + SESSION, HIDDEN),
            output: Affine::build(builder, "score", HIDDEN, 1),
        }
    }

    /// Scores `[rows, 1]` of `inputs` (see [`Features`]) and `sessions` `[rows, d]`.
    pub(super) fn forward(&self, inputs: Tensor<B, 2>, sessions: Tensor<B, 2>) -> Tensor<B, 2> {
        let session = self.session.forward(sessions).tanh();
        sigmoid(self.output.forward(relu(self.hidden.forward(Tensor::cat(vec![inputs, session], 1)))))
    }
}

/// What is known of users beside their states.
#[derive(Debug)]
pub(super) struct Features<B: Backend> {
    /// What the network reads: the habits z-scored, distance and spread of the interests, `[rows, 11]`.
    pub(super) inputs: Tensor<B, 2>,
    /// What the fixed blend reads: entropy, exploration, switching, mean distance of interests, spread of their
    /// masses, recent diversity, `[rows, 6]`.
    pub(super) blended: Tensor<B, 2>,
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
    let standard: Vec<f32> = habits.iter().flat_map(|habits| habits.standard).collect();
    let standard = Tensor::from_data(TensorData::new(standard, [rows, HABITS]), &device);
    // Of 0 to 1 both: brought near to zero mean and unit spread, as the z-scores are.
    let centred = |values: Tensor<B, 2>| values.sub_scalar(0.5).mul_scalar(3.0);
    Features {
        inputs: Tensor::cat(vec![standard, centred(distance.clone()), centred(spread.clone())], 1),
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

/// Mean state of the session at each of `positions`: of the events since the last pause of 30
/// minutes, up to the position. `states` `[histories, len, d]`; the result `[positions, d]`.
pub(super) fn sessions<B: Backend>(
    states: &Tensor<B, 3>,
    histories: &Histories,
    positions: &[usize],
) -> Tensor<B, 2> {
    let [count, len, d] = states.dims();
    let device = states.device();
    let times = histories.times();
    let start = |position: usize| {
        let first = position / len * len;
        let pause = |at: &usize| times[*at].saturating_sub(times[at - 1]) > SESSION_GAP_MS;
        (first + 1..=position).rev().find(pause).unwrap_or(first)
    };
    let starts: Vec<usize> = positions.iter().map(|at| start(*at)).collect();
    // Sums up to a position, less those before the session's start.
    let sums = states.clone().cumsum(1).reshape([count * len, d]);
    let rows = |places: Vec<i64>| {
        let places = Tensor::<B, 1, Int>::from_data(TensorData::new(places, [positions.len()]), &device);
        sums.clone().select(0, places)
    };
    let column =
        |values: Vec<f32>| Tensor::<B, 2>::from_data(TensorData::new(values, [positions.len(), 1]), &device);
    let upto = rows(positions.iter().map(|at| *at as i64).collect());
    let before = rows(starts.iter().map(|at| at.saturating_sub(1) as i64).collect());
    let counted = column(starts.iter().map(|at| f32::from(u8::from(at % len > 0))).collect());
    let lengths = positions.iter().zip(&starts).map(|(at, start)| (at - start + 1) as f32).collect();
    (upto - before * counted) / column(lengths)
}

/// Mean squared error of the scores `[rows, 1]` where the future is known.
pub(super) fn diversity_loss<B: Backend>(
    scores: &Tensor<B, 2>,
    futures: &[Option<f32>],
) -> Option<Tensor<B, 1>> {
    let known = futures.iter().flatten().count();
    if known == 0 {
        return None;
    }
    let device = scores.device();
    let column = |values: Vec<f32>| {
        let rows = values.len();
        Tensor::<B, 2>::from_data(TensorData::new(values, [rows, 1]), &device)
    };
    let labels = column(futures.iter().map(|future| future.unwrap_or(0.0)).collect());
    let mask = column(futures.iter().map(|future| f32::from(u8::from(future.is_some()))).collect());
    Some(((scores.clone() - labels).square() * mask).sum().div_scalar(known as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};

    #[test]
    fn a_session_ends_after_half_an_hour() {
        let device = backend::device().unwrap();
        let minute = 60_000;
        let times = [[0, minute, 40 * minute, 41 * minute], [0, 0, 0, 0]];
        let rows = [0u32; 4];
        let histories = Histories::new(times.iter().map(|times| (rows.as_slice(), times.as_slice())));
        let values: Vec<f32> = (0..8).map(|n| n as f32).collect();
        let states = Tensor::<Inner, 3>::from_data(TensorData::new(values, [2, 4, 1]), &device);
        let means = sessions(&states, &histories, &[0, 1, 2, 3, 7]);
        assert_eq!(means.into_data().to_vec::<f32>().unwrap(), [0.0, 0.5, 2.0, 2.5, 5.5]);
    }

    #[test]
    fn features_measure_distance_and_spread() {
        let device = backend::device().unwrap();
        let interests =
            Tensor::<Inner, 3>::from_floats([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]], &device);
        let mass = Tensor::from_floats([[0.5, 0.5], [1.0, 0.0]], &device);
        let standard = [7.0; HABITS];
        let habits = [Habits { standard, entropy: 0.3, tail: 0.2, switching: 0.1, recent: 0.9 }; 2];
        let features = features(&habits, interests, mass);
        let inputs: Vec<f32> = features.inputs.into_data().to_vec().unwrap();
        assert_eq!(inputs[..HABITS], standard);
        assert!((inputs[HABITS] - 1.5).abs() < 1e-3 && (inputs[HABITS + 1] + 1.5).abs() < 1e-3, "{inputs:?}");
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
