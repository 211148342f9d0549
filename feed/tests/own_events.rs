//! `eval` reads the stream's own events as the stream does, and no option takes a field away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;

use crate::common::{drain, folder, open};
use hmisr_datasets::Reader;
use hmisr_datasets::values::{MAX_CATEGORIES, is_plausible};
use hmisr_feed::{Format, Options};
use hmisr_stream::contract::Event;
use proptest::prelude::*;

/// An event whose field has another value, or is not there.
fn with(field: &str, value: &str) -> String {
    let mut fields = vec![
        ("user_id", "1"),
        ("item_id", "\"i\""),
        ("category", "3"),
        ("action", "\"click\""),
        ("ts", "1764000000000"),
    ];
    fields.retain(|(name, _)| *name != field);
    let mut parts: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    if !value.is_empty() {
        parts.push(format!("\"{field}\": {value}"));
    }
    format!("{{{}}}", parts.join(", "))
}

/// What an experiment reads of an event, and what the job does.
type Told =
    (String, String, Vec<String>, String, i64, Option<f32>, Option<String>, Option<String>, Option<bool>);

fn of_eval(path: &Path) -> Vec<Told> {
    let mut reader = match Reader::open(path, Format::Auto, &Options::default()) {
        Ok(reader) => reader,
        Err(error) => panic!("{error}"),
    };
    let mut events = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let categories = reader.categories(&record).iter().map(ToString::to_string).collect();
        let marks = record.marks.map(|marks| *marks).unwrap_or_default();
        events.push((
            record.user.to_string(),
            record.item.to_string(),
            categories,
            record.action.to_string(),
            record.ts_ms,
            record.weight,
            marks.request_id,
            marks.event_id,
            marks.is_tail,
        ));
    }
    events
}

fn of_stream(path: &Path) -> Vec<Told> {
    let lines = drain(&mut *open(path, Format::Auto).unwrap()).unwrap();
    let events = lines.iter().filter_map(|line| Event::decode(&line.payload).ok());
    let told = |event: Event| {
        let interaction = event.interaction();
        let mut categories = vec![interaction.category.to_string()];
        for further in interaction.more_categories {
            if !categories.contains(&further.to_string()) && categories.len() < MAX_CATEGORIES {
                categories.push(further.to_string());
            }
        }
        let (user, item) = (event.user_id.to_string(), event.item_id.to_string());
        let Event { action, ts, weight, request_id, event_id, is_tail, .. } = event;
        (user, item, categories, action, ts, weight, request_id, event_id, is_tail)
    };
    events.filter(|event| is_plausible(event.ts)).map(told).collect()
}

/// Rows that are events, and rows that are none, each for another reason.
fn rows() -> Vec<String> {
    let long = format!("\"{}\"", "x".repeat(257));
    let mut rows: Vec<String> =
        ["user_id", "item_id", "category", "action", "ts"].map(|field| with(field, "")).into();
    for (field, values) in [
        (
            "user_id",
            &[
                "-1",
                "1.5",
                "1.0",
                "\"\"",
                "null",
                "[1]",
                "\"NULL\"",
                "\" nan \"",
                "\"42\"",
                "true",
                "9223372036854775808",
                "\"None of us\"",
            ][..],
        ),
        ("item_id", &["\"undefined\"", "{}", "\" i\"", "0"]),
        ("category", &["[1]", "null", "\"NULL\"", "\"a|b\"", "\"['a', 'b']\"", "1.5", "\"\""]),
        (
            "categories",
            &[
                "[1,2]",
                "[3,4,3]",
                "[]",
                "null",
                "3",
                "\"a\"",
                "[null]",
                "[1,2,3,4,5,6,7,8]",
                "[1,2,3,4,5,6,7,8,9]",
                "[-1]",
            ],
        ),
        ("action", &["7", "null", "\"\"", "\"NULL\"", &long, "[\"a\"]"]),
        (
            "ts",
            &[
                "1764000000000.0",
                "\"1764000000000\"",
                "1764000000",
                "0",
                "-1",
                "null",
                "1e12",
                "9223372036854775808",
                "7258118400000",
                "631152000000",
            ],
        ),
        ("weight", &["2.5", "null", "\"5\"", "1e300", "-1", "[1]", "0"]),
        ("request_id", &["\"r\"", "null", "3", &long]),
        ("event_id", &["\"e\"", "null", "3", "\"\"", &long]),
        ("is_tail", &["true", "null", "1", "\"true\""]),
        ("new", &["{\"a\": [1]}", "\"caf\\ud83d\"", "[]"]),
    ] {
        rows.extend(values.iter().map(|value| with(field, value)));
    }
    let whole = with("new", "1");
    rows.extend([
        whole.replace("\"user_id\": 1", "\"user_id\": 1, \"user_id\": 1"),
        whole.replace("\"new\": 1", "\"new\": 1, \"new\": 2"),
        whole.replace('"', "'"),
        whole.replace("\"i\"", "\"caf\\ud83d\""),
        format!("{whole} {whole}"),
        format!("{whole},"),
        format!("  {whole}  "),
        format!("[{whole}]"),
        "[1, 2, 3, null, \"a\", 1764000000000, null, null, null, null]".to_owned(),
        whole[..whole.len() - 1].to_owned(),
        "nonsense".to_owned(),
        "null".to_owned(),
    ]);
    rows
}

#[test]
fn every_row_is_taken_or_refused_as_the_stream_does() {
    let whole = with("new", "1");
    for row in rows() {
        // Good ones say in which unit the file's times are.
        let text = [&[&whole[..]; 20][..], &[&row], &[&whole]].concat().join("\n");
        let folder = folder(&[("e.jsonl", text.as_bytes())]);
        assert_eq!(of_eval(folder.path()), of_stream(folder.path()), "{row}");
    }
    let text = rows().join("\n");
    let folder = folder(&[("e.jsonl", text.as_bytes())]);
    assert_eq!(of_eval(folder.path()), of_stream(folder.path()));
}

#[test]
fn times_of_another_unit_are_read_as_the_stream_has_them() {
    for ts in
        ["1764000000", "1764000000.5", "1764000000000.0", "1764000000000000", "\"2025-11-24T16:00:00+0000\""]
    {
        let others = ["5", "\"soon\"", "null"].map(|ts| with("ts", ts));
        let text = [vec![with("ts", ts); 20], others.to_vec()].concat().join("\n");
        let folder = folder(&[("e.jsonl", text.as_bytes())]);
        let read = of_eval(folder.path());
        assert_eq!((read.len(), &read), (20, &of_stream(folder.path())), "{ts}");
    }
    // Where no unit has nine in ten, each stands for itself.
    let mixed = [with("ts", "1764000000"), with("ts", "1764000000000")].join("\n");
    let folder = folder(&[("e.jsonl", mixed.as_bytes())]);
    let read = of_eval(folder.path());
    assert_eq!((read.len(), &read), (1, &of_stream(folder.path())));
}

proptest! {
    #[test]
    fn any_damage_is_refused_by_both_or_by_none(
        damaged in prop::collection::vec((0_usize..40, "[ -~]{0,3}", 0_usize..200, 0_usize..4), 1..12),
    ) {
        let rows = rows();
        let mut text = vec![with("new", "1"); 20];
        for (row, put, at, cut) in damaged {
            let row = &rows[row * 2 % rows.len()];
            let at = row.floor_char_boundary(at % (row.len() + 1));
            let behind = row.floor_char_boundary((at + cut).min(row.len()));
            text.push([&row[..at], &put, &row[behind..]].concat());
        }
        let folder = folder(&[("e.jsonl", text.join("\n").as_bytes())]);
        prop_assert_eq!(of_eval(folder.path()), of_stream(folder.path()));
    }
}

#[test]
fn no_option_takes_a_field_of_an_event_away() {
    let further = r#""categories":["c|x","d"],"event_id":"e","request_id":"r","is_tail":true,"weight":2.5"#;
    let event = |ts: &str, at: u32| {
        format!(
            r#"{{"user_id":{at},"shop":{at},"item_id":1,"category":"c|x","action":"a","ts":{ts},{further}}}"#
        )
    };
    // Out of the order of time, in which a table is held in memory.
    let text = |ts: [&str; 2]| [event(ts[0], 1), event(ts[1], 2)].join("\n");
    let some = |text: &str| Some(text.to_owned());
    let (ms, s) = (["1764000060000", "1764000000000"], ["1764000060", "1764000000"]);
    for (times, options) in [
        (ms, Options::default()),
        (s, Options { time_unit: some("s"), ..Options::default() }),
        (ms, Options { time_unit: some("ms"), ..Options::default() }),
        (ms, Options { category_separator: some("|"), no_header: true, ..Options::default() }),
        (ms, Options { user_column: some("shop"), ..Options::default() }),
        (s, Options { user_column: some("shop"), time_unit: some("s"), ..Options::default() }),
        (ms, Options { action_column: some("action"), weight_column: some("weight"), ..Options::default() }),
    ] {
        let folder = folder(&[("e.jsonl", text(times).as_bytes())]);
        let mut source = hmisr_feed::open(folder.path(), Format::Auto, &options).unwrap();
        let mut events: Vec<Event> =
            drain(&mut *source).unwrap().iter().map(|line| Event::decode(&line.payload).unwrap()).collect();
        events.sort_by_key(|event| event.user_id.to_string());
        let expected = [1, 2].map(|at| {
            let ts = ms[usize::from(at == 2)];
            Event::decode(event(ts, at).as_bytes()).unwrap()
        });
        assert_eq!(events, expected, "{options:?}");
    }
}

#[test]
fn lines_that_pass_are_told_with_unit_and_dates() {
    let text = [with("ts", "1764000000"), with("ts", "1764000060"), "nonsense".to_owned()].join("\n");
    let folder = folder(&[("e.jsonl", text.as_bytes())]);
    let summary = open(folder.path(), Format::Auto).unwrap().summary().unwrap();
    assert_eq!((summary.time.as_str(), summary.passes, summary.rows), ("s", true, 0));
    let dates = (summary.first.as_deref(), summary.last.as_deref());
    assert_eq!(dates, (Some("2025-11-24T16:00:00Z"), Some("2025-11-24T16:01:00Z")));
}
