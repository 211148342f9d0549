//! One layer of linear recurrence over the whole history, and one gated network where something is asked.
//!
//! in = norm of each of x_n, x_{n−1} and the averages m_h at four half-lives, beside an embedding of the pause since
//! the newest event; H = A·in + W₂(SiLU(W₁·in) ⊙ W₃·in) (SwiGLU: Shazeer 2020). Averages of item embeddings at
//! rates from .5 to .99 are what HiPPO and the linear recurrent units after it learn (Orvieto et al., ICML 2023), with
//! the rates fixed; that they fade with time too (p) is this project's. They are linear in the embeddings, so a
//! position costs no more than a few sums until it is asked, and then one small network.
//!
//! The last component of every state is a constant, so that an item's last weight is its bias.

use std::sync::Arc;

use burn::tensor::activation::{silu, softplus};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::decay::{Decay, HALF_LIVES, RECALLED};
use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::layers::{Affine, Norm};
use crate::parameters::{Builder, Initial};
use crate::settings::ModelSettings;
use crate::time::BUCKETS;
use crate::windows::Windows;

/// Width of the pause's embedding.
const PAUSE: usize = 16;
/// Softplus of it is .01: time fades nothing much before it has been learnt to.
const SLIGHT: f32 = -4.6;

/// The recurrence and the network, bound to a device.
#[derive(Debug)]
pub(crate) struct Recall<B: Backend> {
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

impl<B: Fused> Recall<B> {
    /// Builds it.
    pub(crate) fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
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

    /// H at the `asked` positions (none: at all) of events `[histories, len, d]`, `[asked, d]`.
    pub(crate) fn forward(
        &self,
        events: Tensor<B, 3>,
        histories: &Histories,
        asked: Option<&[usize]>,
        dropout: &Dropout,
    ) -> Tensor<B, 2> {
        let [count, len, d] = events.dims();
        let windows = match asked {
            Some(asked) => Windows::new(histories, self.span, asked),
            None => Windows::everywhere(histories, self.span),
        };
        let decay = Arc::new(Decay::new(histories, windows));
        let rows = decay.windows.asked.len();
        let powers = softplus(self.powers.clone(), 1.0);
        let recalled = B::averages(events.reshape([count * len, d]), powers, &decay);
        let recalled = self.norm.forward(recalled.reshape([rows * RECALLED, d]));
        let recalled = dropout.apply(recalled.reshape([rows, RECALLED * d]));
        let pauses = histories.pauses();
        let pauses: Vec<i32> = decay.windows.asked.iter().map(|position| pauses[*position]).collect();
        let pauses = B::one_hot(&pauses, BUCKETS, &self.pauses.device()).matmul(self.pauses.clone());
        let x = Tensor::cat(vec![recalled, pauses], 1);
        let gated = silu(self.gate.forward(x.clone())) * self.expand.forward(x.clone());
        let state = self.direct.forward(x) + self.contract.forward(gated);
        let constant = TensorData::new(vec![(d as f32).sqrt(); rows], [rows, 1]);
        let constant = Tensor::from_data(constant, &state.device());
        Tensor::cat(vec![state, constant], 1)
    }
}
