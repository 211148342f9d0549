//! What the operations' tests share: numbers from a seed, and comparisons.

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};

use crate::backend::{self, Inner};
use crate::random::SplitMix;
use crate::time::{BUCKETS, FUTURE, Pairs};

/// The backend with gradients.
pub(super) type Tracked = Autodiff<Inner>;

/// Up to `bound` to either side.
pub(super) fn random<const D: usize>(shape: [usize; D], seed: u64, bound: f32) -> Tensor<Inner, D> {
    let mut random = SplitMix::new(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.symmetric(bound)).collect();
    Tensor::from_data(TensorData::new(values, shape), &backend::device().unwrap())
}

/// Up to 1 to either side.
pub(super) fn plain<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Inner, D> {
    random(shape, seed, 1.0)
}

/// The same, with gradients.
pub(super) fn tracked<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Tracked, D> {
    Tensor::from_inner(plain(shape, seed)).require_grad()
}

/// Values on the host.
pub(super) fn values<const D: usize>(tensor: Tensor<Inner, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// Within what the order of a few hundred sums changes.
pub(super) fn same<const D: usize>(found: Tensor<Inner, D>, expected: Tensor<Inner, D>) {
    assert_eq!(found.dims(), expected.dims());
    close(&values(found), &values(expected), 5e-5);
}

/// Within `tolerance`, relative above 1 and absolute below.
pub(super) fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{at}: {found} and {expected}"
        );
    }
}

/// Pairs of every bucket.
pub(super) fn pairs<I: Clone>(count: usize, len: usize) -> Pairs<I> {
    let mut buckets = vec![FUTURE; count * len * len];
    for (nth, row) in buckets.chunks_exact_mut(len).enumerate() {
        for (key, bucket) in row[..=nth % len].iter_mut().enumerate() {
            *bucket = ((nth * 7 + key * 3) % BUCKETS) as i32;
        }
    }
    Pairs::new(count, len, buckets)
}
