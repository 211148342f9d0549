//! One record of another topic becomes one event, or is told what is wrong with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use hmisr_feed::{BridgeSettings, Defaults, Fields, Mapping, TimeUnit};
use hmisr_stream::Record;
use hmisr_stream::contract::{Event, Reason};

fn record(payload: &str) -> Record {
    let payload = Some(payload.as_bytes().to_vec());
    Record { partition: 0, offset: 0, timestamp_ms: 5_000, key: None, payload, headers: Vec::new() }
}

fn settings() -> BridgeSettings {
    BridgeSettings {
        topic: "clicks".into(),
        fields: Fields {
            user_id: "/user/id".into(),
            item_id: "sku".into(),
            category: "/genres/0".into(),
            ts: "at".into(),
            ..Fields::default()
        },
        defaults: Defaults { action: "click".into(), ..Defaults::default() },
        ..BridgeSettings::default()
    }
}

fn mapped(unit: TimeUnit, payload: &str) -> Result<Event, (Reason, String)> {
    Mapping::new(&BridgeSettings { time_unit: unit, ..settings() }).event(&record(payload))
}

#[test]
fn fields_are_found_by_name_and_by_pointer() {
    let event = mapped(
        TimeUnit::Ms,
        r#"{"user": {"id": "ann"}, "sku": 7, "genres": ["Drama", "War"], "at": 12, "weight": 4.5, "other": 1}"#,
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        serde_json::json!({"user_id": "ann", "item_id": 7, "category": "Drama", "action": "click", "ts": 12, "weight": 4.5})
    );
    // What the record says goes over the default.
    let liked =
        mapped(TimeUnit::Ms, r#"{"user": {"id": 1}, "sku": 7, "genres": [3], "at": 12, "action": "like"}"#);
    assert_eq!(liked.unwrap().action, "like");
}

#[test]
fn times_become_milliseconds() {
    let ts = |unit, at: &str| {
        mapped(unit, &format!(r#"{{"user": {{"id": 1}}, "sku": 7, "genres": [3], "at": {at}}}"#))
            .map(|event| event.ts)
    };
    assert_eq!(ts(TimeUnit::S, "12").unwrap(), 12_000);
    assert_eq!(ts(TimeUnit::S, "12.3456").unwrap(), 12_346);
    assert_eq!(ts(TimeUnit::Us, "12999").unwrap(), 12);
    assert_eq!(ts(TimeUnit::Ns, "12999999").unwrap(), 12);
    for text in [
        "1970-01-01T00:00:12.250Z",
        "1970-01-01T01:00:12.250+01:00",
        "1969-12-31T18:30:12.250-05:30",
        "1970-01-01T00:00:12.250999",
        "1970-01-01 00:00:12.25",
    ] {
        assert_eq!(ts(TimeUnit::Rfc3339, &format!("{text:?}")).unwrap(), 12_250, "{text}");
    }
    assert_eq!(ts(TimeUnit::Record, "null").unwrap(), 5_000);
    for (unit, at) in [
        (TimeUnit::S, "9223372036854775807"),
        (TimeUnit::S, "1e300"),
        (TimeUnit::S, r#""12""#),
        (TimeUnit::Rfc3339, "12"),
        (TimeUnit::Rfc3339, r#""yesterday""#),
        (TimeUnit::Rfc3339, r#""2026-02-30T00:00:00Z""#),
        (TimeUnit::Rfc3339, r#""1969-12-31T23:59:59Z""#),
        (TimeUnit::Ms, "-1"),
        (TimeUnit::Us, "1.5"),
        (TimeUnit::Ms, "null"),
    ] {
        let (reason, text) = ts(unit, at).unwrap_err();
        assert_eq!(reason, Reason::Invalid);
        assert!(text.contains("`ts`") && text.contains("/at"), "{unit:?} {at}: {text}");
    }
}

#[test]
fn what_is_no_event_is_told_with_its_place() {
    for (payload, reason, expected) in [
        ("no json", Reason::Malformed, "expected"),
        ("[1]", Reason::Malformed, "object"),
        (r#"{"sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
        (r#"{"user": {"id": -1}, "sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
        (r#"{"user": {"id": 1}, "sku": 7, "genres": [], "at": 1}"#, Reason::Invalid, "/genres/0"),
    ] {
        let (found, text) = mapped(TimeUnit::Ms, payload).unwrap_err();
        assert_eq!(found, reason, "{payload}");
        assert!(text.contains(expected), "{payload}: {text}");
    }
    let tombstone = Record { payload: None, ..record("") };
    assert_eq!(Mapping::new(&settings()).event(&tombstone).unwrap_err().0, Reason::Malformed);
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let refused = |change: fn(&mut BridgeSettings)| {
        let mut settings = settings();
        change(&mut settings);
        settings.validate().unwrap_err().to_string()
    };
    assert!(settings().validate().is_ok());
    assert!(refused(|s| s.topic = "events".into()).contains("bridge.topic"));
    assert!(refused(|s| s.fields.user_id.clear()).contains("bridge.fields.user_id"));
    assert!(refused(|s| s.fields.ts.clear()).contains("bridge.fields.ts"));
    assert!(refused(|s| s.fields.item_id = "/a~2".into()).contains("bridge.fields.item_id"));
}
