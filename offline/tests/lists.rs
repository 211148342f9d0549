//! Diversity of a list and of what follows, against dense vectors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::dataset;
use hmisr_offline::measures::{intra_list_diversity, list_entropy, tail_share};
use hmisr_offline::split::FutureDiversity;
use hmisr_offline::{Dataset, Event};
use proptest::prelude::*;

const CATEGORIES: usize = 7;

fn catalogue() -> impl Strategy<Value = Dataset> {
    let own = prop::sample::subsequence((0..CATEGORIES as u32).collect::<Vec<_>>(), 1..=4).prop_shuffle();
    prop::collection::vec(own, 12).prop_map(|mut own| {
        own[0] = (0..CATEGORIES as u32).collect();
        dataset(&[], &own.iter().map(|all| &all[..]).collect::<Vec<_>>())
    })
}

/// 1 / n for each of an item's n categories.
fn dense(data: &Dataset, item: u32) -> Vec<f64> {
    let own = &data.item_categories[item as usize];
    (0..CATEGORIES as u32).map(|c| if own.contains(&c) { 1.0 / own.len() as f64 } else { 0.0 }).collect()
}

fn slow_entropy(data: &Dataset, items: &[u32]) -> f64 {
    let mut shares = vec![0.0; CATEGORIES];
    for &item in items {
        shares.iter_mut().zip(dense(data, item)).for_each(|(sum, x)| *sum += x / items.len() as f64);
    }
    shares.into_iter().filter(|&share| share > 0.0).map(|share: f64| -share * share.ln()).sum()
}

proptest! {
    #[test]
    fn as_defined(data in catalogue(), list in prop::collection::vec(0_u32..12, 1..15), k in 1_usize..12) {
        let scored: Vec<(u32, f32)> = list.iter().map(|&item| (item, 0.0)).collect();
        let first = &list[..list.len().min(k)];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let mut distances = Vec::new();
        for (at, &one) in first.iter().enumerate() {
            for &other in &first[at + 1..] {
                let (one, other) = (dense(&data, one), dense(&data, other));
                distances.push(1.0 - dot(&one, &other) / (dot(&one, &one) * dot(&other, &other)).sqrt());
            }
        }
        let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
        prop_assert!((intra_list_diversity(&data, &scored, k) - mean).abs() < 1e-9);
        let expected = (slow_entropy(&data, first) / (CATEGORIES.min(k).max(2) as f64).ln()).min(1.0);
        prop_assert!((list_entropy(&data, &scored, k) - expected).abs() < 1e-9);
        let tail: Vec<bool> = (0..12).map(|item| item % 3 == 0).collect();
        let in_tail = first.iter().filter(|&&item| item % 3 == 0).count();
        prop_assert!((tail_share(&tail, &scored, k) - in_tail as f64 / first.len() as f64).abs() < 1e-12);
    }

    #[test]
    fn the_future_is_its_first_twenty_events(data in catalogue(), items in prop::collection::vec(0_u32..12, 0..30)) {
        let events: Vec<Event> = items.iter().map(|&item| Event::new(item, 0)).collect();
        let found = FutureDiversity::new(&data).of(events.iter());
        let (count, so_far) = FutureDiversity::new(&data).first(events.iter());
        prop_assert_eq!(count, items.len().min(20));
        if items.len() < 20 {
            prop_assert_eq!(found, None);
        } else {
            prop_assert_eq!(found, Some(so_far));
            let first = &items[..items.len().min(20)];
            let expected = slow_entropy(&data, first) / (CATEGORIES as f64).ln();
            prop_assert!((found.unwrap() - expected).abs() < 1e-9);
        }
    }
}

#[test]
fn known_values() {
    let data = dataset(&[], &[&[0], &[1], &[0, 1], &[0]]);
    let list = |items: &[u32]| items.iter().map(|&item| (item, 0.0)).collect::<Vec<_>>();
    assert_eq!(intra_list_diversity(&data, &list(&[0, 1]), 10), 1.0);
    assert_eq!(intra_list_diversity(&data, &list(&[0, 3]), 10), 0.0);
    assert!((intra_list_diversity(&data, &list(&[0, 2]), 10) - (1.0 - 0.5_f64.sqrt())).abs() < 1e-12);
    assert_eq!(intra_list_diversity(&data, &list(&[0]), 10), 0.0);
    assert_eq!(list_entropy(&data, &list(&[0, 1]), 10), 1.0);
    assert_eq!(list_entropy(&data, &[], 10), 0.0);
}
