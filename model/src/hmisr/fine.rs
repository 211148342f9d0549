//! The second level over the recurrence (design, section 3.3 "Interest and intent"), in closed form.
//!
//! Interest_k is a slow average of the interest's own events and Intent_k what a fast one has beyond it, the design's
//! residual; ages are counted in the interest's own events ([`Members`]), so that one that sleeps is still there.
//! h_k = H + W·\[Interest_k, Intent_k\], and a prior g_k from how much the newest item belongs to the interest, its
//! share of the events, the days since its newest, and H (the gate of a mixture of softmaxes, Yang et al., ICLR 2018).
//! All of it begins as H alone.

use std::sync::Arc;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::coarse::repeat_rows;
use crate::fused::Fused;
use crate::layers::{Affine, Norm};
use crate::members::{HALF_LIVES, Members, Standing};
use crate::parameters::{Builder, Initial};

/// Averages become vectors and priors, bound to a device.
#[derive(Debug)]
pub(super) struct Fine<B: Backend> {
    /// Its shift stands for an interest without events.
    norm: Norm<B>,
    stable: Affine<B>,
    moving: Affine<B>,
    /// Weights of the prior's three parts, `[1, 3]`.
    prior: Tensor<B, 2>,
    /// What the state adds to the priors, `[d, K]`.
    gate: Tensor<B, 2>,
}

/// What the second level says at some positions.
#[derive(Debug)]
pub(super) struct Vectors<B: Backend> {
    /// h, `[positions, K, d]`.
    pub(super) vectors: Tensor<B, 3>,
    /// g, `[positions, K]`.
    pub(super) priors: Tensor<B, 2>,
    /// Share of each interest among the events, `[positions, K]`.
    pub(super) mass: Tensor<B, 2>,
    /// What is stable of each, `[positions, K, d]`.
    pub(super) interests: Tensor<B, 3>,
}

/// Bound of what the averages weigh at the beginning.
const SLIGHT: f32 = 0.02;

impl<B: Fused> Fine<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize, k: usize) -> Self {
        let slight = Initial::Uniform(SLIGHT);
        Self {
            norm: Norm::build(builder, "norm", d),
            // The last component of a vector is the state's constant.
            stable: Affine::begin(builder, "stable", [d, d - 1], slight),
            moving: Affine::begin(builder, "moving", [d, d - 1], slight),
            prior: builder.vector("prior", 3, Initial::ZERO),
            gate: builder.weight("gate", [d, k], Initial::ZERO),
        }
    }

    /// Of `events` `[count · len, d]`, the `states` `[positions, d]` at what `members` ask, how the interests stand
    /// there, and how much each newest item belongs to them, `alpha` `[positions, K]`.
    pub(super) fn forward(
        &self,
        events: Tensor<B, 2>,
        states: &Tensor<B, 2>,
        members: &Arc<Members>,
        standing: &Standing,
        alpha: Tensor<B, 2>,
    ) -> Vectors<B> {
        let ([n, d], k) = (states.dims(), members.interests);
        let averages = B::members(events, members).reshape([n * k * HALF_LIVES.len(), d]);
        let averages = self.norm.forward(averages).reshape([n * k, HALF_LIVES.len() * d]);
        let (slow, fast) = (averages.clone().narrow(1, 0, d), averages.narrow(1, d, d));
        let fine = self.stable.forward(slow.clone()) + self.moving.forward(fast - slow.clone());
        let fine = Tensor::cat(vec![fine, Tensor::zeros([n * k, 1], &slow.device())], 1);
        let vectors = (repeat_rows(states.clone(), k) + fine).reshape([n, k, d]);
        let column = |values: &[f32]| -> Tensor<B, 2> {
            Tensor::from_data(TensorData::new(values.to_vec(), [n, k]), &slow.device())
        };
        let (mass, idle_days) = (column(&standing.mass), column(&standing.idle_days));
        let weight = |part: usize| self.prior.clone().narrow(1, part, 1);
        let log = |share: Tensor<B, 2>| share.add_scalar(1e-4).log();
        let told = log(alpha) * weight(0) + log(mass.clone()) * weight(1) - idle_days.log1p() * weight(2);
        let priors = told + states.clone().matmul(self.gate.clone());
        Vectors { vectors, priors, mass, interests: slow.reshape([n, k, d]) }
    }
}
