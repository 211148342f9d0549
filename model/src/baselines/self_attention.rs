//! Interests by self-attention, as ComiRec-SA and REMI read them (Cen et al., KDD 2020, eq. 6–8):
//! A = softmax(W₂ᵀ tanh(W₁(H + P))), V = A·H, with H the items' embeddings and P learned positions.
//!
//! The papers attend once over a whole history; here every position attends over the events up to
//! it, so that all of them learn in one pass. The logits of an event are the same for every
//! position, but the softmax is taken over [position, event] with the later events hidden: running
//! sums of exponentials would need a maximum that looks ahead, or overflow.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;

use crate::fused::Fused;
use crate::network::Input;
use crate::parameters::{Builder, Initial};
use crate::positions::{Learned, causal};
use crate::settings::ModelSettings;

/// The attention's width over the embeddings', as in the authors' code.
const WIDER: usize = 4;

/// The attention's weights.
#[derive(Debug)]
pub(super) struct SelfAttention<B: Backend> {
    positions: Learned<B>,
    /// W₁, `[d, 4d]`.
    hidden: Tensor<B, 2>,
    /// W₂, `[4d, K]`.
    interests: Tensor<B, 2>,
}

impl<B: Fused> SelfAttention<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, k) = (settings.width, settings.interests);
        Self {
            positions: Learned::build(builder, "positions", settings.max_len, d),
            hidden: builder.weight("hidden", [d, WIDER * d], Initial::Glorot),
            interests: builder.weight("interests", [WIDER * d, k], Initial::Glorot),
        }
    }

    /// The interests at every position, `[histories · len, K, d]`, and the routing A behind them,
    /// `[histories, K, position, event]`, whose rows sum to 1.
    pub(super) fn forward(&self, input: Input<'_, B>) -> (Tensor<B, 3>, Tensor<B, 4>) {
        let [count, len, d] = input.embeddings.dims();
        let k = self.interests.dims()[1];
        let items = input.dropout.apply(input.embeddings.mul_scalar((d as f32).sqrt()));
        let placed = items.clone() + self.positions.forward(len).unsqueeze_dim::<3>(0);
        let hidden = placed.reshape([count * len, d]).matmul(self.hidden.clone()).tanh();
        let logits = hidden.matmul(self.interests.clone()).reshape([count, len, k]);
        let logits = logits.swap_dims(1, 2).reshape([count, k, 1, len]);
        let hidden = causal(len, &items.device()).reshape([1, 1, len, len]);
        let routing = softmax(logits + hidden, 3);
        let interests = routing.clone().reshape([count, k * len, len]).matmul(items);
        let interests = interests.reshape([count, k, len, d]).swap_dims(1, 2);
        (interests.reshape([count * len, k, d]), routing)
    }
}
