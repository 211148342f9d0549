//! A run that applied nothing, or less than half, ends with code 2 and says why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{SMALL, hmisr, run, stdout};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings};
use hmisr_testkit::messages::unkeyed;
use serde_json::Value;

const EVENT: &str = r#"{"user_id": 1, "item_id": 2, "category": 3, "action": "click", "ts": 1700000000000}"#;

/// A file of so many events, and of lines that are none: without an item, and no JSON.
fn input(folder: &Path, events: usize, invalid: usize, malformed: usize) -> PathBuf {
    let path = folder.join("events.jsonl");
    let lines =
        [(EVENT, events), (r#"{"user_id": 1, "ts": 1700000000000}"#, invalid), ("rubbish", malformed)];
    let text: String = lines.iter().map(|(line, count)| format!("{line}\n").repeat(*count)).collect();
    std::fs::write(&path, text).unwrap();
    path
}

/// The exit code, what was printed as JSON, and the error.
fn ended(output: &Output) -> (i32, Value, String) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|problem| panic!("{problem}: {error}"));
    (output.status.code().unwrap(), json, error)
}

fn backfill(input: &Path, more: &[&str]) -> (i32, Value, String) {
    let output = input.with_extension("features");
    let mut command = hmisr();
    command.args(["backfill", "--json", "--input"]).arg(input).arg("--output").arg(output).args(more);
    ended(&command.output().unwrap())
}

#[test]
fn a_backfill_says_why_with_an_example_of_each_reason() {
    let folder = tempfile::tempdir().unwrap();
    let events = input(folder.path(), 3, 5, 2);
    let (code, json, error) = backfill(&events, &[]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("only 3 of 10 events were applied, less than --min-applied 0.5"), "{error}");
    let place = format!("5 invalid, as {}:4: missing field `item_id`", events.display());
    assert!(error.contains(&place), "{error}");
    assert_eq!((&json["applied"], &json["dead_letters"]), (&3.into(), &7.into()));
    assert_eq!(json["applied_share"], 0.3);
    let rejected = json["rejected"].as_array().unwrap();
    assert_eq!((&rejected[0]["reason"], &rejected[0]["count"]), (&"invalid".into(), &5.into()));
    assert_eq!((&rejected[1]["reason"], &rejected[1]["count"]), (&"malformed".into(), &2.into()));
    let example = rejected[1]["example"].as_str().unwrap();
    assert!(example.contains("events.jsonl:9: ") && example.ends_with(": rubbish"), "{example}");

    assert_eq!(backfill(&events, &["--min-applied", "0.3"]).0, 0);
    assert_eq!(backfill(&events, &["--min-applied", "0"]).0, 0);
    assert_eq!(backfill(&input(folder.path(), 5, 4, 1), &[]).0, 0);
    let (code, _, error) = backfill(&input(folder.path(), 0, 0, 2), &[]);
    assert!(code == 2 && error.contains("none of 2 events was applied"), "{code}: {error}");
    assert_eq!(backfill(&input(folder.path(), 0, 0, 2), &["--min-applied", "0"]).0, 0);
    let share = run(&["backfill", "--input", "a", "--output", "b", "--min-applied", "50"]);
    let error = String::from_utf8_lossy(&share.stderr).into_owned();
    assert!(share.status.code() == Some(2) && error.contains("a share from 0 to 1"), "{error}");
}

#[test]
fn every_command_refuses_a_share_that_is_none() {
    for command in [&["eval", "--data", "a"][..], &["fit", "--data", "a", "--out", "b"]] {
        for share in ["2", "nan", "-1"] {
            let ended = run(&[command, &["--min-applied", share]].concat());
            let error = String::from_utf8_lossy(&ended.stderr).into_owned();
            let refused = error.contains("expected a share from 0 to 1") || share == "-1";
            assert!(ended.status.code() == Some(2) && refused, "{command:?} {share}: {error}");
        }
        let negative = run(&[command, &["--min-applied=-1"]].concat());
        assert!(String::from_utf8_lossy(&negative.stderr).contains("expected a share from 0 to 1"));
    }
}

#[test]
fn a_dead_letter_quotes_the_line_as_its_file_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.jsonl");
    let line =
        |ts: u64| format!(r#"{{"user_id": 1, "item_id": 2, "category": 3, "action": "click", "ts": {ts}}}"#);
    let seconds = (0..390).map(|at| line(1_765_397_000 + at));
    let millis = (0..10).map(|at| line(1_765_397_174_000 + at));
    std::fs::write(&path, seconds.chain(millis).collect::<Vec<_>>().join("\n")).unwrap();
    let (code, json, _) = backfill(&path, &[]);
    let example = json["rejected"][0]["example"].as_str().unwrap();
    assert_eq!((code, &json["rejected"][0]["count"]), (0, &10.into()), "{json}");
    assert!(example.contains("field `ts`: 1765397174000, read as s, "), "{example}");
    assert!(example.contains(&line(1_765_397_174_000)) && !example.contains("1765397174000000"), "{example}");
}

#[test]
fn the_loop_says_it_after_its_summary() {
    let folder = tempfile::tempdir().unwrap();
    let events = input(folder.path(), 1, 3, 0);
    let up = |data: &str, more: &[&str]| {
        let mut command = hmisr();
        command.args(["up", "--until-drained", "--json", "--listen", "127.0.0.1:0"]).args(SMALL).args(more);
        command.args(["--events".as_ref(), events.as_os_str()]).arg("--data").arg(folder.path().join(data));
        ended(&command.output().unwrap())
    };
    let (code, json, error) = up("a", &[]);
    assert_eq!(code, 2, "{error}");
    assert_eq!((&json["events_applied"], &json["dead_letters"]), (&1.into(), &3.into()));
    let rejected = &json["rejected"][0];
    assert_eq!((&rejected["reason"], &rejected["count"]), (&"invalid".into(), &3.into()));
    assert!(rejected["example"].as_str().unwrap().starts_with("events, partition "), "{json}");
    assert!(error.contains("only 1 of 4 events were applied"), "{error}");
    assert!(error.contains("hmisr dlq list --data "), "{error}");
    assert_eq!(up("b", &["--min-applied", "0.25"]).0, 0);
    // Nothing is left to be rejected.
    let (code, json, error) = up("a", &[]);
    assert!(code == 0 && json["applied_share"].is_null(), "{code}, {json}: {error}");
}

#[test]
fn feed_and_bridge_say_it_of_what_they_write() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let events = input(folder.path(), 2, 5, 0);
    let feed = |data: &str| {
        let data = folder.path().join(data);
        hmisr()
            .args(["feed", "--json", "--brokers", brokers, "--events"])
            .arg(&events)
            .arg("--data")
            .arg(data)
            .output()
            .unwrap()
    };
    let missing = feed("none");
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(2), "{error}");
    assert!(error.contains(&format!("hmisr topics create --brokers {brokers}")), "{error}");
    assert!(!folder.path().join("none").exists(), "a feed that cannot begin leaves no folder");
    let (state, snapshots) = (folder.path().join("state"), folder.path().join("snapshots"));
    for (part, option, place) in [("pipeline", "--state", state), ("train", "--snapshots", snapshots)] {
        let mut job = hmisr();
        job.args([part, "--brokers", brokers, "--listen", "127.0.0.1:0", option]).arg(place);
        let output = job.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{part}: {error}");
        assert!(error.contains(&format!("hmisr topics create --brokers {brokers}")), "{part}: {error}");
    }

    stdout(&run(&["topics", "create", "--brokers", brokers, "--also", "clicks=1"]));
    let (code, json, error) = ended(&feed("fed"));
    assert_eq!(code, 2, "{error}");
    assert_eq!((&json["events_fed"], &json["rejected"][0]["count"]), (&7.into(), &5.into()));
    assert!(error.contains("only 2 of 7 events were valid") && error.contains("events.jsonl:3"), "{error}");

    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    for payload in [EVENT, "{}", "{}"] {
        producer.produce(&unkeyed("clicks", 0, payload)).unwrap();
    }
    producer.flush().unwrap();
    let bridge = || {
        let arguments = ["bridge", "--json", "--brokers", brokers, "--from", "clicks", "--until-end"];
        ended(&hmisr().args(arguments).args(["--listen", "127.0.0.1:0"]).output().unwrap())
    };
    let (code, json, error) = bridge();
    assert_eq!(code, 2, "{error}");
    assert_eq!((&json["events"], &json["rejected"][0]["count"]), (&1.into(), &2.into()));
    assert!(error.contains("only 1 of 3 records were copied"), "{error}");
    assert!(error.contains("clicks, partition 0, offset 1: field `user_id` is missing"), "{error}");
    assert_eq!(bridge().0, 0, "a second run has nothing to copy");
}
