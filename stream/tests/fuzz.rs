//! What producers may send: broken events and examples are refused by name, never with a panic.
//! `PROPTEST_CASES` sets how many are tried.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use hmisr_features::is_missing;
use hmisr_stream::contract::{Event, Id, Reason, TrainingExample};
use hmisr_testkit::messages;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const FIELDS: [&str; 11] = [
    "user_id",
    "item_id",
    "category",
    "action",
    "ts",
    "weight",
    "is_tail",
    "request_id",
    "event_id",
    "other",
    "user\\u005fid",
];

/// A JSON value, or what looks like one.
fn value() -> impl Strategy<Value = String> {
    const ODD: &[&str] = &[
        "null",
        "true",
        "-0",
        "-0.0",
        "1.5",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "1e308",
        "1e400",
        "-1e-400",
        "1E+2",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "Infinity",
        "0x10",
        "\"\"",
        "\"42\"",
        "\"042\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\\x41\"",
        "\"\u{0}\"",
        "\"\u{7f}\"",
        "\"a\nb\"",
        "\"",
        "[]",
        "{}",
        "[1,]",
        "{\"a\":1,\"a\":2}",
        "{1:2}",
        "'x'",
        "/*c*/1",
        "7258118399999",
        "7258118400000",
    ];
    prop_oneof![
        4 => select(ODD).prop_map(str::to_owned),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        2 => any::<f64>().prop_map(|number| number.to_string()),
        2 => ".{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        1 => (0..400usize).prop_map(|length| format!("\"{}\"", "é".repeat(length))),
        1 => (0..20_000usize, select(&["[", "{\"a\":", "[{\"\":"][..])).prop_map(|(depth, open)| open.repeat(depth)),
        1 => (0..100usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ]
}

/// An event of which some fields are odd, missing or there twice.
fn object() -> impl Strategy<Value = String> {
    let good =
        [("user_id", "42"), ("item_id", "\"i\""), ("category", "7"), ("action", "\"click\""), ("ts", "9")];
    let kept = prop::collection::vec(prop::bool::weighted(0.9), good.len());
    let odd = prop::collection::vec((select(&FIELDS[..]), value()), 0..4);
    (kept, odd, any::<Index>()).prop_map(move |(kept, odd, at)| {
        let mut fields: Vec<(&str, String)> = Vec::new();
        fields
            .extend(good.iter().zip(kept).filter(|(_, kept)| *kept).map(|((n, v), _)| (*n, (*v).to_owned())));
        for (name, value) in odd {
            let place = at.index(fields.len() + 1);
            // Mostly instead of the good one, at times beside it.
            if value.len() % 4 > 0 {
                fields.retain(|(field, _)| *field != name);
            }
            fields.insert(place.min(fields.len()), (name, value));
        }
        let fields: Vec<String> =
            fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// The same with bytes cut out, put in or changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), 0..4usize, prop::collection::vec(any::<u8>(), 0..4));
    (object(), prop::collection::vec(change, 0..3)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, cut, put) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, put);
        }
        bytes
    })
}

fn holds(payload: &[u8]) -> Result<(), TestCaseError> {
    match Event::decode(payload) {
        Ok(event) => prop_assert_eq!(Event::decode(&event.encode()), Ok(event)),
        Err((reason, message)) => {
            prop_assert!(
                matches!(reason, Reason::Malformed | Reason::Invalid | Reason::MissingId),
                "{}",
                reason
            );
            prop_assert!(!message.is_empty());
        }
    }
    Ok(())
}

fn example() -> TrainingExample {
    let visit = |number: u32| (Id::from(number), Id::from(number), i64::from(number).pow(2));
    let history: Vec<_> = (0..9).map(visit).collect();
    let example = messages::example(1, &history, (Id::from(2), Id::text("drama").unwrap(), 1_000));
    TrainingExample { request_id: Some("r".to_owned()), ..example }
}

proptest! {
    #[test]
    fn an_odd_event_is_read_as_it_is_or_refused(text in object()) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn a_damaged_event_is_read_as_it_is_or_refused(bytes in damaged()) {
        holds(&bytes)?;
    }

    #[test]
    fn any_bytes_are_no_event_or_one(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes)?;
    }

    #[test]
    fn a_good_event_with_any_ids_reads_back(
        ids in prop::collection::vec(prop_oneof!["[^\u{0}]{1,30}", "[0-9]{1,20}"].prop_filter("somebody", |id| !is_missing(id)), 3),
        action in ".{0,60}",
        ts in any::<i64>(),
        categories in 0..3usize,
        weight in prop::option::of(any::<f32>().prop_filter("finite", |weight| weight.is_finite())),
    ) {
        let ids: Vec<Id> = ids.iter().map(|text| Id::parse(text).unwrap()).collect();
        let [user, item, category] = [0, 1, 2].map(|at: usize| ids[at].clone());
        let event = messages::event(user, item, category, ts);
        let event = Event { categories: ids[..categories].to_vec(), action, weight, ..event };
        prop_assert_eq!(Event::decode(&event.encode()), Ok(event));
    }

    #[test]
    fn a_damaged_example_is_consistent_or_refused(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        keep in any::<Index>(),
        cut in prop::bool::weighted(0.3),
    ) {
        let mut bytes = example().to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len() + 1));
        }
        // What is read is what the trainer relies on.
        if let Ok(example) = TrainingExample::read(&bytes) {
            let opened = example.history.open();
            prop_assert_eq!(opened.visits().count(), opened.len());
            prop_assert!(example.weight.is_finite() && !example.categories.is_empty());
            let again = TrainingExample::read(&example.to_bytes());
            prop_assert_eq!(again.unwrap(), example);
        }
    }

    #[test]
    fn any_bytes_are_no_example_or_one(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(example) = TrainingExample::read(&bytes) {
            let opened = example.history.open();
            prop_assert_eq!(opened.visits().count(), opened.len());
        }
    }
}
