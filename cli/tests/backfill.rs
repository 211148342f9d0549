//! `hmisr backfill` on the checked-in events gives the checked-in features.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::common::{run, stdout};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../features/tests/golden").join(name)
}

fn backfilled(settings: &[&str], input: &Path) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("features.jsonl");
    let mut arguments = vec![
        "backfill",
        "--min-applied",
        "0",
        "--input",
        input.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    assert!(stdout(&run(&arguments)).contains("events applied"));
    lines(&output)
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_close(given: &Value, expected: &Value, place: &str) {
    match (given, expected) {
        (Value::Object(given), Value::Object(expected)) => {
            assert_eq!(given.len(), expected.len(), "{place}: fields");
            given.iter().for_each(|(field, value)| {
                assert_close(value, &expected[field], &format!("{place}.{field}"))
            });
        }
        (Value::Number(given), Value::Number(expected)) => {
            let (given, expected) = (given.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((given - expected).abs() <= 1e-9, "{place}: {given} is not {expected}");
        }
        _ => assert_eq!(given, expected, "{place}"),
    }
}

fn check(settings: &[&str], events: &str, expected: &str) {
    let (given, expected) = (backfilled(settings, &golden(events)), lines(&golden(expected)));
    assert_eq!((given.len(), given.len()), (expected.len(), lines(&golden(events)).len()));
    for (n, (given, expected)) in given.iter().zip(&expected).enumerate() {
        assert_close(given, expected, &format!("line {n}"));
    }
}

#[test]
fn settings_a() {
    check(
        &[
            "features.window=8",
            "features.recent=4",
            "features.popularity_epoch=10",
            "features.head_share=0.8",
            "features.half_life_events=45",
            "features.max_lateness_ms=1000",
            "features.ttl_ms=7776000000",
        ],
        "events.jsonl",
        "features-a.jsonl",
    );
}

#[test]
fn settings_b() {
    check(
        &[
            "features.window=3",
            "features.recent=6",
            "features.popularity_epoch=15",
            "features.head_share=0.5",
            "features.half_life_events=30",
            "features.max_lateness_ms=0",
            "features.ttl_ms=2592000000",
        ],
        "events.jsonl",
        "features-b.jsonl",
    );
}

#[test]
fn settings_c() {
    check(
        &[
            "features.window=8",
            "features.recent=4",
            "features.popularity_epoch=50",
            "features.head_share=0.8",
            "features.half_life_events=400",
            "features.max_lateness_ms=86400000",
            "features.ttl_ms=2592000000",
        ],
        "clock-events.jsonl",
        "features-c.jsonl",
    );
}

/// Seconds, microseconds and what is no time at all are refused, whatever the clock on the wall says.
#[test]
fn an_implausible_time_is_a_dead_letter_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    let times =
        [1_700_000_000, 631_151_999_999, 631_152_000_000, 7_258_118_399_999, 7_258_118_400_000, -1, i64::MAX];
    let text: String = times
        .iter()
        .map(|ts| {
            format!("{{\"user_id\":1,\"item_id\":2,\"category\":3,\"action\":\"click\",\"ts\":{ts}}}\n")
        })
        .collect();
    std::fs::write(&input, text).unwrap();
    let refused = |settings: &[&str]| -> Vec<bool> {
        let found = backfilled(settings, &input);
        found.iter().map(|line| line["dead_letter"] == "implausible_time").collect()
    };
    assert_eq!(refused(&[]), [true, true, false, false, true, true, true]);
    assert_eq!(refused(&["features.min_ts_ms=0"]), [false, false, false, false, true, true, true]);
}

/// The newest visits have any action; the features, and so the lines, only the positive ones.
#[test]
fn an_action_that_is_not_positive_writes_no_line_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("events.jsonl"), folder.path().join("features.jsonl"));
    let text: String = ["click", "impression", "stare", "buy", "skip"]
        .iter()
        .enumerate()
        .map(|(n, action)| {
            let ts = 1_700_000_000_000_i64 + n as i64;
            format!(
                "{{\"user_id\":1,\"item_id\":{n},\"category\":{n},\"action\":\"{action}\",\"ts\":{ts}}}\n"
            )
        })
        .collect();
    std::fs::write(&input, text).unwrap();
    let arguments =
        ["backfill", "--json", "--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let summary: Value = serde_json::from_str(&stdout(&run(&arguments))).unwrap();
    assert_eq!(
        (&summary["lines"], &summary["applied"], &summary["neutral"]),
        (&5.into(), &5.into(), &3.into())
    );
    let found = lines(&output);
    let of = |field: &str| found.iter().map(|line| line[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("offset"), [0, 3]);
    assert_eq!(found[1]["lifetime"]["switch_rate"], 1.0);
    assert_eq!(found[1]["lifetime"]["events"], 2);
}

/// A file renamed over a pipe or a device would be the end of it: of /dev/null too.
#[test]
fn a_pipe_takes_the_lines_and_stays_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, input) = (folder.path().join("pipe"), golden("events.jsonl"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || lines(&pipe).len()
    });
    let arguments = ["backfill", "--input", input.to_str().unwrap(), "--output", pipe.to_str().unwrap()];
    assert!(stdout(&run(&arguments)).contains("events applied"));
    assert_eq!(reader.join().unwrap(), lines(&golden("features-a.jsonl")).len());
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
}
