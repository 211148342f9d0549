//! Dropout that keeps no mask: the gradient draws it once more.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::{Fused, primitive, register, tensor};
use crate::random::SplitMix;
use crate::simd::vectorised;

/// Values whose mask is made at once; each number decides on four.
const BLOCK: usize = 64;

/// A mask of zeros and 1/(1 − rate), for values in their order. It is made where it is applied,
/// and once more for the gradient: drawing it again costs less than keeping it.
#[derive(Debug, Clone)]
pub struct Mask {
    random: SplitMix,
    /// Of 65,536.
    threshold: u64,
    keep: f32,
}

impl Mask {
    /// A mask that drops at `rate` (0 to below 1), by the numbers of `random`.
    pub(crate) fn new(random: SplitMix, rate: f32) -> Self {
        Self { random, threshold: (rate * 65_536.0) as u64, keep: 1.0 / (1.0 - rate) }
    }

    /// Multiplies `values` by the mask.
    pub(crate) fn apply(&self, values: &mut [f32]) {
        const CHUNK: usize = 256 * BLOCK;
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(nth, values)| {
            vectorised(
                #[inline(always)]
                || {
                    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                        let factors = self.factors((nth * CHUNK + block * BLOCK) as u64);
                        for (value, factor) in values.iter_mut().zip(factors) {
                            *value *= factor;
                        }
                    }
                },
            );
        });
    }

    /// The mask of a block of values from `first` on. Sixteen bits decide on a value: the rate is
    /// exact to 1/65,536.
    #[inline(always)]
    fn factors(&self, first: u64) -> [f32; BLOCK] {
        let mut factors = [0.0; BLOCK];
        let numbers: [u64; BLOCK / 4] = std::array::from_fn(|nth| self.random.at(first / 4 + nth as u64));
        for (four, number) in factors.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            for (lane, factor) in four.iter_mut().enumerate() {
                let kept = (number >> (16 * lane)) & 0xffff >= self.threshold;
                *factor = if kept { self.keep } else { 0.0 };
            }
        }
        factors
    }

    /// The share of values that it drops, and a seed of its own, for a backend that draws masks itself.
    #[cfg(feature = "cuda")]
    pub(crate) fn drawn(&self) -> (f32, u64) {
        (self.threshold as f32 / 65_536.0, self.random.at(0))
    }

    /// The mask of a tensor.
    pub(crate) fn tensor<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Tensor<B, D> {
        let mut values = vec![1.0; shape.iter().product()];
        self.apply(&mut values);
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

pub(super) fn tracked<B: Fused, const D: usize>(
    x: Tensor<Autodiff<B>, D>,
    mask: Mask,
) -> Tensor<Autodiff<B>, D> {
    let x = primitive(x);
    let output = primitive(B::drop::<D>(tensor(x.primitive), mask.clone()));
    tensor(match Drop::<D>.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(mask, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    })
}

#[derive(Debug)]
struct Drop<const D: usize>;

impl<B: Fused, const D: usize> Backward<B, 1> for Drop<D> {
    type State = Mask;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let by_output: Tensor<B, D> = tensor(grads.consume::<B>(&ops.node));
        let [parent] = ops.parents;
        register(grads, parent.map(|node| node.id), B::drop(by_output, ops.state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};

    /// The gradient passes where the value passed, and the backend's own way is the plain one.
    #[test]
    fn the_gradient_is_dropped_with_the_value() {
        type Tracked = Autodiff<Inner>;
        let device = backend::device().unwrap();
        let x = Tensor::<Tracked, 2>::ones([90, 401], &device).require_grad();
        let mask = Mask::new(SplitMix::keyed(7, &0u64.to_be_bytes()), 0.3);
        let dropped = Tracked::drop(x.clone() * 3.0, mask.clone());
        let expected: Vec<f32> = mask.tensor::<Inner, 2>([90, 401], &device).into_data().to_vec().unwrap();
        let found: Vec<f32> = dropped.clone().inner().into_data().to_vec().unwrap();
        assert!(found.iter().zip(&expected).all(|(found, mask)| *found == mask * 3.0));
        let gradients = dropped.sum().backward();
        let by_x: Vec<f32> = x.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        assert!(by_x.iter().zip(&expected).all(|(found, mask)| *found == mask * 3.0));
    }
}
