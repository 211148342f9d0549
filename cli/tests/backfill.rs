//! `hmisr backfill` on the checked-in events gives the checked-in features.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::common::{run, stdout};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../udfs/tests/golden").join(name)
}

fn backfilled(settings: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("features.jsonl");
    let input = golden("events.jsonl");
    let mut arguments =
        vec!["backfill", "--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()];
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

fn check(settings: &[&str], expected: &str) {
    let (given, expected) = (backfilled(settings), lines(&golden(expected)));
    assert_eq!(given.len(), expected.len());
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
        "features-b.jsonl",
    );
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
