//! The checked-in events give the checked-in features to 1e-9, under three sets of settings.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::HashMap;

use hmisr_features::{FeatureSettings, Id, Interaction, ItemCount, PartitionState, UserState};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
const EVENTS: &str = include_str!("golden/events.jsonl");

#[test]
fn settings_a() {
    let settings = FeatureSettings {
        window: 8,
        recent: 4,
        popularity_epoch: 10,
        head_share: 0.8,
        half_life_events: 45,
        max_lateness_ms: 1_000,
        ttl_ms: 90 * DAY_MS,
        ..FeatureSettings::default()
    };
    check(&settings, EVENTS, include_str!("golden/features-a.jsonl"), 244);
}

#[test]
fn settings_b() {
    let settings = FeatureSettings {
        window: 3,
        recent: 6,
        popularity_epoch: 15,
        head_share: 0.5,
        half_life_events: 30,
        max_lateness_ms: 0,
        ttl_ms: 30 * DAY_MS,
        ..FeatureSettings::default()
    };
    check(&settings, EVENTS, include_str!("golden/features-b.jsonl"), 244);
}

/// Users whose clocks are wrong, now and then or always, for a while or for ever.
#[test]
fn settings_c() {
    let settings = FeatureSettings {
        window: 8,
        recent: 4,
        popularity_epoch: 50,
        head_share: 0.8,
        half_life_events: 400,
        max_lateness_ms: DAY_MS,
        ttl_ms: 30 * DAY_MS,
        ..FeatureSettings::default()
    };
    let events = include_str!("golden/clock-events.jsonl");
    check(&settings, events, include_str!("golden/features-c.jsonl"), 900);
}

fn check(settings: &FeatureSettings, events: &str, expected: &str, count: usize) {
    let mut partition = PartitionState::default();
    let mut users: HashMap<Id, UserState> = HashMap::new();
    let mut items: HashMap<Id, ItemCount> = HashMap::new();
    let mut checked = 0;
    for (offset, (event, wanted)) in events.lines().zip(expected.lines()).enumerate() {
        let event: Value = serde_json::from_str(event).unwrap();
        let wanted: Value = serde_json::from_str(wanted).unwrap();
        let id = |field: &str| -> Id { serde_json::from_value(event[field].clone()).unwrap() };
        let ts = event["ts"].as_i64().unwrap();
        let user = users.entry(id("user_id")).or_default();
        let given = if partition.admit(settings, user, ts).is_err() {
            json!({"dead_letter": "late", "offset": offset})
        } else {
            let (item_id, category) = (id("item_id"), id("category"));
            let is_tail = event.get("is_tail").and_then(Value::as_bool);
            let interaction = Interaction { is_tail, ..Interaction::new(&item_id, &category, ts) };
            let item = items.entry(item_id.clone()).or_default();
            let features = partition.update(settings, 0, (&id("user_id"), user), item, &interaction);
            json!({
                "user_id": id("user_id"), "item_id": item_id, "category": category,
                "tail": features.tail, "ts": ts, "partition": 0, "offset": offset,
                "lifetime": features.lifetime, "window": features.window,
                "recent_diversity": features.recent_diversity,
            })
        };
        assert_close(&given, &wanted, &format!("offset {offset}"));
        checked += 1;
    }
    assert_eq!((checked, expected.lines().count()), (count, count));
}

fn assert_close(given: &Value, expected: &Value, place: &str) {
    match (given, expected) {
        (Value::Object(given), Value::Object(expected)) => {
            let fields = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(fields(given), fields(expected), "{place}");
            for (field, value) in given {
                assert_close(value, &expected[field], &format!("{place}, {field}"));
            }
        }
        (Value::Number(given), Value::Number(expected)) => {
            let (given, expected) = (given.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((given - expected).abs() <= 1e-9, "{place}: {given} is not {expected}");
        }
        _ => assert_eq!(given, expected, "{place}"),
    }
}
