//! Coverage, Gini and the long tail against slow definitions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;

use crate::common::dataset;
use hmisr_offline::measures::{coverage, exposure, gini, long_tail};
use hmisr_offline::{Protocol, Split};
use proptest::prelude::*;

proptest! {
    #[test]
    fn as_defined(lists in prop::collection::vec(prop::collection::vec(0_u32..15, 0..12), 0..20), k in 1_usize..12) {
        let scored: Vec<Vec<(u32, f32)>> =
            lists.iter().map(|list| list.iter().map(|&item| (item, 0.0)).collect()).collect();
        let shown = exposure(scored.iter().map(|list| &list[..]), 15, k);
        let all: Vec<u32> = lists.iter().flat_map(|list| list.iter().take(k).copied()).collect();
        for item in 0..15 {
            prop_assert_eq!(shown[item as usize] as usize, all.iter().filter(|&&other| other == item).count());
        }
        let distinct: BTreeSet<u32> = all.iter().copied().collect();
        prop_assert!((coverage(&shown) - distinct.len() as f64 / 15.0).abs() < 1e-12);
        let apart: f64 = shown.iter().flat_map(|&x| shown.iter().map(move |&y| x.abs_diff(y) as f64)).sum();
        let mean = all.len() as f64 / 15.0;
        let expected = if mean > 0.0 { apart / (2.0 * 15.0 * 15.0 * mean) } else { 0.0 };
        prop_assert!((gini(&shown) - expected).abs() < 1e-9);
    }
}

#[test]
fn gini_of_extremes() {
    assert_eq!(gini(&[7; 9]), 0.0);
    assert!((gini(&[0, 0, 0, 5]) - 0.75).abs() < 1e-12);
    assert_eq!((gini(&[0, 0]), coverage(&[0, 0])), (0.0, 0.0));
}

#[test]
fn the_tail_is_what_the_training_part_leaves_of_the_head() {
    // Training counts 6, 2, 1, 1, 0: the head of 80 % is items 0 and 1, of 60 % item 0.
    let learnt = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3];
    let mut events: Vec<(u32, i64)> = learnt.into_iter().zip(0..).collect();
    events.extend([(4, 20), (4, 21)]);
    let split = Split::new(Protocol::O1, dataset(&[events], &[&[0][..]; 5])).unwrap();
    assert_eq!(long_tail(&split, 0.8), [false, false, true, true, true]);
    assert_eq!(long_tail(&split, 0.6), [false, true, true, true, true]);
    assert_eq!(long_tail(&split, 0.9), [false, false, false, false, true], "equal counts stay together");
    assert_eq!(long_tail(&split, 1.0), [false, false, false, false, true]);
}
