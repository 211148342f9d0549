//! Accuracy against the definitions over an explicit list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use hmisr_offline::measures::{hit, ndcg, reciprocal_rank};
use proptest::prelude::*;

proptest! {
    #[test]
    fn as_defined(place in 1_usize..80, k in 1_usize..60) {
        let list: Vec<bool> = (1..=80).map(|at| at == place).collect();
        let gain = |relevant: &[bool]| -> f64 {
            relevant.iter().zip(1..).map(|(&one, at)| f64::from(u8::from(one)) / f64::from(at + 1).log2()).sum()
        };
        let ideal = gain(&[true]);
        let rank = Some(place as f64);
        prop_assert_eq!(hit(rank, k), f64::from(u8::from(list[..k].contains(&true))));
        prop_assert!((ndcg(rank, k) - gain(&list[..k]) / ideal).abs() < 1e-12);
        let reciprocal = list[..k].iter().position(|&one| one).map_or(0.0, |at| 1.0 / (at + 1) as f64);
        prop_assert!((reciprocal_rank(rank, k) - reciprocal).abs() < 1e-12);
    }
}

#[test]
fn a_miss_and_a_shared_rank() {
    assert_eq!((hit(None, 10), ndcg(None, 10), reciprocal_rank(None, 10)), (0.0, 0.0, 0.0));
    // Ranks 10 and 11 are shared: half of the orders would hit, but no list of ten can be sure.
    assert_eq!((hit(Some(10.5), 10), hit(Some(10.0), 10)), (0.0, 1.0));
    assert_eq!(ndcg(Some(1.0), 1), 1.0);
    assert_eq!(ndcg(Some(3.0), 5), 0.5);
}
