//! Dominant categories, and similarities of related and distinct interests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::dataset;
use hmisr_offline::measures::{RelatedSums, dominant_categories};
use hmisr_offline::{Event, Interests};

#[test]
fn dominant_categories_hold_half_of_the_mass() {
    let data = dataset(&[], &[&[0], &[1], &[2, 3], &[4]]);
    let history: Vec<Event> = [3, 0, 1, 2].map(|item| Event::new(item, 0)).to_vec();
    let of = |weights: &[f32], most| dominant_categories(&data, &history, weights, most);
    assert_eq!(of(&[0.0, 0.6, 0.3, 0.1], 3), [0]);
    assert_eq!(of(&[0.0, 0.3, 0.3, 0.4], 3), [0, 1], "the pair 2, 3 has 0.2 each");
    assert_eq!(of(&[0.4, 0.3, 0.3, 0.0], 1), [4]);
    assert_eq!(of(&[1.0, 0.2], 3), [1], "of the last two events");
    assert_eq!(of(&[0.0; 4], 3), [0_u32; 0]);
    assert_eq!(of(&[9.0, 9.0, 0.0, 0.0, 1.0, 0.0], 3), [1], "weights before the history are padding");
}

#[test]
fn pairs_are_related_where_dominant_categories_overlap() {
    let interests = Interests {
        vectors: vec![vec![1.0, 0.0], vec![2.0, 2.0], vec![0.0, -3.0], vec![5.0, 5.0]],
        dominant: vec![vec![0, 1], vec![1], vec![2], vec![]],
    };
    let sums = RelatedSums::of(&interests);
    assert_eq!((sums.related_pairs, sums.distinct_pairs), (1, 2), "an interest in nothing is left out");
    assert!((sums.related - 0.5_f64.sqrt()).abs() < 1e-6);
    assert!((sums.distinct + 0.5_f64.sqrt()).abs() < 1e-6, "orthogonal and at 135°");
}
