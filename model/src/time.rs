//! Elapsed time between two events, as a bucket of log1p|Δt|.

use std::sync::{Arc, LazyLock, OnceLock};

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Element, Int, Tensor, TensorData};
use rayon::prelude::*;

/// Buckets of elapsed time; one more stands for pairs that attention must not see.
pub const BUCKETS: usize = 32;
/// The bucket of a pair whose key comes after its query.
pub const FUTURE: i32 = BUCKETS as i32;

/// log1p of ten years in seconds, the start of the last bucket.
const WIDEST: f64 = 19.6;

/// First elapsed time of each bucket after the first, milliseconds. Comparing integers gives the
/// same bucket on every machine, which a logarithm does not.
static STARTS: LazyLock<Vec<i64>> = LazyLock::new(|| {
    let start = |bucket: usize| {
        let seconds = (bucket as f64 * WIDEST / (BUCKETS - 1) as f64).exp_m1();
        (seconds * 1_000.0).round() as i64
    };
    (1..BUCKETS).map(start).collect()
});

/// The bucket of `elapsed_ms`, by its absolute value.
pub fn bucket(elapsed_ms: i64) -> i32 {
    let elapsed = elapsed_ms.saturating_abs();
    STARTS.partition_point(|start| *start <= elapsed) as i32
}

/// The time bucket of every pair of positions of some histories; [`FUTURE`] where the key comes
/// after the query. `I` is the backend's tensor of integers.
#[derive(Debug, Clone)]
pub struct Pairs<I> {
    /// Histories.
    pub(crate) count: usize,
    /// Length of each.
    pub(crate) len: usize,
    /// `[count, len, len]` flat, query before key.
    pub(crate) buckets: Arc<Vec<i32>>,
    /// The buckets on the device, once they have been asked for: all layers read the same.
    there: Arc<OnceLock<I>>,
}

impl<I: Clone> Pairs<I> {
    pub(crate) fn new(count: usize, len: usize, buckets: Vec<i32>) -> Self {
        Self { count, len, buckets: Arc::new(buckets), there: Arc::default() }
    }

    /// The buckets, on the device.
    pub(crate) fn tensor<B: Backend<IntTensorPrimitive = I>>(&self, device: &B::Device) -> Tensor<B, 1, Int> {
        let there = self.there.get_or_init(|| {
            // A byte each on their way there.
            let bytes: Vec<u8> = self.buckets.par_iter().map(|bucket| *bucket as u8).collect();
            let bytes = TensorData::new(bytes, [self.buckets.len()]);
            let there = Tensor::<B, 1, Int>::from_data(bytes, (device, DType::U8));
            there.cast(B::IntElem::dtype()).into_primitive()
        });
        Tensor::from_primitive(there.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_logarithm() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(i64::MIN), BUCKETS as i32 - 1);
        assert_eq!(bucket(i64::MAX), BUCKETS as i32 - 1);
        for seconds in [1i64, 59, 60, 3_600, 86_400, 30 * 86_400, 3 * 365 * 86_400] {
            let expected = ((seconds as f64).ln_1p() * (BUCKETS - 1) as f64 / WIDEST) as i32;
            assert_eq!(bucket(seconds * 1_000), expected, "{seconds} s");
            assert_eq!(bucket(-seconds * 1_000), expected, "−{seconds} s");
        }
    }
}
