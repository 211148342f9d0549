//! One vector an interest, from its stable and its moving part (design, section 3.6.2 "Layer 2: interest or
//! intent").
//!
//! The intent weighs w = σ(b − β·log1p(days since the user's last event in the interest)), β > 0:
//! 0.7 when fresh and 0.3 after a month, to begin with. (The design's rule says so; its formula,
//! which grows with time, contradicts it.)
//!
//! Beyond the design, a vector begins as what the encoder says, moved towards what it said when the
//! user was last in the interest, and leaning along its basis vector:
//! h_k = H_t + (H_{newest member of k} − H_t)·S + \[interest, intent\]·W + s·b_k.
//! Without it the interests would have to learn anew what the next-item loss has taught the states,
//! and for the interest that the newest event belongs to nothing is better than that state.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;

use super::coarse::repeat_rows;
use super::intent::Members;
use crate::fused::Fused;
use crate::parameters::{Builder, Initial};

/// The parts' weights.
#[derive(Debug)]
pub(super) struct Vectors<B: Backend> {
    /// b, `[1, 1]`.
    freshness: Tensor<B, 2>,
    /// ln(e^β − 1), `[1, 1]`.
    fading: Tensor<B, 2>,
    /// To half the width, `[d, d/2]`.
    interest: Tensor<B, 2>,
    /// S.
    newest: Tensor<B, 2>,
    /// W, `[d, d]`.
    output: Tensor<B, 2>,
    /// Weights of the prior's three parts, `[1, 3]`.
    prior: Tensor<B, 2>,
    /// What the encoder's state adds to the priors, `[d, K]`.
    gate: Tensor<B, 2>,
    /// s, `[1, 1]`.
    along: Tensor<B, 2>,
}

/// logit(0.7).
const FRESH: f32 = 0.847_3;
/// softplus⁻¹(2 · 0.8473/ln(31)): from 0.7 to 0.3 over 30 days.
const FADING: f32 = -0.448_6;

/// The prior's weights to begin with: the interest of the newest event speaks first.
const PRIOR: f32 = 0.3;

impl<B: Fused> Vectors<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize, k: usize, own_state: f32) -> Self {
        Self {
            freshness: builder.vector("freshness", 1, Initial::Constant(FRESH)),
            fading: builder.vector("fading", 1, Initial::Constant(FADING)),
            interest: builder.weight("interest", [d, d / 2], Initial::Glorot),
            newest: builder.weight("newest", [d, d], Initial::Identity(own_state)),
            output: builder.weight("output", [d, d], Initial::Uniform(0.02)),
            prior: builder.vector("prior", 3, Initial::Constant(PRIOR)),
            gate: builder.weight("gate", [d, k], Initial::ZERO),
            along: builder.vector("along", 1, Initial::ZERO),
        }
    }

    /// The intents' weights, `[positions, K]`, by days since each interest's newest event.
    pub(super) fn intent_weight(&self, idle_days: Tensor<B, 2>) -> Tensor<B, 2> {
        let fading = self.fading.clone().exp().add_scalar(1.0).log();
        sigmoid(self.freshness.clone() - idle_days.log1p() * fading)
    }

    /// What each vector's scores begin with, `[positions, K]`: how much the newest event belongs to
    /// the interest, the interest's mass, how long it has been idle, and what the state says of it.
    /// Vectors that share a softmax need it: without it an old interest would speak as loudly as the
    /// present one. (With the state it is the gate of a mixture of softmaxes, Yang et al., ICLR 2018.)
    pub(super) fn priors(
        &self,
        states: Option<&Tensor<B, 2>>,
        alpha: Tensor<B, 2>,
        mass: Tensor<B, 2>,
        idle_days: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let weight = |part: usize| self.prior.clone().narrow(1, part, 1);
        let log = |share: Tensor<B, 2>| share.add_scalar(1e-4).log();
        let prior = log(alpha) * weight(0) + log(mass) * weight(1) - idle_days.log1p() * weight(2);
        match states {
            Some(states) => prior + states.clone().matmul(self.gate.clone()),
            None => prior,
        }
    }

    /// Interest and intent side by side, `[positions, K, d]`; zeros in the place of intents that
    /// are switched off.
    pub(super) fn fine(
        &self,
        interests: &Tensor<B, 3>,
        intents: Option<Tensor<B, 3>>,
        intent_weight: Tensor<B, 2>,
    ) -> Tensor<B, 3> {
        let [positions, k, d] = interests.dims();
        let stable = interests.clone().reshape([positions * k, d]).matmul(self.interest.clone());
        let weight = intent_weight.reshape([positions * k, 1]);
        // Twice each share: both parts weigh 1 where they weigh alike.
        let stable = stable * weight.clone().neg().add_scalar(1.0).mul_scalar(2.0);
        let moving = match intents {
            Some(intents) => intents.reshape([positions * k, d - d / 2]) * weight.mul_scalar(2.0),
            None => Tensor::zeros([positions * k, d - d / 2], &interests.device()),
        };
        Tensor::cat(vec![stable, moving], 1).reshape([positions, k, d])
    }

    /// The vectors, `[positions, K, d]`, of `states` `[positions, d]`, `fine` `[positions, K, d]`
    /// and the coarse `basis` `[d, K]`.
    pub(super) fn forward(
        &self,
        states: &Tensor<B, 2>,
        fine: Tensor<B, 3>,
        members: &Members,
        basis: Option<Tensor<B, 2>>,
    ) -> Tensor<B, 3> {
        let [positions, k, d] = fine.dims();
        let len = members.len;
        let count = positions / len.max(1);
        // Picked by a product: the gradient of a look-up adds rows one by one on a device.
        let place = |(at, newest): (usize, &Option<usize>)| (newest.unwrap_or(at / k) % len) as i32;
        let places: Vec<i32> = members.newest.iter().enumerate().map(place).collect();
        let places = B::one_hot(&places, len, &states.device()).reshape([count, len * k, len]);
        let moved = states.clone().matmul(self.newest.clone());
        let then = places.matmul(moved.clone().reshape([count, len, d])).reshape([positions * k, d]);
        let here = repeat_rows(states.clone() - moved, k);
        let fine = fine.reshape([positions * k, d]).matmul(self.output.clone());
        let vectors = (here + then + fine).reshape([positions, k * d]);
        let vectors = match basis {
            Some(basis) => vectors + (basis.transpose() * self.along.clone()).reshape([1, k * d]),
            None => vectors,
        };
        vectors.reshape([positions, k, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::parameters::Parameters;

    #[test]
    fn a_fresh_intent_weighs_seven_tenths_and_an_old_one_three() {
        let device = backend::device().unwrap();
        let build = |builder: &mut Builder<'_, Inner>| Vectors::build(builder, 4, 2, 0.5);
        let parameters = Parameters::fresh(1, &device, build);
        let vectors = build(&mut Builder::new(&parameters.list, 1, &device));
        let days = Tensor::from_floats([[0.0, 30.0, 300.0]], &device);
        let weights: Vec<f32> = vectors.intent_weight(days).into_data().to_vec().unwrap();
        assert!((weights[0] - 0.7).abs() < 1e-3 && (weights[1] - 0.3).abs() < 1e-2, "{weights:?}");
        assert!(weights[2] < weights[1]);
    }
}
