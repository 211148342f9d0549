//! One record of another topic becomes its events, or is told what is wrong with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use hmisr_feed::{BridgeSettings, Defaults, Fields, Mapped, Mapping};
use hmisr_stream::contract::{Event, Reason};
use hmisr_stream::{Header, Record};
use proptest::prelude::*;

fn record(payload: &str) -> Record {
    let payload = Some(payload.as_bytes().to_vec());
    Record { partition: 0, offset: 0, timestamp_ms: 5_000, key: None, payload, headers: Vec::new() }
}

fn settings() -> BridgeSettings {
    BridgeSettings {
        topic: "clicks".into(),
        time_unit: "ms".parse().unwrap(),
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

/// With times near 1970.
fn events(settings: &BridgeSettings, record: &Record) -> Result<Mapped, (Reason, String)> {
    Mapping::new(settings).unwrap().with_min_ts_ms(0).events(record)
}

fn mapped(unit: &str, payload: &str) -> Result<Event, (Reason, String)> {
    let settings = BridgeSettings { time_unit: unit.parse().unwrap(), ..settings() };
    events(&settings, &record(payload)).map(|mapped| mapped.events.into_iter().next().unwrap())
}

#[test]
fn fields_are_found_by_name_and_by_pointer() {
    let event = mapped(
        "ms",
        r#"{"user": {"id": "ann"}, "sku": 7, "genres": ["Drama", "War"], "at": 12, "weight": 4.5, "other": 1}"#,
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        serde_json::json!({"user_id": "ann", "item_id": 7, "category": "Drama", "action": "click", "ts": 12, "weight": 4.5})
    );
    // What the record says goes over the default.
    let liked = mapped("ms", r#"{"user": {"id": 1}, "sku": 7, "genres": [3], "at": 12, "action": "like"}"#);
    assert_eq!(liked.unwrap().action, "like");
}

#[test]
fn times_become_milliseconds() {
    let ts = |unit, at: &str| {
        mapped(unit, &format!(r#"{{"user": {{"id": 1}}, "sku": 7, "genres": [3], "at": {at}}}"#))
            .map(|event| event.ts)
    };
    assert_eq!(ts("s", "12").unwrap(), 12_000);
    assert_eq!(ts("s", "12.3456").unwrap(), 12_346);
    assert_eq!(ts("s", r#""12.5""#).unwrap(), 12_500);
    assert_eq!(ts("ms", "12.0").unwrap(), 12);
    assert_eq!(ts("us", "12999").unwrap(), 12);
    assert_eq!(ts("ns", "12999999").unwrap(), 12);
    for text in [
        "1970-01-01T00:00:12.250Z",
        "1970-01-01T01:00:12.250+01:00",
        "1970-01-01T01:00:12.250+0100",
        "1970-01-01 00:00:12.250 UTC",
        "1969-12-31T18:30:12.250-05:30",
        "1970-01-01T00:00:12.250999",
        "1970-01-01 00:00:12.25",
    ] {
        assert_eq!(ts("rfc3339", &format!("{text:?}")).unwrap(), 12_250, "{text}");
    }
    assert_eq!(ts("%d.%m.%Y %H:%M:%S", r#""01.01.1970 00:00:12""#).unwrap(), 12_000);
    assert_eq!(ts("yyyymmdd", "19700102").unwrap(), 86_400_000);
    assert_eq!(ts("record", "null").unwrap(), 5_000);
    for (unit, at) in [
        ("s", "9223372036854775807"),
        ("s", "1e300"),
        ("s", r#""soon""#),
        ("s", "true"),
        ("rfc3339", "12"),
        ("rfc3339", r#""yesterday""#),
        ("rfc3339", r#""2026-02-30T00:00:00Z""#),
        ("ms", "null"),
    ] {
        let (reason, text) = ts(unit, at).unwrap_err();
        assert_eq!(reason, Reason::Invalid);
        assert!(text.contains("`ts`") && text.contains("/at"), "{unit} {at}: {text}");
    }
    for (unit, at) in
        [("rfc3339", r#""1969-12-31T23:59:59Z""#), ("ms", "-1"), ("ms", "7258118400000"), ("auto", "12")]
    {
        let (reason, text) = ts(unit, at).unwrap_err();
        assert_eq!(reason, Reason::ImplausibleTime, "{unit} {at}: {text}");
        assert!(text.contains("`ts`") && text.contains("/at"), "{unit} {at}: {text}");
    }
    let unknown = Record { timestamp_ms: -1, ..record(r#"{"user": {"id": 1}, "sku": 7, "genres": [3]}"#) };
    let by_record = BridgeSettings { time_unit: "record".parse().unwrap(), ..settings() };
    assert!(events(&by_record, &unknown).unwrap_err().1.contains("timestamp"));
}

#[test]
fn what_is_no_event_is_told_with_its_place() {
    for (payload, reason, expected) in [
        ("no json", Reason::Malformed, "expected"),
        ("[1]", Reason::Malformed, "object"),
        (r#"{"sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
        (r#"{"user": {"id": -1}, "sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
        (r#"{"user": {"id": 1.5}, "sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "fraction"),
        (r#"{"user": {"id": 1}, "sku": 7, "genres": [], "at": 1}"#, Reason::Invalid, "/genres/0"),
        (r#"{"user": {"id": 1}, "sku": {}, "genres": [1], "at": 1}"#, Reason::Invalid, "/sku"),
        (r#"{"user": {"id": "NULL"}, "sku": 7, "genres": [3], "at": 1}"#, Reason::MissingId, "/user/id"),
        (r#"{"user": {"id": ""}, "sku": 7, "genres": [3], "at": 1}"#, Reason::MissingId, "/user/id"),
        (r#"{"user": {"id": 1}, "sku": "nan", "genres": [3], "at": 1}"#, Reason::MissingId, "/sku"),
    ] {
        let (found, text) = mapped("ms", payload).unwrap_err();
        assert_eq!(found, reason, "{payload}: {text}");
        assert!(text.contains(expected), "{payload}: {text}");
    }
    let tombstone = Record { payload: None, ..record("") };
    assert_eq!(events(&settings(), &tombstone).unwrap_err().0, Reason::Malformed);
}

#[test]
fn a_field_falls_back_to_the_next_place_that_has_a_value() {
    let settings = BridgeSettings {
        fields: Fields { user_id: "userId,anonymousId,key:".into(), ..settings().fields },
        ..settings()
    };
    let user = |json: &str, key: Option<&str>| {
        let record = Record {
            key: key.map(|key| key.as_bytes().to_vec()),
            ..record(&format!(r#"{{{json} "sku": 7, "genres": [3], "at": 1}}"#))
        };
        events(&settings, &record).map(|mapped| mapped.events[0].user_id.to_string())
    };
    assert_eq!(user(r#""userId": "p", "anonymousId": "a","#, None).unwrap(), "p");
    for nobody in ["null", "\"\"", "\"NULL\"", "\"undefined\""] {
        assert_eq!(
            user(&format!(r#""userId": {nobody}, "anonymousId": "a","#), None).unwrap(),
            "a",
            "{nobody}"
        );
    }
    assert_eq!(user("", Some("k7")).unwrap(), "k7");
    assert_eq!(user(r#""userId": "nan","#, None).unwrap_err().0, Reason::MissingId);
    let (reason, text) = user("", None).unwrap_err();
    assert_eq!(reason, Reason::Invalid);
    assert!(text.contains("/userId, /anonymousId, key:"), "{text}");
}

#[test]
fn the_key_and_headers_are_places() {
    let with = |user: &str, event: &str| BridgeSettings {
        fields: Fields { user_id: user.into(), event_id: event.into(), ..settings().fields },
        ..settings()
    };
    let json = r#"{"sku": 7, "genres": [3], "at": 1}"#;
    let keyed = |key: &[u8]| Record {
        key: Some(key.to_vec()),
        headers: vec![Header::new("id", "e1"), Header::new("id", "e2"), Header::new("odd", [0xff])],
        ..record(json)
    };
    let event = events(&with("key:", "header:id"), &keyed(b"42")).unwrap().events.remove(0);
    assert_eq!((event.user_id.as_int(), event.event_id.as_deref()), (Some(42), Some("e2")));
    for (place, key) in [
        ("key:/id", &br#"{"id": 42}"#[..]),
        ("key:.", b"42"),
        ("key:.", b"\"42\""),
        ("key:/id", b"\x00\x00\x00\x00\x01{\"id\": 42}"),
    ] {
        let event = events(&with(place, ""), &keyed(key)).unwrap().events.remove(0);
        assert_eq!(event.user_id.as_int(), Some(42), "{place}");
    }
    for (user, event, key, told) in [
        ("key:", "", &[0_u8, 0, 0, 7, 0xff][..], "UTF-8"),
        ("key:/id", "", b"u7", "key"),
        ("key:", "header:odd", b"u7", "header:odd"),
    ] {
        let (reason, text) = events(&with(user, event), &keyed(key)).unwrap_err();
        assert!(reason == Reason::Invalid && text.contains(told), "{text}");
    }
}

#[test]
fn only_the_records_that_are_wanted_become_events() {
    let settings = BridgeSettings { only: vec!["/op=c,r".into(), "header:kind=a\\,b".into()], ..settings() };
    let count = |op: &str, kind: &str| {
        let record = Record {
            headers: vec![Header::new("kind", kind)],
            ..record(&format!(r#"{{"op": {op}, "user": {{"id": 1}}, "sku": 7, "genres": [3], "at": 1}}"#))
        };
        events(&settings, &record).unwrap().events.len()
    };
    assert_eq!((count("\"c\"", "a,b"), count("\"r\"", "a,b")), (1, 1));
    for (op, kind) in [("\"d\"", "a,b"), ("null", "a,b"), ("\"c\"", "a"), ("[\"c\"]", "a,b"), ("7", "a,b")] {
        assert_eq!(count(op, kind), 0, "{op} {kind}");
    }
    // A tombstone has no `op`.
    assert_eq!(events(&settings, &Record { payload: None, ..record("") }).unwrap(), Mapped::default());
    // What cannot be read cannot be said to be unwanted.
    assert_eq!(events(&settings, &record("rubbish")).unwrap_err().0, Reason::Malformed);
    let numbers = BridgeSettings { only: vec!["/v=1".into(), "/ok=true".into()], ..self::settings() };
    let one = r#"{"v": 1.0, "ok": true, "user": {"id": 1}, "sku": 7, "genres": [3], "at": 1}"#;
    assert_eq!(events(&numbers, &record(one)).unwrap().events.len(), 1);
}

fn items() -> BridgeSettings {
    BridgeSettings {
        each: "/items".into(),
        fields: Fields {
            user_id: "/user".into(),
            item_id: "./sku,/sku".into(),
            category: "category".into(),
            ts: "/at".into(),
            event_id: "/id".into(),
            ..Fields::default()
        },
        ..settings()
    }
}

#[test]
fn each_element_of_a_list_becomes_an_event() {
    let json = r#"{"user": 1, "category": "c", "at": 5, "id": "e", "items": [{"sku": "a", "category": "own"}, {"sku": "b"}]}"#;
    let found = events(&items(), &record(json)).unwrap().events;
    let told: Vec<_> = found
        .iter()
        .map(|event| {
            (event.item_id.to_string(), event.category.to_string(), event.event_id.clone().unwrap(), event.ts)
        })
        .collect();
    // The events of one record are no duplicates of each other.
    let expected = [("a", "own", "e#0"), ("b", "c", "e#1")];
    assert_eq!(told, expected.map(|(item, category, id)| (item.into(), category.into(), id.to_owned(), 5)));

    // Without the list a record is its own only element; an empty one has no event.
    let alone = r#"{"user": 1, "category": "c", "at": 5, "id": "e", "sku": "z"}"#;
    let alone = events(&items(), &record(alone)).unwrap().events;
    assert_eq!((alone.len(), alone[0].event_id.as_deref()), (1, Some("e")));
    assert!(events(&items(), &record(r#"{"user": 1, "items": []}"#)).unwrap().events.is_empty());

    // Elements that are no objects, and a filter on them.
    let plain = BridgeSettings {
        only: vec![".=a,c".into()],
        fields: Fields { item_id: ".".into(), ..items().fields },
        ..items()
    };
    let json = r#"{"user": 1, "category": "c", "at": 5, "items": ["a", "b", "c"]}"#;
    let found = events(&plain, &record(json)).unwrap().events;
    assert_eq!(found.iter().map(|event| event.item_id.to_string()).collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn a_list_that_cannot_be_is_told() {
    let many = vec![r#"{"sku": 1}"#; 1_001].join(",");
    for (json, reason, told) in [
        (
            r#"{"user": 1, "category": "c", "at": 5, "items": {"sku": 1}}"#.to_owned(),
            Reason::Invalid,
            "/items",
        ),
        (
            r#"{"user": 1, "category": "c", "at": 5, "items": [{"sku": 1}, {"sku": null}]}"#.to_owned(),
            Reason::Invalid,
            "element 1",
        ),
        (format!(r#"{{"user": 1, "category": "c", "at": 5, "items": [{many}]}}"#), Reason::TooLarge, "1001"),
    ] {
        let (found, text) = events(&items(), &record(&json)).unwrap_err();
        assert!(found == reason && text.contains(told), "{text}");
    }
}

#[test]
fn numbers_come_as_text_as_floats_and_as_integers() {
    let read = |fields: &str| {
        let settings = BridgeSettings { fields: Fields::default(), ..settings() };
        let json =
            format!(r#"{{"user_id": 1, "item_id": 42, "category": 3, "action": "buy", "ts": 12 {fields}}}"#);
        events(&settings, &record(&json)).map(|mapped| serde_json::to_value(&mapped.events[0]).unwrap())
    };
    assert_eq!(read(r#", "weight": "19.90""#).unwrap()["weight"].as_f64().unwrap() as f32, 19.9);
    assert_eq!(read(r#", "event_id": 77"#).unwrap()["event_id"], "77");
    assert_eq!(read(r#", "request_id": 77.0"#).unwrap()["request_id"], "77");
    assert_eq!(read(r#", "is_tail": 0"#).unwrap()["is_tail"], false);
    assert_eq!(read(r#", "is_tail": "true""#).unwrap()["is_tail"], true);
    assert_eq!(read(r#", "weight": NaN"#).unwrap().get("weight"), None);
    for bad in [r#", "weight": "much""#, r#", "is_tail": 7"#, r#", "event_id": [1]"#, r#", "weight": 1e300"#]
    {
        let (reason, text) = read(bad).unwrap_err();
        assert!(reason == Reason::Invalid && text.contains("field `"), "{bad}: {text}");
    }
    for (json, field, expected) in [
        (
            r#"{"user_id": 1, "item_id": 42.0, "category": 3, "action": "buy", "ts": 12}"#,
            "item_id",
            serde_json::json!(42),
        ),
        (
            r#"{"user_id": 1, "item_id": 42, "category": 3, "action": 2, "ts": 12}"#,
            "action",
            serde_json::json!("2"),
        ),
        (
            r#"{"user_id": 1, "item_id": 42, "category": ["a", "b"], "action": "buy", "ts": 12}"#,
            "category",
            serde_json::json!("a"),
        ),
        (
            r#"{"user_id": 1, "item_id": 42, "category": 3, "action": "", "ts": "12"}"#,
            "action",
            serde_json::json!("click"),
        ),
    ] {
        let settings = BridgeSettings { fields: Fields::default(), ..settings() };
        let event = &events(&settings, &record(json)).unwrap().events[0];
        assert_eq!(serde_json::to_value(event).unwrap()[field], expected, "{json}");
    }
    let several =
        r#"{"user_id": 1, "item_id": 42, "category": ["a", "b", null, "a"], "action": "buy", "ts": 12}"#;
    let settings = BridgeSettings { fields: Fields::default(), ..settings() };
    let event = events(&settings, &record(several)).unwrap().events.remove(0);
    assert_eq!(serde_json::json!([event.category, event.categories]), serde_json::json!(["a", ["a", "b"]]));
}

#[test]
fn a_field_that_nobody_maps_refuses_no_record() {
    let with = |odd: &str, sku: &str| {
        let json =
            format!(r#"{{"user": {{"id": 1}}, "sku": {sku}, "genres": [3], "at": 1, "title": {odd}}}"#);
        events(&settings(), &record(&json)).map(|mapped| mapped.events.len())
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for odd in [
        r#""caf\ud83d""#,
        r#""\ude00""#,
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "-Infinity",
        "\"tab\there\"",
        &deep,
    ] {
        assert_eq!(with(odd, "7"), Ok(1), "{odd}");
    }
    // Asked for, it refuses its record, with its place.
    for (sku, told) in [(r#""caf\ud83d""#, "half an emoji"), ("1e999", "beyond"), ("Infinity", "finite")] {
        let (reason, text) = with("1", sku).unwrap_err();
        assert!(reason == Reason::Invalid && text.contains(told) && text.contains("/sku"), "{text}");
    }
    let mut bytes = br#"{"user": {"id": 1}, "sku": 7, "genres": [3], "at": 1, "title": ""#.to_vec();
    bytes.extend(b"\xff\xfe\"}");
    assert_eq!(events(&settings(), &Record { payload: Some(bytes), ..record("") }).unwrap().events.len(), 1);
}

#[test]
fn a_schema_registrys_prefix_is_skipped_and_what_is_not_json_named() {
    let json = br#"{"user": {"id": 1}, "sku": 7, "genres": [3], "at": 1}"#;
    let prefixed = [&b"\x00\x00\x00\x00\x07"[..], json].concat();
    let mapped = events(&settings(), &Record { payload: Some(prefixed), ..record("") }).unwrap();
    assert!(mapped.prefixed && mapped.events.len() == 1);
    let avro = b"\x00\x00\x00\x00\x07\x02\x08user\x0e".to_vec();
    let (reason, text) = events(&settings(), &Record { payload: Some(avro), ..record("") }).unwrap_err();
    assert_eq!(reason, Reason::Malformed);
    assert!(text.contains("Avro or Protobuf") && text.contains("schema 7"), "{text}");
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
    assert!(refused(|s| s.fields.item_id = "sku,header:".into()).contains("header:NAME"));
    assert!(refused(|s| s.only = vec!["/op".into()]).contains("bridge.only"));
    assert!(refused(|s| s.each = "items".into()).contains("bridge.each"));
    for unit in ["hours", "%H", ""] {
        let json = serde_json::json!({"time_unit": unit});
        assert!(serde_json::from_value::<BridgeSettings>(json).is_err(), "{unit}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_events_skipped_or_told(
        payload in prop::collection::vec(any::<u8>(), 0..60),
        near in "[\\{\\}\\[\\]\":,a-z0-9. ]{0,80}",
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..10)),
    ) {
        for payload in [payload, near.into_bytes()] {
            let record = Record { payload: Some(payload), key: key.clone(), ..record("") };
            for settings in [settings(), items()] {
                let mut mapping = Mapping::new(&BridgeSettings { time_unit: "auto".parse().unwrap(), ..settings }).unwrap();
                let _ = mapping.learn([&record]);
                let _ = mapping.events(&record);
            }
        }
    }
}
