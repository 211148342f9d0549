//! Dropout with masks from a seed (Srivastava et al. 2014), scaled by 1/(1 − rate).

use std::cell::Cell;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::fused::Fused;
use crate::random::SplitMix;
use crate::simd::vectorised;

/// Values whose mask is made at once; each number decides on four.
const BLOCK: usize = 64;

/// Drops values in training and none in inference. Each call draws another mask; a step's masks
/// follow from its seed.
#[derive(Debug)]
pub struct Dropout {
    rate: f32,
    seed: u64,
    calls: Cell<u64>,
}

impl Dropout {
    /// Dropout at `rate` (0 to below 1).
    pub fn new(rate: f32, seed: u64) -> Self {
        Self { rate, seed, calls: Cell::new(0) }
    }

    /// No dropout: inference.
    pub fn none() -> Self {
        Self::new(0.0, 0)
    }

    /// Whether anything is dropped.
    pub fn is_active(&self) -> bool {
        self.rate > 0.0
    }

    /// Drops values of `x`.
    pub fn apply<B: Fused, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self.mask() {
            Some(mask) => B::drop(x, mask),
            None => x,
        }
    }

    /// The next mask; none in inference.
    fn mask(&self) -> Option<Mask> {
        if !self.is_active() {
            return None;
        }
        let call = self.calls.get();
        self.calls.set(call + 1);
        let random = SplitMix::keyed(self.seed, &call.to_be_bytes());
        Some(Mask { random, threshold: (self.rate * 65_536.0) as u64, keep: 1.0 / (1.0 - self.rate) })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Inner};

    #[test]
    fn the_mean_stays_and_the_seed_decides() {
        let device = backend::device().unwrap();
        let ones = Tensor::<Inner, 2>::ones([300, 401], &device);
        let dropped = |seed: u64| -> Vec<f32> {
            Dropout::new(0.25, seed).apply(ones.clone()).into_data().to_vec().unwrap()
        };
        let values = dropped(3);
        assert!((values.iter().sum::<f32>() / values.len() as f32 - 1.0).abs() < 0.01);
        let zeros = values.iter().filter(|value| **value == 0.0).count() as f32 / values.len() as f32;
        assert!((zeros - 0.25).abs() < 0.01, "{zeros}");
        assert_eq!(values, dropped(3));
        assert_ne!(values, dropped(4));
        let dropout = Dropout::new(0.5, 1);
        let twice = [0, 1].map(|_| dropout.apply(ones.clone()).into_data().to_vec::<f32>().unwrap());
        assert_ne!(twice[0], twice[1]);
        assert_eq!(
            Dropout::none().apply(ones.clone()).into_data().to_vec::<f32>().unwrap(),
            vec![1.0; 300 * 401]
        );
    }

    /// The gradient passes where the value passed, and the backend's own way is the plain one.
    #[test]
    fn the_gradient_is_dropped_with_the_value() {
        type Tracked = burn::backend::Autodiff<Inner>;
        let device = backend::device().unwrap();
        let x = Tensor::<Tracked, 2>::ones([90, 401], &device).require_grad();
        let mask = Dropout::new(0.3, 7).mask().unwrap();
        let dropped = Tracked::drop(x.clone() * 3.0, mask.clone());
        let expected: Vec<f32> = mask.tensor::<Inner, 2>([90, 401], &device).into_data().to_vec().unwrap();
        let found: Vec<f32> = dropped.clone().inner().into_data().to_vec().unwrap();
        assert!(found.iter().zip(&expected).all(|(found, mask)| *found == mask * 3.0));
        let gradients = dropped.sum().backward();
        let by_x: Vec<f32> = x.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        assert!(by_x.iter().zip(&expected).all(|(found, mask)| *found == mask * 3.0));
    }
}
