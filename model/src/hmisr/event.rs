//! What an event adds to its item's embedding: what the user did, how strongly, and how long it was then until the
//! next event or the request.
//!
//! The design's events are items alone; what was skipped or given back is then the same as what was chosen, and time
//! ends at the last event. All three begin at 0, so that a network without them goes on as it was.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::fused::Fused;
use crate::histories::Histories;
use crate::kind::{ACTIONS, WEIGHTS};
use crate::parameters::{Builder, Initial};
use crate::time::BUCKETS;

/// Embeddings of actions, weights and pauses, bound to a device.
#[derive(Debug)]
pub(super) struct Event<B: Backend> {
    /// `[ACTIONS + WEIGHTS, d]`.
    kinds: Tensor<B, 2>,
    /// `[BUCKETS, d]`.
    pauses: Tensor<B, 2>,
}

impl<B: Fused> Event<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, d: usize) -> Self {
        Self {
            kinds: builder.weight("kinds", [ACTIONS + WEIGHTS, d], Initial::ZERO),
            pauses: builder.weight("pauses", [BUCKETS, d], Initial::ZERO),
        }
    }

    /// `embeddings` `[histories, len, d]` of the items, with what their events add.
    pub(super) fn forward(&self, embeddings: Tensor<B, 3>, histories: &Histories) -> Tensor<B, 3> {
        let [count, len, d] = embeddings.dims();
        // By a product with ones where they belong, whose gradient is summed in a fixed order.
        let width = ACTIONS + WEIGHTS + BUCKETS;
        let mut ones = vec![0.0f32; count * len * width];
        let tokens = histories.kinds().iter().zip(histories.pauses());
        for (row, (kind, pause)) in ones.chunks_exact_mut(width).zip(tokens) {
            row[kind.action()] = 1.0;
            row[ACTIONS + kind.weight()] = 1.0;
            row[ACTIONS + WEIGHTS + pause as usize] = 1.0;
        }
        let ones = Tensor::from_data(TensorData::new(ones, [count * len, width]), &embeddings.device());
        let table = Tensor::cat(vec![self.kinds.clone(), self.pauses.clone()], 0);
        embeddings + ones.matmul(table).reshape([count, len, d])
    }
}
