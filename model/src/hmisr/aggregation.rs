//! Activation and target-aware aggregation (design, section 3.6 "Activation and aggregation").
//!
//! A candidate's category is softmax(e·B/τ); of the user's interests only the n that the candidate
//! belongs to most may speak for it, n = clamp(⌈K(0.3 + 0.7·DiversityScore)⌉, 1, K). Those are
//! weighed by score_k = wᵀReLU(W₁h_k + W₂e + W₃(h_k ⊙ e)), and the candidate's score is u·e with
//! u = Σ α_k h_k. It depends on the candidate, so it ranks; retrieval is by each interest's own
//! inner products.
//!
//! Beyond the design, score_k begins as h_k·e + g_k with the interest's prior g_k, and the candidate's
//! score is Σ α_k (h_k·e + g_k): with the network at rest, the interest that wants the candidate most
//! speaks for it. (The shared softmax ranks by ln Σ e^(h_k·e + g_k), which is this plus the entropy of α.)

use burn::tensor::activation::{relu, sigmoid, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::coarse::{Coarse, repeat_rows};
use super::view::View;
use crate::fused::Fused;
use crate::layers::Affine;
use crate::parameters::{Builder, Initial};
use crate::softmax::HIDDEN;

/// Width of the attention's hidden layer.
const WIDTH: usize = 16;

/// The attention over interests.
#[derive(Debug)]
pub(super) struct Aggregation<B: Backend> {
    /// W₁ and its bias.
    user: Affine<B>,
    /// W₂, `[d, WIDTH]`.
    item: Tensor<B, 2>,
    /// W₃, `[d, WIDTH]`.
    both: Tensor<B, 2>,
    /// w, `[1, WIDTH]`.
    weight: Tensor<B, 2>,
}

impl<B: Fused> Aggregation<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize) -> Self {
        Self {
            user: Affine::build(builder, "user", d, WIDTH),
            item: builder.weight("item", [d, WIDTH], Initial::Glorot),
            both: builder.weight("both", [d, WIDTH], Initial::Glorot),
            weight: builder.vector("weight", WIDTH, Initial::Uniform(0.01)),
        }
    }

    /// Scores `[users, items]` of `items` `[items, d]`. `soft`: interests fade out around the
    /// n-th, so that the DiversityScore learns from the ranking; else they are cut there.
    pub(super) fn scores(
        &self,
        users: &View<B>,
        items: Tensor<B, 2>,
        coarse: &Coarse<B>,
        soft: bool,
    ) -> Tensor<B, 2> {
        let [count, k, d] = users.vectors.dims();
        let n = items.dims()[0];
        let flat = users.vectors.clone().reshape([count * k, d]);
        let columns = items.clone().transpose();
        let own = flat.clone().matmul(columns.clone());
        // W₁h + W₂e + W₃(h ⊙ e) is linear in (e, 1): one product for all pairs, the hidden units
        // outermost, so that the sum over them is a product too and nothing is broadcast over pairs.
        let every = |weights: &Tensor<B, 2>| repeat_rows(weights.clone().transpose(), count * k);
        let gates = flat.clone().repeat_dim(0, WIDTH) * every(&self.both) + every(&self.item);
        let gates = gates.reshape([WIDTH, count * k, d]);
        let by_user = self.user.forward(flat).transpose().reshape([WIDTH, count * k, 1]);
        let gates = Tensor::cat(vec![gates, by_user], 2).reshape([WIDTH * count * k, d + 1]);
        let with_one = Tensor::cat(vec![columns, Tensor::ones([1, n], &own.device())], 0);
        let hidden = relu(gates.matmul(with_one)).reshape([WIDTH, count * k * n]);
        let weighed = self.weight.clone().matmul(hidden).reshape([count * k, n]);
        let own = own + users.priors.clone().reshape([count * k, 1]);
        let scores = (own.clone() + weighed).reshape([count, k, n]);
        let active = self.active(users, coarse.assign(items), soft);
        let weights = softmax(scores + active, 1);
        (weights * own.reshape([count, k, n])).sum_dim(1).reshape([count, n])
    }

    /// What is added to the attention's scores, `[users, K, items]`: 0 for an active interest.
    fn active(&self, users: &View<B>, categories: Tensor<B, 2>, soft: bool) -> Tensor<B, 3> {
        let [n, k] = categories.dims();
        let count = users.vectors.dims()[0];
        // How many interests an item belongs to more, [1, K, items]; ties go to the first.
        let values = categories.into_data();
        let values = values.as_slice::<f32>().unwrap_or_default();
        let mut ranks = vec![0.0f32; k * n];
        for (item, row) in values.chunks_exact(k).enumerate() {
            for (j, value) in row.iter().enumerate() {
                let before =
                    |(other, found): &(usize, &f32)| *found > value || (*found == value && *other < j);
                ranks[j * n + item] = row.iter().enumerate().filter(before).count() as f32;
            }
        }
        let ranks = Tensor::<B, 2>::from_data(TensorData::new(ranks, [1, k * n]), &users.vectors.device());
        let wanted = users.diversity.clone().mul_scalar(0.7).add_scalar(0.3).mul_scalar(k as f32);
        // As large as the ranks, whose row is then the same for all users.
        let wanted = wanted.matmul(Tensor::ones([1, k * n], &ranks.device()));
        if soft {
            // Half at the border: rank n − 1 still speaks, rank n no more.
            let inside = sigmoid((wanted - ranks.add_scalar(0.5)).mul_scalar(4.0));
            return inside.add_scalar(1e-4).log().reshape([count, k, n]);
        }
        // An item's first interest always speaks.
        let inside = wanted.ceil().clamp_min(1.0).sub(ranks).greater_elem(0.0);
        inside.bool_not().float().mul_scalar(HIDDEN).reshape([count, k, n])
    }
}
