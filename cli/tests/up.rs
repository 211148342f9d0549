//! `hmisr up`: the whole loop, drained, restarted, killed, served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::{Running, SMALL, backfill, events, export, get, get_json, hmisr, up};
use hmisr_stream::contract::topic;
use hmisr_stream::log::{Log, LogSettings};
use serde_json::Value;

#[test]
fn the_loop_learns_what_the_generator_knows_and_goes_on_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let first = up(data.path(), &["--generate", "12000"]);
    assert_eq!(first["events_applied"], 12_000);
    assert_eq!(first["feature_records"], 12_000);
    assert_eq!(first["examples_learnt"], first["examples_written"]);
    assert_eq!(first["served_version"], first["snapshot_version"]);
    let (recommended, chance) = (&first["interests"]["recommended"], &first["interests"]["chance"]);
    assert!(recommended.as_f64().unwrap() > 1.5 * chance.as_f64().unwrap(), "{first}");
    assert!(data.path().join("report/prequential.svg").exists());
    python_reads(&data.path().join("snapshots"));

    let second = up(data.path(), &["--generate", "15000"]);
    assert_eq!((&second["events_in_log_before"], &second["events_fed"]), (&12_000.into(), &3_000.into()));
    assert_eq!(second["events_applied"], 3_000);
    let learnt = |run: &Value| run["examples_learnt"].as_u64().unwrap();
    assert_eq!(learnt(&second), learnt(&first) + second["examples_written"].as_u64().unwrap());
    assert!(second["snapshot_version"].as_u64() > first["snapshot_version"].as_u64());

    let other =
        hmisr().args(["up", "--set", "feed.generator.seed=2", "--data"]).arg(data.path()).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("feed.json"));
}

/// The newest snapshot's items by the reader that others may use.
fn python_reads(snapshots: &Path) {
    let newest = snapshots.join(std::fs::read_to_string(snapshots.join("LATEST")).unwrap().trim());
    let catalogue: Value =
        serde_json::from_slice(&std::fs::read(newest.join("catalogue.json")).unwrap()).unwrap();
    let item = catalogue[0]["id"].to_string();
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/read_weights.py");
    let python =
        Command::new("python3").arg(script).arg(&newest).args(["--top", "3", "--item", &item]).output();
    let Ok(output) = python else {
        eprintln!("SKIPPED: there is no python3 to run scripts/read_weights.py with");
        return;
    };
    let near = crate::common::stdout(&output);
    let cosines: Vec<f64> =
        near.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(cosines.len() == 3 && cosines.is_sorted_by(|a, b| a >= b) && cosines[0] <= 1.0, "{near}");
}

#[test]
fn input_without_a_single_example_is_drained_too() {
    let data = tempfile::tempdir().unwrap();
    let input = data.path().join("events.jsonl");
    let event = r#"{"user_id": 1, "item_id": 2, "category": 3, "action": "click", "ts": 1700000000000}"#;
    for (lines, applied, dead_letters) in [(event, 1, 0), ("rubbish\n{}\n\n[1]\n", 0, 3)] {
        std::fs::write(&input, lines).unwrap();
        let folder = data.path().join(format!("data-{applied}"));
        let summary = up(&folder, &["--events", input.to_str().unwrap(), "--min-applied", "0"]);
        assert_eq!(
            (&summary["events_applied"], &summary["dead_letters"]),
            (&applied.into(), &dead_letters.into())
        );
        assert_eq!(summary["snapshot_version"], 0);
    }
}

#[test]
fn killed_again_and_again_it_ends_as_if_never_killed() {
    let data = tempfile::tempdir().unwrap();
    let input = data.path().join("events.jsonl");
    std::fs::write(&input, events(6_000)).unwrap();
    let (expected, state) = backfill(&input, 4);
    let folder = data.path().join("data");
    for pause_ms in [900, 300, 1_500, 50, 700] {
        let mut command = hmisr();
        command.args(["up", "--listen", "127.0.0.1:0", "--rate", "1500", "--data"]).arg(&folder);
        command.args(["--events".as_ref(), input.as_os_str()]).args(SMALL);
        let mut running = Running::start(&mut command);
        running.address();
        std::thread::sleep(Duration::from_millis(pause_ms));
        running.child.kill().unwrap();
        drop(running);
    }
    let last = up(&folder, &["--events", input.to_str().unwrap()]);
    assert_eq!(export(&folder.join("state")), state, "every user's state equals the backfill's");

    let log = Log::open(&folder.join("log"), LogSettings::default()).unwrap();
    let records = |topic| log.ends(topic).unwrap().iter().sum::<i64>();
    assert_eq!(records(topic::EVENTS), 6_000);
    assert_eq!(expected["applied"], records(topic::USER_FEATURES));
    assert_eq!(expected["dead_letters"], records(topic::DEAD_LETTERS));
    assert_eq!(last["examples_learnt"], records(topic::TRAINING_EXAMPLES));
}

#[test]
fn requests_are_answered_while_snapshots_swap_and_ctrl_c_ends_cleanly() {
    let data = tempfile::tempdir().unwrap();
    let mut command = hmisr();
    command.args(["up", "--rate", "3000", "--listen", "127.0.0.1:0", "--data"]).arg(data.path()).args(SMALL);
    let running = Running::start(&mut command);
    let address = running.address();
    running.line_with("snapshot in force");
    let ask = |path: &str| get_json(&format!("http://{address}{path}")).unwrap();
    let mut versions = std::collections::BTreeSet::new();
    let mut answers = 0;
    while versions.len() < 4 {
        let answer = ask(&format!("/v1/recommend?user_id={}&k=5", answers % 900 + 1));
        assert_eq!(answer["items"].as_array().unwrap().len(), 5, "{answer}");
        versions.insert(answer["model_version"].as_u64().unwrap());
        answers += 1;
        assert!(answers < 1_000_000, "no further snapshot: {versions:?}");
    }
    let user = ask("/v1/users/1");
    assert!(
        user["lifetime"]["events"].as_u64().unwrap() > 0 && !user["visits"].as_array().unwrap().is_empty()
    );
    assert!(ask("/v1/model")["version"].as_u64() >= versions.last().copied());
    let (_, metrics) = get(&format!("http://{address}/metrics"));
    for name in [
        "hmisr_feed_events_total",
        "hmisr_pipeline_events_total",
        "hmisr_pipeline_lag_records",
        "hmisr_pipeline_commit_seconds_count",
        "hmisr_pipeline_dead_letters_total{reason=\"late\"}",
        "hmisr_state_disk_bytes",
        "hmisr_trainer_steps_total",
        "hmisr_serving_swaps_total",
    ] {
        assert!(metrics.contains(name), "{name} is missing from\n{metrics}");
    }
    running.signal("INT");
    let (success, lines) = running.wait();
    assert!(success, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("snapshot") && line.contains("served at the end")),
        "{lines:#?}"
    );
}
