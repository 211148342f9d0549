//! The UDF `diversity`, built and called as Arroyo builds and calls it, has the values of the
//! streaming job.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod support;

use arroyo_udf_plugin::arrow::array::ArrayData;
use hmisr_features::{FeatureSettings, Id, Interaction, RECENT, UserState, WindowFeatures, WindowRow};
use proptest::prelude::*;
use serde_json::Value;
use support::{aggregate, diversity, integers};

/// A row as SQL gives it.
type Row = [Option<i64>; 4];

fn columns(rows: &[Row]) -> Vec<ArrayData> {
    (0..4).map(|column| integers(rows.iter().map(|row| row[column]))).collect()
}

fn call(rows: &[Row]) -> String {
    aggregate(diversity(), columns(rows))
}

fn window_rows(rows: &[Row]) -> Vec<WindowRow> {
    let known = rows.iter().filter_map(|&[partition, offset, category, tail]| {
        let tail = tail.map(|tail| tail != 0);
        Some(WindowRow { partition: partition?, offset: offset?, category: category?, tail })
    });
    known.collect()
}

fn native(rows: &[Row]) -> String {
    serde_json::to_string(&WindowFeatures::of(window_rows(rows), RECENT)).unwrap()
}

/// The values that the streaming job's state has after the same events, one after another.
fn assert_streaming(rows: &[Row], json: &str) {
    let mut events = window_rows(rows);
    events.sort();
    events.dedup_by_key(|row| (row.partition, row.offset));
    let settings = FeatureSettings { window: events.len().max(1), ..FeatureSettings::default() };
    let (item, mut user) = (Id::from(1), UserState::default());
    for event in &events {
        let category = Id::text(&format!("category {}", event.category)).unwrap();
        user.push(&settings, 0, &Interaction::new(&item, &category, 0), event.tail == Some(true));
    }
    let features = user.features(&settings);
    let given: Value = serde_json::from_str(json).unwrap();
    assert_eq!(given["events"], features.window.events);
    let mut expected = vec![
        ("entropy", features.window.entropy),
        ("evenness", features.window.evenness),
        ("switch_rate", features.window.switch_rate),
        ("recent_diversity", features.recent_diversity),
    ];
    if events.iter().all(|event| event.tail.is_some()) {
        expected.push(("tail_ratio", features.window.tail_ratio));
    } else {
        assert!(given["tail_ratio"].is_null(), "{json}");
    }
    for (field, expected) in expected {
        let given = given[field].as_f64().unwrap_or_else(|| panic!("{field} of {json}"));
        assert!((given - expected).abs() < 1e-9, "{field} is {given}, not {expected}");
    }
}

fn value(of: impl Strategy<Value = i64>) -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(0.95, of)
}

fn hostile() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0), Just(1), any::<i64>()]
}

fn row() -> impl Strategy<Value = Row> {
    (value(0..2i64), value(0..200i64), value(-2..6i64), value(0..2i64)).prop_map(|(a, b, c, d)| [a, b, c, d])
}

fn hostile_row() -> impl Strategy<Value = Row> {
    let value = || prop::option::of(hostile());
    (value(), value(), value(), value()).prop_map(|(a, b, c, d)| [a, b, c, d])
}

proptest! {
    #[test]
    fn random_windows(rows in prop::collection::vec(row(), 0..300)) {
        let given = call(&rows);
        prop_assert_eq!(&given, &native(&rows));
        assert_streaming(&rows, &given);
    }

    #[test]
    fn hostile_windows(rows in prop::collection::vec(hostile_row(), 0..60)) {
        let given = call(&rows);
        prop_assert_eq!(&given, &native(&rows));
        assert_streaming(&rows, &given);
    }

    /// Arroyo hands over slices of batches, whose buffers begin before the first value.
    #[test]
    fn slices(rows in prop::collection::vec(row(), 20..60), start in 0..10usize, length in 0..10usize) {
        let part = columns(&rows).iter().map(|column| column.slice(start, length)).collect();
        prop_assert_eq!(aggregate(diversity(), part), native(&rows[start..start + length]));
    }
}

#[test]
fn empty_windows() {
    let zeros = r#"{"events":0,"entropy":0.0,"evenness":0.0,"switch_rate":0.0,"tail_ratio":0.0,"recent_diversity":0.0}"#;
    assert_eq!(call(&[]), zeros);
    assert_eq!(call(&[[None; 4], [Some(1), None, Some(1), Some(1)]]), zeros);
}

#[test]
fn one_row() {
    let expected = r#"{"events":1,"entropy":0.0,"evenness":0.0,"switch_rate":0.0,"tail_ratio":1.0,"recent_diversity":1.0}"#;
    assert_eq!(call(&[[Some(0), Some(7), Some(-3), Some(1)]]), expected);
    let raw = call(&[[Some(0), Some(7), Some(-3), None]]);
    assert!(raw.contains(r#""tail_ratio":null"#), "{raw}");
}

#[test]
fn columns_of_different_lengths() {
    let mut columns = columns(&[[Some(0), Some(1), Some(2), Some(0)]; 3]);
    columns[2] = integers([Some(2)]);
    assert!(aggregate(diversity(), columns).contains(r#""events":1"#));
}

#[test]
fn a_million_rows() {
    let mut state = 20_240_601_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64
    };
    let rows: Vec<Row> = (0..1_000_000)
        .map(|_| [Some(0), Some(next() % 1_500_000), Some(next() % 17), Some(i64::from(next() % 5 == 0))])
        .collect();
    let given = call(&rows);
    assert_eq!(given, native(&rows));
    assert_streaming(&rows, &given);
}
