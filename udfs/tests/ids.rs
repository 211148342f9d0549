//! The UDFs of ids, built and called as Arroyo builds and calls them, agree with `hmisr-features`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod support;

use arroyo_udf_plugin::arrow::array::{Array, AsArray};
use arroyo_udf_plugin::arrow::datatypes::Int64Type;
use hmisr_features::{id63, json_id};
use proptest::prelude::*;
use support::{load, of_texts};

const KNOWN: [Option<&str>; 12] = [
    Some("42"),
    Some("\"42\""),
    Some("\"042\""),
    Some("9223372036854775807"),
    Some("9223372036854775808"),
    Some("-1"),
    Some("\"ü\""),
    Some("\"\""),
    Some("true"),
    Some("[1, 2]"),
    Some(""),
    None,
];

#[test]
fn known_ids() {
    let texts = of_texts(&load("id_text"), &KNOWN);
    let expected: Vec<_> = KNOWN.iter().map(|json| json.and_then(json_id)).collect();
    assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), expected);
    assert_eq!(expected[..3], [Some("42"), Some("42"), Some("042")]);

    let integers = of_texts(&load("id63"), &KNOWN);
    let expected: Vec<_> = expected.iter().map(|text| text.map(id63)).collect();
    assert_eq!(integers.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), expected);
    assert_eq!(expected[..2], [Some(42), Some(42)]);
}

#[test]
fn no_rows() {
    assert_eq!(of_texts(&load("id_text"), &[]).len(), 0);
    assert_eq!(of_texts(&load("id63"), &[]).len(), 0);
}

#[test]
fn random_texts() {
    let (text, integer) = (load("id_text"), load("id63"));
    let json = prop_oneof![".{0,140}", "\"[a-z]{0,140}\"", "[0-9]{1,20}", "\"[0-9]{1,20}\""];
    proptest!(|(values in prop::collection::vec(prop::option::of(json), 0..40))| {
        let values: Vec<Option<&str>> = values.iter().map(|value| value.as_deref()).collect();
        let expected: Vec<_> = values.iter().map(|json| json.and_then(json_id)).collect();
        let given = of_texts(&text, &values);
        prop_assert_eq!(given.as_string::<i32>().iter().collect::<Vec<_>>(), expected.clone());
        let given = of_texts(&integer, &values);
        let expected: Vec<_> = expected.iter().map(|text| text.map(id63)).collect();
        prop_assert_eq!(given.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), expected);
    });
}
