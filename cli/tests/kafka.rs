//! The whole loop over a real Apache Kafka gives the totals of the embedded log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

#[path = "../../stream/tests/kafka/broker.rs"]
mod broker;
mod common;

use std::io::Write;
use std::process::Command;

use common::{backfill, events, export, run, up};

#[test]
fn up_over_kafka_gives_the_same_totals() {
    let Some(brokers) = broker::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    std::fs::write(&input, events(5_000)).unwrap();
    let input_text = input.to_str().unwrap();
    let (expected, state) = backfill(&input, 4);
    let embedded = up(&folder.path().join("embedded"), &["--events", input_text]);
    let kafka = folder.path().join("kafka");
    let given = up(&kafka, &["--events", input_text, "--brokers", brokers]);
    for field in
        ["events_applied", "feature_records", "examples_written", "examples_learnt", "dead_letters", "items"]
    {
        assert_eq!(given[field], embedded[field], "{field}");
    }
    assert_eq!(given["events_applied"], expected["applied"]);
    assert_eq!(export(&kafka.join("state")), state);

    let again = up(&kafka, &["--events", input_text, "--brokers", brokers]);
    assert_eq!((&again["events_fed"], &again["events_in_log_before"]), (&0.into(), &5_000.into()));
    assert_eq!(again["feature_records"], 0);

    let listed = run(&["topics", "list", "--brokers", brokers]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("user-features"));
    let Ok(read) = Command::new("kcat")
        .args([
            "-b",
            brokers,
            "-t",
            "user-features",
            "-C",
            "-e",
            "-q",
            "-X",
            "isolation.level=read_committed",
        ])
        .output()
    else {
        // Not eprintln!, which the test harness keeps to itself.
        let _ = writeln!(std::io::stderr(), "READING WITH kcat IS SKIPPED: it is not installed");
        return;
    };
    let lines = String::from_utf8(read.stdout).unwrap();
    assert_eq!(expected["applied"], lines.lines().count());
}
