//! REMI (Xie et al., RecSys 2023): ComiRec-SA trained against interest-aware hard negatives and
//! with a regularised routing.
//!
//! * Hard negatives: a negative j weighs w_j ∝ exp(β·s_j), w of mean 1, with s_j its score by the
//!   interest that answers for the target. The paper samples negatives; the full softmax has all of
//!   them, and its w is exact. The learner takes that loss for this network.
//! * Routing regularisation: ‖diag(C)‖² with C the covariance of the routing A over the events
//!   ("Routing Regularization"). An interest that listens to one event has the greatest variance.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::self_attention::SelfAttention;
use crate::fused::Fused;
use crate::histories::Histories;
use crate::network::{Auxiliary, Input, Output};
use crate::parameters::Builder;
use crate::settings::ModelSettings;

/// β, how much harder negatives weigh more: the authors take 10, 1 and 0.1 for their three data
/// sets, and this is the middle.
pub const HARDNESS: f32 = 1.0;
/// λ, weight of the routing regularisation: the authors' for all three.
pub const ROUTING: f32 = 100.0;

/// The network.
#[derive(Debug)]
pub struct Remi<B: Backend> {
    attention: SelfAttention<B>,
}

impl<B: Fused> Remi<B> {
    /// Builds it.
    pub fn build(builder: &mut Builder<'_, B>, settings: &ModelSettings) -> Self {
        Self { attention: builder.part("attention", |part| SelfAttention::build(part, settings)) }
    }

    /// See [`crate::Network::forward`].
    pub fn forward(&self, input: Input<'_, B>) -> Output<B> {
        let histories = input.histories;
        let (vectors, routing) = self.attention.forward(input);
        let value = regularisation(routing, histories);
        Output {
            priors: None,
            vectors,
            auxiliary: vec![Auxiliary { name: "routing", weight: ROUTING, value }],
        }
    }
}

/// Mean over all positions with an event of Σ_k (Var_i A_ki)², where the events i are those up to
/// the position.
fn regularisation<B: Backend>(routing: Tensor<B, 4>, histories: &Histories) -> Tensor<B, 1> {
    let [count, k, len, _] = routing.dims();
    let device = routing.device();
    // Rows sum to 1: over n events their mean is 1/n, their variance mean(A²) − 1/n².
    let known: Vec<f32> = (1..=len).map(|n| 1.0 / n as f32).collect();
    let share = Tensor::<B, 1>::from_data(TensorData::new(known, [len]), &device).reshape([1, 1, len, 1]);
    let variance = routing.square().sum_dim(3) * share.clone() - share.square();
    let events: Vec<f32> = (0..count * len).map(|at| f32::from(u8::from(histories.is_event(at)))).collect();
    let number = events.iter().sum::<f32>().max(1.0);
    let events = Tensor::<B, 1>::from_data(TensorData::new(events, [count * len]), &device);
    let squares = variance.reshape([count, k, len]).square().sum_dim(1).reshape([count * len]);
    (squares * events).sum().div_scalar(number)
}
