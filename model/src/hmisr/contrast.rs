//! Item-aware contrast of intents (design, section 3.3 "Interest and intent", after IDCLRec).
//!
//! The anchors are intents at sampled interactions, each in two dropout views. Positives are the
//! other view and the intents of other users' interactions with the same item; pairs of the same
//! item are never negatives. Counted once, where the design counts it twice.

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::coarse::unit;
use crate::dropout::Dropout;
use crate::fused::Fused;
use crate::layers::Affine;
use crate::parameters::Builder;
use crate::softmax::HIDDEN;

/// Share of an intent's values that a view drops.
const VIEW_DROPOUT: f32 = 0.2;

/// The projection head.
#[derive(Debug)]
pub(super) struct Contrast<B: Backend> {
    hidden: Affine<B>,
    output: Affine<B>,
}

impl<B: Fused> Contrast<B> {
    pub(super) fn build(builder: &mut Builder<'_, B>, width: usize) -> Self {
        Self {
            hidden: Affine::build(builder, "hidden", width, width),
            output: Affine::build(builder, "output", width, width),
        }
    }

    /// InfoNCE with several positives (Khosla et al. 2020, eq. 2) of `intents` `[anchors, width]`
    /// behind `items`.
    pub(super) fn loss(
        &self,
        intents: Tensor<B, 2>,
        items: &[u32],
        temperature: f32,
        seed: u64,
    ) -> Tensor<B, 1> {
        let dropout = Dropout::new(VIEW_DROPOUT, seed);
        let view = || self.output.forward(relu(self.hidden.forward(dropout.apply(intents.clone()))));
        let views = unit(Tensor::cat(vec![view(), view()], 0));
        let device = views.device();
        let n = 2 * items.len();
        let item = |at: usize| items[at % items.len()];
        let (mut positives, mut own) = (vec![0.0f32; n * n], vec![0.0f32; n * n]);
        for row in 0..n {
            let mates: Vec<usize> = (0..n).filter(|at| *at != row && item(*at) == item(row)).collect();
            own[row * n + row] = HIDDEN;
            for mate in &mates {
                positives[row * n + mate] = 1.0 / mates.len() as f32;
            }
        }
        let square = |cells: Vec<f32>| Tensor::<B, 2>::from_data(TensorData::new(cells, [n, n]), &device);
        let similar = views.clone().matmul(views.transpose()).div_scalar(temperature);
        let log = log_softmax(similar + square(own), 1);
        (log * square(positives)).sum().neg().div_scalar(n as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};
    use crate::parameters::Parameters;

    #[test]
    fn alike_intents_of_one_item_cost_less() {
        let device = backend::device().unwrap();
        let build = |builder: &mut Builder<'_, Inner>| Contrast::build(builder, 8);
        let parameters = Parameters::fresh(1, &device, build);
        let contrast = build(&mut Builder::new(&parameters.list, 1, &device));
        // Two intents of one kind and two of its opposite.
        let row = |sign: f32| (0..8).map(move |at| if at < 4 { sign } else { -sign });
        let values: Vec<f32> = [3.0, 3.0, -3.0, -3.0].into_iter().flat_map(row).collect();
        let intents = Tensor::from_data(TensorData::new(values, [4, 8]), &device);
        let loss = |items: &[u32]| -> f32 { contrast.loss(intents.clone(), items, 0.1, 3).into_scalar() };
        assert!(loss(&[7, 7, 9, 9]) < loss(&[7, 9, 7, 9]), "{} {}", loss(&[7, 7, 9, 9]), loss(&[7, 9, 7, 9]));
    }
}
