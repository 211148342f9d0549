//! What is stable of an interest (seed, "第二级", Interest_k): cross-attention with the coarse
//! interest as query over all states up to a position, biased by ln α_ik towards its members.
//!
//! The seed's consistency mask is not computable ahead; in its place a loss asks that an interest
//! be the same over two prefixes of a history.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use super::coarse::{Assignment, masked_mean};
use crate::parameters::{Builder, Initial};
use crate::positions::causal;
use crate::stop::stop;

/// The attention's weights.
#[derive(Debug)]
pub(super) struct Interest<B: Backend> {
    query: Tensor<B, 2>,
    key: Tensor<B, 2>,
    value: Tensor<B, 2>,
}

impl<B: Backend> Interest<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize) -> Self {
        Self {
            query: builder.weight("query", [d, d], Initial::Glorot),
            key: builder.weight("key", [d, d], Initial::Glorot),
            // An interest begins as a mean of states.
            value: builder.weight("value", [d, d], Initial::Identity(1.0)),
        }
    }

    /// Interests at every position, `[histories · len, K, d]`, of `states` `[histories, len, d]`.
    pub(super) fn forward(&self, states: &Tensor<B, 3>, coarse: &Assignment<B>) -> Tensor<B, 3> {
        let [count, len, d] = states.dims();
        let k = coarse.mass.dims()[1];
        let flat = states.clone().reshape([count * len, d]);
        let queries = coarse.interests.clone().reshape([count * len * k, d]).matmul(self.query.clone());
        let queries = queries.mul_scalar(1.0 / (d as f32).sqrt()).reshape([count, len * k, d]);
        let keys = flat.clone().matmul(self.key.clone()).reshape([count, len, d]);
        let values = flat.matmul(self.value.clone()).reshape([count, len, d]);
        // [histories, 1, K, events] + [1, positions, 1, events].
        let belonging = coarse.alpha.clone().add_scalar(1e-6).log().swap_dims(1, 2).unsqueeze_dim::<4>(1);
        let bias = belonging + causal(len, &states.device()).reshape([1, len, 1, len]);
        let scores = queries.matmul(keys.transpose()) + bias.reshape([count, len * k, len]);
        softmax(scores, 2).matmul(values).reshape([count * len, k, d])
    }

    /// 1 − cos(Interest_k^t, sg Interest_k^t′) with t′ = t − `back`, over events.
    pub(super) fn stability(
        interests: &Tensor<B, 3>,
        [count, len]: [usize; 2],
        back: usize,
        events: &Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let [_, k, d] = interests.dims();
        let split = interests.clone().reshape([count, len, k, d]);
        let later = split.clone().slice([0..count, back..len]);
        let earlier = stop(split.slice([0..count, 0..len - back]));
        let dot = (later.clone() * earlier.clone()).sum_dim(3);
        let norms = later.square().sum_dim(3) * earlier.square().sum_dim(3);
        let cosine = dot / norms.add_scalar(1e-6).sqrt();
        let unlike = cosine.neg().add_scalar(1.0).mean_dim(2).reshape([count * (len - back), 1]);
        let events = events.clone().reshape([count, len]).slice([0..count, back..len]);
        masked_mean(unlike, &events.reshape([count * (len - back), 1]))
    }
}
