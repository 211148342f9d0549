//! Killed at random and at every named point, over the embedded log and over Kafka; and a broken
//! order of the commit does not pass.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::process::{Command, Output};

use hmisr_testkit::broker;
use serde_json::Value;

fn chaos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hmisr-chaos")).args(arguments).output().unwrap()
}

/// The figures of a run that must be green.
fn green(arguments: &[&str]) -> Value {
    let output = chaos(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap()
}

/// The events were hostile, and came through.
fn assert_hostile(report: &Value) {
    for field in ["features", "examples", "forgotten", "neutral", "unknown_actions", "users"] {
        assert!(count(report, field) > 0, "{field}: {report:#}");
    }
    let reasons: Vec<&str> = report["dead_letters"].as_object().unwrap().keys().map(String::as_str).collect();
    for reason in ["future", "implausible_time", "invalid", "key_mismatch", "late", "malformed", "too_large"]
    {
        assert!(reasons.contains(&reason), "{reason}: {report:#}");
    }
}

#[test]
fn killed_at_random_moments_over_the_embedded_log() {
    let report = green(&["run", "--log", "--kills", "25", "--compare-every", "10", "--seed", "7"]);
    assert_eq!((count(&report, "kills"), count(&report, "comparisons")), (25, 3));
    assert_hostile(&report);
}

#[test]
fn killed_at_every_point() {
    let report = green(&["points"]);
    let points = report["kills_by_last_point"].as_object().unwrap();
    assert_eq!(points.len(), hmisr_pipeline::engine::Point::ALL.len());
    assert!(points.values().all(|kills| *kills == 3), "{report:#}");
}

#[test]
fn the_loop_notices_a_swapped_commit() {
    let run = ["run", "--log", "--kills", "100", "--seed", "3", "--swap"];
    let output = chaos(&run);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    // The last is what is said of a store whose very first commit the group did not get.
    let ahead = [
        "ahead of the group's committed offset",
        "a start has set a store aside",
        "but the group has no committed offset",
    ];
    assert!(ahead.iter().any(|text| told.contains(text)), "{told}");
    let kept = told.lines().find_map(|line| line.split("kept: ").nth(1)).unwrap();
    std::fs::remove_dir_all(kept).unwrap();
}

#[test]
fn a_run_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let run = |kills| ["run", "--data", data, "--seed", "5", "--kills", kills];
    let first = green(&run("3"));
    assert_eq!(chaos(&run("6")).status.code(), Some(2), "a used folder needs --resume");
    let second = green(&[&run("6")[..], &["--resume"]].concat());
    assert_eq!(count(&second, "kills"), 6);
    assert!(count(&second, "events") > count(&first, "events"));
}

#[test]
fn killed_at_random_moments_over_kafka() {
    let Some(brokers) = broker::shared() else { return };
    let report = green(&["run", "--brokers", brokers, "--kills", "6", "--instances", "2", "--seed", "7"]);
    assert_eq!((count(&report, "kills"), count(&report, "instances")), (6, 2));
    assert_hostile(&report);
}

#[test]
fn no_partition_stands_still_whoever_is_killed_in_a_rebalance() {
    // Each membership has its topics, which are new, at a broker of its own.
    for (membership, starts) in [("static", "5"), ("dynamic", "2"), ("consumer", "1")] {
        let own = broker::start_with(1, |_| vec!["--session-ms".to_owned(), "10000".to_owned()]);
        let Some(own) = own else { return };
        let place = ["starts", "--brokers", &own.address, "--seed", "7"];
        let report = green(&[&place[..], &["--starts", starts, "--membership", membership]].concat());
        assert_eq!(report["starts"].to_string(), starts, "{membership}");
        assert!(count(&report, "events") > 0, "{report:#}");
    }
}
