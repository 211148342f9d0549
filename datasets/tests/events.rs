//! The stream's own events as JSON lines.

use crate::common::{folder, has, options, read, read_with, refused};
use hmisr_datasets::values::{TimeForm, TimeUnit};
use hmisr_datasets::{Format, Options, Reader, StreamEvents, retimed};

const EVENT: &str =
    r#"{"user_id": "u0", "item_id": 1, "category": "c", "action": "buy", "ts": 1764000000000, "weight": 2}"#;

#[test]
fn events_are_read_as_the_stream_has_them() {
    let rows = [EVENT, r#"{"user_id": 7, "item_id": "i", "category": 3, "action": "x", "ts": 1764000001000, "new": "caf\ud83d"}"#].join("\n");
    let folder = folder(&[("b.jsonl", rows.as_bytes()), ("a.ndjson", EVENT.as_bytes())]);
    let (events, summary) = read(folder.path());
    assert_eq!(events, ["u0 1 c buy 1764000000000 2", "u0 1 c buy 1764000000000 2", "7 i 3 x 1764000001000"]);
    assert_eq!(
        (summary.layout.as_str(), &summary.files[..]),
        ("events", &["a.ndjson", "b.jsonl"].map(str::to_owned)[..])
    );
}

#[test]
fn what_the_stream_would_refuse_is_counted() {
    let without = |field: &str| {
        let mut event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(EVENT).unwrap();
        event.remove(field);
        serde_json::to_string(&event).unwrap()
    };
    let mut rows: Vec<String> = ["user_id", "item_id", "category", "action", "ts"].map(without).to_vec();
    rows.extend([r#""user_id": null"#, r#""user_id": """#, r#""user_id": "NULL""#, r#""user_id": 7.0"#].map(
        |user| format!(r#"{{{user}, "item_id": 1, "category": "c", "action": "a", "ts": 1764000000000}}"#),
    ));
    let rows = [&rows.join("\n"), EVENT, "nonsense", "[1]", "{\"user_id\": 1", ""].join("\n");
    let (events, summary) = read(folder(&[("e.jsonl", rows.as_bytes())]).path());
    assert_eq!(events.len(), 1);
    let reasons: Vec<(&str, u64)> =
        summary.rejected.iter().map(|one| (one.reason.as_str(), one.rows)).collect();
    assert!(reasons.contains(&("not_json", 3)), "{reasons:?}");
    for reason in ["missing_item", "bad_category", "bad_action", "missing_time", "bad_user"] {
        assert!(reasons.contains(&(reason, 1)), "{reason}: {reasons:?}");
    }
    assert!(reasons.contains(&("missing_user", 4)), "absent, null, empty and a word: {reasons:?}");
}

#[test]
fn a_line_with_another_time_keeps_every_field() {
    let line = r#"{"action":"a","categories":["c","d"],"category":"c","event_id":"e","is_tail":true,"item_id":1,"request_id":"r","ts":1764000000,"user_id":7,"weight":2.5}"#;
    let seconds = TimeForm::Number(TimeUnit::Seconds);
    let retimed = String::from_utf8(retimed(line.as_bytes(), &seconds).unwrap()).unwrap();
    assert_eq!(retimed, line.replace("1764000000", "1764000000000"));
}

#[test]
fn a_named_column_takes_no_field_of_an_event_away() {
    let rows = r#"{"user_id":7,"shop":"s","item_id":1,"category":"c","categories":["c","d"],"action":"a","ts":1764000000000,"event_id":"e","request_id":"r","is_tail":false}
{"user_id":7,"shop":"s","item_id":1,"category":"c","action":"a","ts":1764000000001}
{"user_id":7,"shop":"s","item_id":1,"category":"c","action":"a","ts":1764000000002,"event_id":5}
"#;
    let folder = folder(&[("e.jsonl", rows.as_bytes())]);
    let options = options(&[("user", "shop")]);
    let mut reader = Reader::open(folder.path(), Format::Auto, &options).unwrap();
    let record = reader.next().unwrap().unwrap();
    let names: Vec<String> = record.categories.iter().map(ToString::to_string).collect();
    assert_eq!((record.user.to_string().as_str(), &names[..]), ("s", &["c", "d"].map(str::to_owned)[..]));
    let marks = record.marks.unwrap();
    let texts = (marks.event_id.as_deref(), marks.request_id.as_deref(), marks.is_tail);
    assert_eq!(texts, (Some("e"), Some("r"), Some(false)));
    assert_eq!(reader.next().unwrap().unwrap().marks, None);
    has(&reader.summary().counts(), &["2 of 3 rows are events; 1 bad_field, as e.jsonl:3"]);
}

#[test]
fn the_beginning_tells_unit_and_dates() {
    let find = |ts: &str| {
        let rows = [EVENT, &EVENT.replace("1764000000000", "1764000060000")].join("\n");
        let folder = folder(&[("e.jsonl", rows.replace("0000,", ts).as_bytes())]);
        StreamEvents::find(folder.path(), Format::Auto, &Options::default()).unwrap().unwrap().summary
    };
    let (stand, changed) = ("the lines pass as they stand", "the lines pass, with their times in ms");
    for (ts, unit, pass) in [("0000,", "ms", stand), ("0,", "s", changed), ("0000000,", "us", changed)] {
        let told =
            format!("times: {unit}, from 2025-11-24T16:00:00Z to 2025-11-24T16:01:00Z at the beginning");
        has(&find(ts).to_string(), &[&format!("e.jsonl (events): {pass}"), &told]);
    }
}

#[test]
fn a_file_beside_its_own_compressed_copy_is_not_read_twice() {
    let both = folder(&[
        ("a.jsonl", EVENT.as_bytes()),
        ("a.jsonl.gz", EVENT.as_bytes()),
        ("b.jsonl", EVENT.as_bytes()),
    ]);
    for format in [Format::Auto, Format::Jsonl] {
        let error = read_with(both.path(), format, &Options::default()).unwrap_err();
        has(&error, &["a.jsonl and a.jsonl.gz are one file by their names", "move one of them away"]);
        let error = StreamEvents::find(both.path(), format, &Options::default()).unwrap_err().to_string();
        has(&error, &["would be read twice"]);
    }
    assert_eq!(read(&both.path().join("a.jsonl.gz")).0.len(), 1);
}

#[test]
fn a_field_that_nobody_needs_refuses_nothing() {
    let rows = format!("{EVENT}\n{}", EVENT.replace("\"weight\": 2", r#""title": "caf\ud83d""#));
    assert_eq!(read(folder(&[("e.jsonl", rows.as_bytes())]).path()).0.len(), 2);
}

#[test]
fn other_objects_are_read_by_their_keys_or_by_pointers() {
    let rows = r#"{"customer_id": "a", "sku": 5, "created_at": "2023-11-26T19:07:58Z"}"#;
    assert_eq!(crate::common::events("x.jsonl", rows), ["a 5 - click 1701025678000"]);
    let rows = r#"{"user": {"id": "a"}, "goods": {"id": 5, "kind": "k"}, "ts": 1701025678}"#;
    let folder = folder(&[("x.jsonl", rows.as_bytes())]);
    let named = options(&[("user", "/user/id"), ("item", "/goods/id"), ("category", "/goods/kind")]);
    assert_eq!(read_with(folder.path(), Format::Auto, &named).unwrap().0, ["a 5 k click 1701025678000"]);
}

#[test]
fn one_array_and_one_object_over_lines_are_said() {
    has(&refused("a.json", format!("[{EVENT}, {EVENT}]"), &[]), &["one JSON array", "jq -c '.[]' a.json"]);
    has(&refused("a.json", format!("[\n{EVENT},\n{EVENT}\n]"), &[]), &["one JSON array"]);
    has(&refused("a.json", "{\n \"user_id\": 1\n}\n", &[]), &["over several lines", "jq -c . a.json"]);
}

#[test]
fn a_table_in_the_place_of_lines_is_said_and_the_reverse() {
    let table = folder(&[("e.jsonl", b"user_id,item_id,ts\n1,2,1511544070\n")]);
    let error = |folder: &tempfile::TempDir, format| {
        read_with(&folder.path().join("e.jsonl"), format, &Options::default()).unwrap_err()
    };
    has(&error(&table, Format::Jsonl), &["e.jsonl: a table of columns", "--format csv"]);
    // Without a format it is read for what it is.
    assert_eq!(read(&table.path().join("e.jsonl")).0, ["1 2 - click 1511544070000"]);
    let lines = folder(&[("e.jsonl", EVENT.as_bytes())]);
    has(&error(&lines, Format::Csv), &["e.jsonl: JSON lines", "--format jsonl"]);
}

#[test]
fn lines_pass_as_they_stand_unless_their_times_are_no_milliseconds() {
    let find = |ts: &str, pairs: &[(&str, &str)]| {
        let rows = EVENT.replace("1764000000000", ts);
        let folder = folder(&[("e.jsonl", rows.as_bytes())]);
        let found = StreamEvents::find(folder.path(), Format::Auto, &options(pairs)).unwrap();
        found.map(|events| events.retime.map(|form: TimeForm| form.to_string()))
    };
    let form = |text: &str| Some(Some(text.to_owned()));
    assert_eq!(find("1764000000000", &[]), Some(None));
    assert_eq!(find("1764000000000", &[("unit", "ms")]), Some(None));
    assert_eq!(find("1764000000", &[]), form("s"));
    assert_eq!(find("1764000000000000", &[]), form("us"));
    assert_eq!(find("1764000000000.0", &[]), form("ms"));
    assert_eq!(find("\"2025-11-24T16:00:00Z\"", &[]), form("rfc3339"));
    assert_eq!(find("5", &[]), Some(None), "no unit makes a time of it, so it is refused as it stands");
    assert_eq!(find("5", &[("unit", "s")]), form("s"));
    assert_eq!(find("1764000000000", &[("user", "item_id")]), None, "another column is read as a table");
}
