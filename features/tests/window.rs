//! A window that is given whole has the features of the same events given one after another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use hmisr_features::{
    Diversity, FeatureSettings, Id, Interaction, RECENT, UserState, WindowFeatures, WindowRow, id63, json_id,
};
use proptest::prelude::*;

fn row() -> impl Strategy<Value = WindowRow> {
    (0..3i64, -50..50i64, -3..4i64, any::<bool>()).prop_map(|(partition, offset, category, tail)| WindowRow {
        partition,
        offset,
        category,
        tail: Some(tail),
    })
}

/// The events one after another, through the state that the streaming job keeps.
fn one_by_one(rows: &[WindowRow], recent: usize) -> (Diversity, f64) {
    let settings = FeatureSettings { window: rows.len().max(1), recent, ..FeatureSettings::default() };
    let (item, mut user) = (Id::from(1), UserState::default());
    for row in rows {
        let category = Id::text(&format!("category {}", row.category)).unwrap();
        let event = Interaction::new(&item, &category, 0);
        user.push(&settings, 0, &event, row.tail == Some(true));
    }
    let features = user.features(&settings);
    (features.window, features.recent_diversity)
}

proptest! {
    #[test]
    fn equals_the_streaming_state(rows in prop::collection::vec(row(), 0..120), recent in 1..20usize) {
        let mut events = rows.clone();
        events.sort();
        events.dedup_by_key(|row| (row.partition, row.offset));
        let (expected, recent_diversity) = one_by_one(&events, recent);
        let given = WindowFeatures::of(rows, recent);
        prop_assert_eq!(given.events, expected.events);
        prop_assert!((given.entropy - expected.entropy).abs() < 1e-9);
        prop_assert!((given.evenness - expected.evenness).abs() < 1e-9);
        prop_assert_eq!(given.switch_rate, expected.switch_rate);
        prop_assert_eq!(given.tail_ratio, Some(expected.tail_ratio));
        prop_assert_eq!(given.recent_diversity, recent_diversity);
    }

    #[test]
    fn order_and_repetition_never_show(
        (rows, shuffled) in prop::collection::vec(row(), 1..60)
            .prop_flat_map(|rows| (Just(rows.clone()), Just([rows.clone(), rows].concat()).prop_shuffle())),
    ) {
        prop_assert_eq!(WindowFeatures::of(rows, RECENT), WindowFeatures::of(shuffled, RECENT));
    }
}

#[test]
fn an_unknown_mark_makes_the_tail_ratio_unknown() {
    let row = |offset, tail| WindowRow { partition: 0, offset, category: 1, tail };
    let ratio = |rows: &[WindowRow]| WindowFeatures::of(rows.to_vec(), RECENT).tail_ratio;
    assert_eq!(ratio(&[row(0, Some(true)), row(1, Some(false))]), Some(0.5));
    assert_eq!(ratio(&[row(0, Some(true)), row(1, None)]), None);
    assert_eq!(ratio(&[]), Some(0.0));
}

#[test]
fn names_are_those_of_the_record() {
    let fields =
        |value: serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut expected = fields(serde_json::to_value(Diversity::default()).unwrap());
    expected.push("recent_diversity".to_owned());
    expected.sort();
    assert_eq!(fields(serde_json::to_value(WindowFeatures::of(Vec::new(), RECENT)).unwrap()), expected);
}

#[test]
fn ids_of_json_are_ids() {
    let long = format!("\"{}\"", "x".repeat(129));
    for json in [
        "0",
        "42",
        "\"42\"",
        "\"042\"",
        "9223372036854775807",
        "9223372036854775808",
        "042",
        "-1",
        "1.5",
        "1e3",
        "true",
        "null",
        "",
        "\"",
        "\"\"",
        "[1]",
        "{}",
        "\"ü7\"",
        "\"a b\"",
        &long,
    ] {
        let id = serde_json::from_str::<Id>(json).ok();
        assert_eq!(json_id(json).map(str::to_owned), id.map(|id| id.to_string()), "{json}");
    }
    // Arroyo undoes the escapes within a string and keeps its quotes.
    assert_eq!(json_id("\"say \"hi\"\""), Some("say \"hi\""));
}

#[test]
fn integers_stand_for_themselves_and_texts_for_their_hash() {
    assert_eq!((id63("0"), id63("42"), id63("9223372036854775807")), (0, 42, i64::MAX));
    // The test vectors of the FNV draft, without the highest bit.
    assert_eq!(id63("a"), 0xaf63_dc4c_8601_ec8c_u64 as i64 & i64::MAX);
    assert_eq!(id63("foobar"), 0x8594_4171_f739_67e8_u64 as i64 & i64::MAX);
    assert_ne!(id63("042"), 42);
    assert!(id63("9223372036854775808") >= 0);
}
