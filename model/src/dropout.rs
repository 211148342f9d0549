//! Dropout with masks from a seed (Srivastava et al. 2014), scaled by 1/(1 − rate).

use std::cell::Cell;

use burn::tensor::Tensor;

use crate::fused::{Fused, Mask};
use crate::random::SplitMix;

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
        Some(Mask::new(SplitMix::keyed(self.seed, &call.to_be_bytes()), self.rate))
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
}
