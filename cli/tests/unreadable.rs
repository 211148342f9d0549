//! What people really send over Kafka: every codec, and batches that nothing can read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::{Running, get, hmisr, run, stdout};
use hmisr_stream::contract::{FeatureRecord, Letter, Reason, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed};
use hmisr_stream::{Record, partition_for_key};
use hmisr_testkit::messages::keyed;
use hmisr_testkit::segment::{Damage, damage};
use hmisr_testkit::until;
use serde_json::Value;

const PARTITIONS: i32 = 4;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Long enough for anything that happens at all.
const SOON: Duration = Duration::from_secs(120);

/// A user of each partition.
fn users() -> Vec<String> {
    let user_of = |partition: i32| {
        let mut names = (0..).map(|number| format!("u{number}"));
        names.find(|name| partition_for_key(name.as_bytes(), PARTITIONS) == partition).unwrap()
    };
    (0..PARTITIONS).map(user_of).collect()
}

/// Writes ten events into each partition, of a topic with as many, as one batch in a codec.
fn write(brokers: &str, to: &'static str, batch: usize, codec: &str) {
    let client = [("compression.type".to_owned(), codec.to_owned())].into();
    let settings = KafkaSettings { client, linger_ms: 200, ..KafkaSettings::new(brokers) };
    let mut producer = KafkaProducer::new(&settings).unwrap();
    for user in users() {
        for number in 0..10 {
            let (item, ts) = (batch * 10 + number, 1_700_000_000_000_u64 + (batch * 10 + number) as u64);
            let event = format!(
                r#"{{"user_id": "{user}", "item_id": {item}, "category": {}, "action": "click", "ts": {ts}}}"#,
                item % 5
            );
            producer.produce(&keyed(to, PARTITIONS, user.as_str(), event)).unwrap();
        }
    }
    producer.flush().unwrap();
}

fn read(brokers: &str, topic: &str) -> Vec<Record> {
    read_committed(&KafkaSettings::new(brokers), topic, SOON).unwrap()
}

/// Input offsets of the feature records of a partition, in their order.
fn applied(brokers: &str, partition: i32) -> Vec<i64> {
    let parse = |record: &Record| -> FeatureRecord {
        serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap()
    };
    let mut records: Vec<_> = read(brokers, topic::USER_FEATURES).iter().map(parse).collect();
    records.retain(|record| record.partition == partition);
    records.iter().map(|record| record.offset).collect()
}

fn pipeline(brokers: &str, state: &Path, more: &[&str]) -> Command {
    let mut command = hmisr();
    command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]).arg(state);
    command.args(["--set", "kafka.unreadable_timeout_ms=2000", "--set", "kafka.session_timeout_ms=6000"]);
    command.args(more);
    command
}

#[test]
fn every_codec_is_read_and_what_cannot_be_read_is_told_and_skipped_on_request() {
    let Some(own) = hmisr_testkit::broker::start() else { return };
    let brokers = own.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    stdout(&run(&["topics", "create", "--brokers", brokers, "--also", "clicks=4"]));
    for to in [topic::EVENTS, "clicks"] {
        for (batch, codec) in CODECS.iter().enumerate() {
            write(brokers, to, batch, codec);
        }
    }
    let checked = run(&["topics", "check", "--brokers", brokers, "--json"]);
    stdout(&checked);
    let log = String::from_utf8_lossy(&checked.stderr);
    assert!(!log.contains("PartitionEOF"), "an end is no error: {log}");
    own.stop();
    // Of five batches the third of partition 0, which is made one of a codec that there is not.
    assert_eq!(damage(&own.dir, topic::EVENTS, 0, 2, Damage::Codec), (20, 30));
    assert_eq!(damage(&own.dir, "clicks", 1, 4, Damage::Byte), (40, 50));
    own.start_again();

    // The job reads what it can, and says what it cannot.
    let job = Running::start(&mut pipeline(brokers, &state, &[]));
    let url = format!("http://{}", job.address());
    let mut told = String::new();
    until("that the job is not ready, and why", || {
        let (status, text) = get(&format!("{url}/readyz"));
        told = text;
        status == 503 && told.contains("--skip-unreadable 0:20")
    });
    assert!(told.contains("offset 20 of events [0]") && told.contains("codec 0x6"), "{told}");
    until("that the others go on", || {
        (1..PARTITIONS).all(|partition| applied(brokers, partition).len() == 50)
    });
    assert_eq!(applied(brokers, 0), Vec::from_iter(0..20));
    let metrics = get(&format!("{url}/metrics")).1;
    for line in ["hmisr_pipeline_stuck_partitions 1", "hmisr_pipeline_unowned_partitions 0"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    until("the lag of the topic", || {
        get(&format!("{url}/metrics")).1.contains("hmisr_pipeline_topic_lag_records 30")
    });
    job.signal("TERM");
    assert!(job.wait().0);

    // Told to, it goes on behind the batch.
    let job = Running::start(&mut pipeline(brokers, &state, &["--skip-unreadable", "0:20"]));
    let url = format!("http://{}", job.address());
    let rest = || Vec::from_iter((0..20).chain(30..50));
    until("the rest of the partition", || applied(brokers, 0) == rest());
    until("that it is ready", || get(&format!("{url}/readyz")).0 == 200);
    assert!(get(&format!("{url}/metrics")).1.contains("hmisr_pipeline_skipped_offsets_total 10"));
    job.signal("KILL");
    assert!(!job.wait().0);
    let letters = read(brokers, topic::DEAD_LETTERS);
    let letter = Letter::read(&letters[0]).unwrap();
    assert_eq!(
        (letters.len(), letter.reason, letter.partition, letter.offset),
        (1, Reason::Unreadable, 0, 20)
    );
    assert!(letter.message.contains("offsets 20 to 29") && !letter.whole, "{letter:?}");

    // A replay of everything passes over it, being told again.
    std::fs::remove_dir_all(&state).unwrap();
    let job = Running::start(&mut pipeline(brokers, &state, &["--skip-unreadable", "0:20"]));
    let url = format!("http://{}", job.address());
    until("that the state is there again", || get(&format!("{url}/readyz")).0 == 200);
    let (status, user) = get(&format!("{url}/v1/users/{}", users()[0]));
    assert_eq!(status, 200, "{user}");
    let user: Value = serde_json::from_str(&user).unwrap();
    assert_eq!(user["next_offset"], 50, "{user}");
    assert_eq!(user["visits"].as_array().unwrap().len(), 40, "{user}");
    write(brokers, topic::EVENTS, 5, "zstd");
    until("what came since", || applied(brokers, 0).len() == 50);
    job.signal("TERM");
    assert!(job.wait().0);
    assert_eq!(applied(brokers, 0), Vec::from_iter((0..20).chain(30..60)), "nothing twice");
    assert_eq!(read(brokers, topic::DEAD_LETTERS).len(), 1);

    // The bridge likewise.
    let bridge = |more: &[&str]| {
        let mut command = hmisr();
        command.args(["bridge", "--brokers", brokers, "--from", "clicks", "--listen", "127.0.0.1:0"]);
        command.args(["--until-end", "--json", "--set", "kafka.unreadable_timeout_ms=2000"]).args(more);
        command.output().unwrap()
    };
    let refused = bridge(&[]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("offset 40 of clicks [1]") && told.contains("--skip-unreadable 1:40"), "{told}");
    let copied: Value =
        serde_json::from_str(&stdout(&bridge(&["--skip-unreadable", "1:40", "--min-applied", "0"]))).unwrap();
    assert_eq!(copied["dead_letters"]["unreadable_batch"], 1, "{copied}");
    let skipped = &copied["rejected"][0];
    assert_eq!((&skipped["reason"], &skipped["count"]), (&"unreadable_batch".into(), &10.into()), "{copied}");
    let again: Value = serde_json::from_str(&stdout(&bridge(&[]))).unwrap();
    assert_eq!((&again["events"], read(brokers, topic::DEAD_LETTERS).len()), (&0.into(), 2), "{again}");

    // A batch whose checksum is wrong is not the brokers' address.
    own.stop();
    assert_eq!(damage(&own.dir, topic::EVENTS, 2, 0, Damage::Byte), (0, 10));
    own.start_again();
    let checked = run(&["topics", "check", "--brokers", brokers]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(told.contains("could not be looked at") && told.contains("--skip-unreadable"), "{told}");
    assert!(!told.contains("check kafka.brokers"), "{told}");
}
