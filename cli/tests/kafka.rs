//! The whole loop over a real Apache Kafka gives the totals of the embedded log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::common::{Running, SMALL, backfill, events, export, get_json, hmisr, produce, run, stdout, up};
use hmisr_stream::contract::{FeatureRecord, topic};
use hmisr_stream::kafka::{KafkaSettings, read_committed};
use hmisr_testkit::until;
use serde_json::Value;

#[test]
fn up_over_kafka_gives_the_same_totals() {
    // A broker of its own: it uses the topics by their own names.
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
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

#[test]
fn up_reads_a_topic_that_others_fill() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    std::fs::write(&input, events(600)).unwrap();
    stdout(&run(&["topics", "create", "--brokers", brokers]));
    produce(&KafkaSettings::new(brokers), &input, 0..usize::MAX);
    let refused = hmisr()
        .args(["up", "--until-drained", "--listen", "127.0.0.1:0", "--brokers", brokers, "--events"])
        .arg(&input)
        .arg("--data")
        .arg(folder.path().join("feeds"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("holds 600 records") && error.contains("--generate 0"), "{error}");
    let data = folder.path().join("reads");
    let read = up(&data, &["--generate", "0", "--brokers", brokers]);
    let taken = |run: &Value| run["events_applied"].as_u64().unwrap() + run["dead_letters"].as_u64().unwrap();
    assert_eq!((taken(&read), &read["events_fed"]), (600, &0.into()), "{read}");
    produce(&KafkaSettings::new(brokers), &input, 0..100);
    let more = up(&data, &["--generate", "0", "--brokers", brokers, "--min-applied", "0"]);
    assert_eq!(taken(&more), 100, "{more}");
}

const PARTITIONS: i32 = 4;

fn features(brokers: &str) -> Vec<FeatureRecord> {
    let records =
        read_committed(&KafkaSettings::new(brokers), topic::USER_FEATURES, Duration::from_secs(60)).unwrap();
    records.iter().map(|record| serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap()).collect()
}

fn get(address: &str, path: &str) -> Option<Value> {
    get_json(&format!("http://{address}{path}"))
}

#[test]
fn the_parts_run_alone_and_two_jobs_share_the_partitions() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    std::fs::write(&input, events(8_000)).unwrap();
    let (expected, _) = backfill(&input, PARTITIONS as usize);
    let missing = run(&["topics", "check", "--brokers", brokers]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("state-owners"));
    assert!(stdout(&run(&["topics", "create", "--brokers", brokers])).contains("training-examples"));
    let checked = ["topics", "check", "--json", "--principal", "User:hmisr", "--brokers", brokers];
    let checked: Value = serde_json::from_str(&stdout(&run(&checked))).unwrap();
    assert_eq!(checked["topics"][0]["partitions"], PARTITIONS);
    assert!(checked["group"].is_null());
    // The brokers' own session is longer than a partition may stand still: refused, until it is allowed for.
    let consumer = ["--brokers", brokers, "--set", "kafka.group_protocol=consumer"];
    let allowed = ["--set", "kafka.session_timeout_ms=45000"];
    let check = |more: &[&str]| run(&[&["topics", "check"], &consumer[..], more].concat());
    let refused = check(&[]);
    assert!(String::from_utf8_lossy(&refused.stdout).contains("group.consumer.session.timeout.ms is 45000"));
    assert_eq!(refused.status.code(), Some(2));
    assert!(check(&allowed).status.success());
    let state = folder.path().join("refused");
    let pipeline = ["pipeline", "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()];
    let refused = run(&[&pipeline, &consumer[..]].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("kafka.session_timeout_ms = 45000"));
    assert_eq!(refused.status.code(), Some(2));
    let grants = checked["grants"].as_array().unwrap();
    assert!(grants.iter().any(|line| line.as_str().unwrap().contains("--transactional-id hmisr-pipeline-0")));

    let job = |name: &str| {
        let mut command = hmisr();
        command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]);
        command.arg(folder.path().join(name)).arg("--set").arg(format!("pipeline.transactional_id={name}"));
        // Small polls and frequent commits: partitions move while transactions are open.
        command.args(["--set", "pipeline.batch_records=50", "--set", "pipeline.commit_interval_ms=20"]);
        Running::start(&mut command)
    };
    let first = job("first");
    let lookups = first.address();
    let snapshots = folder.path().join("snapshots");
    let mut command = hmisr();
    command.args(["train", "--brokers", brokers, "--listen", "127.0.0.1:0", "--snapshots"]).arg(&snapshots);
    let trainer = Running::start(command.args(SMALL));
    until("the first job", || get(&lookups, "/readyz").is_some());

    let feeding = std::thread::spawn({
        let (settings, input) = (KafkaSettings::new(brokers), input.clone());
        move || produce(&settings, &input, 0..usize::MAX)
    });
    let second = job("second");
    let more_lookups = second.address();
    feeding.join().unwrap();

    let mut command = hmisr();
    command.args(["serve", "--listen", "127.0.0.1:0", "--snapshots"]).arg(&snapshots);
    command.args([
        "--pipeline",
        &format!("http://{lookups}"),
        "--pipeline",
        &format!("http://{more_lookups}"),
    ]);
    let server = Running::start(&mut command);
    let address = server.address();

    until("every feature record", || features(brokers).len() as u64 >= expected["applied"].as_u64().unwrap());
    let recommended = |user: u32| get(&address, &format!("/v1/recommend?user_id={user}&k=3"));
    until("recommendations", || {
        (0..40).all(|user| recommended(user).is_some_and(|a| a["source"] == "model"))
    });
    assert_eq!(get(&address, "/v1/users/3").unwrap()["user_id"], 3);

    // One goes and comes back to its own state; nothing is written twice.
    first.signal("TERM");
    assert!(first.wait().0);
    let again = job("first");
    let back = again.address();
    until("the first job again", || get(&back, "/readyz").is_some());
    for part in [again, second, trainer, server] {
        part.signal("TERM");
        let (success, lines) = part.wait();
        assert!(success, "{lines:#?}");
    }
    let mut seen = BTreeMap::new();
    for record in features(brokers) {
        *seen.entry((record.partition, record.offset)).or_insert(0) += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "a record stands twice");
    assert_eq!(expected["applied"], seen.len());
}
