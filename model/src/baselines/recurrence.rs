//! One layer of linear recurrence over the whole history, and one gated network where something is asked.
//!
//! in = norm of each of x_n, x_{n−1} and the averages m_h at four half-lives, beside an embedding of the pause since
//! the newest event; H = A·in + W₂(SiLU(W₁·in) ⊙ W₃·in) (SwiGLU: Shazeer 2020). Averages of item embeddings at
//! rates from .5 to .99 are what HiPPO and the linear recurrent units after it learn (Orvieto et al., ICML 2023), with
//! the rates fixed; that they fade with time too (p) is this project's. They are linear in the embeddings, so a
//! position costs no more than a few sums until it is asked, and then one small network.
//!
//! The last component of every vector is a constant, so that an item's last weight is its bias.

use std::sync::Arc;

use burn::tensor::activation::{silu, softplus};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::decay::{Decay, HALF_LIVES, RECALLED};
use crate::fused::Fused;
use crate::layers::{Affine, Norm};
use crate::network::{Input, Output};
use crate::parameters::{Builder, Initial};
use crate::settings::ModelSettings;
use crate::time::BUCKETS;

/// Width of the pause's embedding.
const PAUSE: usize = 16;
/// Softplus of it is .01: time fades nothing much before it has been learnt to.
const SLIGHT: f32 = -4.6;

/// The network.
#[derive(Debug)]
pub struct Recurrence<B: Backend> {
    span: usize,
    /// w of p = softplus(w), `[1, HALF_LIVES]`.
    powers: Tensor<B, 2>,
    norm: Norm<B>,
    /// `[BUCKETS, PAUSE]`.
    pauses: Tensor<B, 2>,
    direct: Affine<B>,
    gate: Affine<B>,
    expand: Affine<B>,
    contract: Affine<B>,
}

impl<B: Fused> Recurrence<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        let (d, wide) = (settings.width, settings.feed_forward);
        let inputs = RECALLED * d + PAUSE;
        Self {
            span: settings.max_len,
            powers: builder.vector("powers", HALF_LIVES.len(), Initial::Constant(SLIGHT)),
            norm: Norm::build(builder, "norm", d),
            pauses: builder.weight("pauses", [BUCKETS, PAUSE], Initial::ZERO),
            direct: Affine::build(builder, "direct", inputs, d - 1),
            gate: Affine::build(builder, "gate", inputs, wide),
            expand: Affine::build(builder, "expand", inputs, wide),
            contract: Affine::build(builder, "contract", wide, d - 1),
        }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let [count, len, d] = input.embeddings.dims();
        let decay = Arc::new(Decay::new(input.histories, self.span, input.asked));
        let rows = decay.len();
        let powers = softplus(self.powers.clone(), 1.0);
        let recalled = B::averages(input.embeddings.reshape([count * len, d]), powers, &decay);
        let recalled = self.norm.forward(recalled.reshape([rows * RECALLED, d]));
        let recalled = input.dropout.apply(recalled.reshape([rows, RECALLED * d]));
        let pauses = input.histories.pauses();
        let pauses: Vec<i32> = decay.asked.iter().map(|position| pauses[*position]).collect();
        let pauses = B::one_hot(&pauses, BUCKETS, &self.pauses.device()).matmul(self.pauses.clone());
        let x = Tensor::cat(vec![recalled, pauses], 1);
        let gated = silu(self.gate.forward(x.clone())) * self.expand.forward(x.clone());
        let state = self.direct.forward(x) + self.contract.forward(gated);
        let constant = TensorData::new(vec![(d as f32).sqrt(); rows], [rows, 1]);
        let constant = Tensor::from_data(constant, &state.device());
        let vectors = Tensor::cat(vec![state, constant], 1).reshape([rows, 1, d]);
        Output { priors: None, vectors, auxiliary: Vec::new() }
    }
}
