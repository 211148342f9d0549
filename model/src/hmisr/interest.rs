//! What is stable of an interest (design, section 3.3 "Interest and intent", Interest_k): cross-attention
//! with the coarse interest as query over all states up to a position, biased by ln α_ik towards its members.
//!
//! The design's consistency mask is not computable ahead; in its place a loss asks that an interest
//! be the same over two prefixes of a history.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use super::coarse::{Assignment, masked_mean, repeat_rows, row_dots, unit};
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
        // ln α_ik joins the product: as K more columns of the keys, of which each query takes one.
        let belonging = coarse.alpha.clone().add_scalar(1e-6).log();
        let keys = Tensor::cat(vec![keys, belonging], 2);
        let which = Tensor::<B, 2>::eye(k, &states.device()).repeat_dim(0, count * len);
        let queries = Tensor::cat(vec![queries, which.reshape([count, len * k, k])], 2);
        let hidden = causal(len, &states.device()).reshape([len, len]);
        let hidden = repeat_rows(hidden, k).reshape([1, len * k * len]);
        let scores = queries.matmul(keys.transpose()).reshape([count, len * k * len]) + hidden;
        softmax(scores.reshape([count, len * k, len]), 2).matmul(values).reshape([count * len, k, d])
    }

    /// 1 − cos(Interest_k^t, sg Interest_k^t′) with t′ = t − `back`, over events.
    pub(super) fn stability(
        interests: &Tensor<B, 3>,
        [count, len]: [usize; 2],
        back: usize,
        events: &Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let [_, k, d] = interests.dims();
        let split = interests.clone().reshape([count, len, k * d]);
        let rows = |from: usize| {
            let part = split.clone().narrow(1, from, len - back);
            unit(part.reshape([count * (len - back) * k, d]))
        };
        let cosine = row_dots(rows(back), stop(rows(0)));
        let cosine = cosine.reshape([count * (len - back), k]).mean_dim(1);
        let unlike = cosine.neg().add_scalar(1.0);
        let events = events.clone().reshape([count, len]).slice([0..count, back..len]);
        masked_mean(unlike, &events.reshape([count * (len - back), 1]))
    }
}
