//! Coarse ↔ fine (design, section 3.4 "Exchange between the levels").
//!
//! Guidance attends over all coarse interests: over the one key that the design names, attention is
//! the identity. α_cf is learned and begins at 0.1. What the fine level says back, c_k + β_fc · fine,
//! is read by the DiversityScore, from which no gradient flows: β_fc stays at its 0.1.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::backend::Backend;

use super::coarse::masked_mean;
use crate::parameters::{Builder, Initial};
use crate::stop::stop;

/// The two gates.
#[derive(Debug)]
pub(super) struct Exchange<B: Backend> {
    /// α_cf, `[1, 1]`.
    down: Tensor<B, 2>,
    /// β_fc, `[1, 1]`.
    up: Tensor<B, 2>,
}

impl<B: Backend> Exchange<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>) -> Self {
        Self {
            down: builder.vector("down", 1, Initial::Constant(0.1)),
            up: builder.vector("up", 1, Initial::Constant(0.1)),
        }
    }

    /// Interest_k + α_cf · attention of Interest_k over all c_j; `[positions, K, d]` each.
    pub(super) fn guide(&self, interests: Tensor<B, 3>, coarse: &Tensor<B, 3>) -> Tensor<B, 3> {
        let d = interests.dims()[2];
        let scores = interests.clone().matmul(coarse.clone().transpose());
        let weights = softmax(scores.mul_scalar(1.0 / (d as f32).sqrt()), 2);
        interests + scaled(weights.matmul(coarse.clone()), &self.down)
    }

    /// c_k + β_fc · what the fine level found of k, `[positions, K, d]` each.
    pub(super) fn refine(&self, coarse: &Tensor<B, 3>, fine: Tensor<B, 3>) -> Tensor<B, 3> {
        coarse.clone() + scaled(fine, &self.up)
    }
}

/// `x` times the one number of `factor`.
fn scaled<B: Backend>(x: Tensor<B, 3>, factor: &Tensor<B, 2>) -> Tensor<B, 3> {
    let [rows, k, d] = x.dims();
    (x.reshape([rows * k, d]) * factor.clone().expand([1, d])).reshape([rows, k, d])
}

/// KL(sg π ‖ softmax_k(Interest_k · h)), with h the state at the position: where the user's mass
/// lies is where the fine interests point. `mass` `[positions, K]`, `interests`
/// `[positions, K, d]`, `states` `[positions, d]`, `events` `[positions, 1]`.
pub(super) fn consistency<B: Backend>(
    mass: &Tensor<B, 2>,
    interests: &Tensor<B, 3>,
    states: &Tensor<B, 2>,
    events: &Tensor<B, 2>,
) -> Tensor<B, 1> {
    let [positions, k, d] = interests.dims();
    let mass = stop(mass.clone());
    let agreement = interests.clone().matmul(states.clone().reshape([positions, d, 1]));
    let agreement = agreement.reshape([positions, k]).mul_scalar(1.0 / (d as f32).sqrt());
    let log_mass = mass.clone().add_scalar(1e-9).log();
    masked_mean((mass * (log_mass - log_softmax(agreement, 1))).sum_dim(1), events)
}
