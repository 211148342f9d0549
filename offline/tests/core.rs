//! The core filter keeps the largest part in which everyone has enough events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;

use crate::common::dataset;
use proptest::prelude::*;

/// (user, item, time) by id, filtered one offender at a time.
fn slow(mut rows: BTreeSet<(u64, u64, i64)>, least: usize) -> BTreeSet<(u64, u64, i64)> {
    loop {
        let offender = rows.iter().copied().find(|row| {
            let of_user = rows.iter().filter(|other| other.0 == row.0).count();
            let of_item = rows.iter().filter(|other| other.1 == row.1).count();
            of_user < least || of_item < least
        });
        match offender {
            Some(row) => rows.remove(&row),
            None => return rows,
        };
    }
}

fn rows(data: &hmisr_offline::Dataset) -> BTreeSet<(u64, u64, i64)> {
    let events = data.users.iter().zip(&data.events);
    let row = |user: &hmisr_features::Id, event: &hmisr_offline::Event| {
        (user.as_int().unwrap(), data.items[event.item as usize].as_int().unwrap(), event.ts_ms)
    };
    events.flat_map(|(user, events)| events.iter().map(move |event| row(user, event))).collect()
}

proptest! {
    #[test]
    fn as_the_slow_filter(users in prop::collection::vec(prop::collection::vec(0_u32..6, 0..9), 1..8), least in 1_usize..4) {
        let events: Vec<Vec<(u32, i64)>> =
            users.iter().map(|items| items.iter().copied().zip(0..).collect()).collect();
        let categories: Vec<Vec<u32>> = (0..6).map(|item| vec![item % 4, 5]).collect();
        let slices: Vec<&[u32]> = categories.iter().map(|all| &all[..]).collect();
        let data = dataset(&events, &slices);
        let before = rows(&data);
        let expected = slow(before.clone(), least);
        match data.core(least) {
            Ok(kept) => {
                prop_assert_eq!(rows(&kept), expected.clone());
                prop_assert_eq!(kept.notes.filtered_events as usize, before.len() - expected.len());
                prop_assert!(kept.events.iter().all(|events| events.len() >= least));
                for (item, own) in kept.items.iter().zip(&kept.item_categories) {
                    let names: Vec<&str> = own.iter().map(|&c| &kept.categories[c as usize][..]).collect();
                    let first = format!("c{}", item.as_int().unwrap() % 4);
                    prop_assert_eq!(names, [first.as_str(), "c5"]);
                }
            }
            Err(_) => prop_assert!(expected.is_empty()),
        }
    }
}
