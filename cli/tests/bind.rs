//! State that `hmisr backfill` built from history goes on over a real Apache Kafka.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::common::{Running, events, hmisr, produce, run, stdout};
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{KafkaSettings, read_committed};
use serde_json::Value;

const GROUP: &str = "pipeline.group=job-v2";

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Feature records, in the order of partition and offset.
fn in_order(records: impl Iterator<Item = Value>, from: &[i64]) -> Vec<Value> {
    let at = |record: &Value| (record["partition"].as_u64().unwrap(), record["offset"].as_i64().unwrap());
    let mut records: Vec<Value> = records.filter(|record| record.get("partition").is_some()).collect();
    records.retain(|record| at(record).1 >= from[at(record).0 as usize]);
    records.sort_by_key(at);
    records
}

#[test]
fn a_new_group_goes_on_from_history() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines = events(3_000);
    let cut = lines.match_indices('\n').nth(1_999).unwrap().0 + 1;
    for (name, text) in [("all", &lines[..]), ("history", &lines[..cut]), ("live", &lines[cut..])] {
        std::fs::write(path(name), text).unwrap();
    }
    let backfill = |input: &str| {
        let mut command = hmisr();
        command.args(["backfill", "--partitions", "4", "--input"]).arg(path(input));
        command.arg("--output").arg(path(&format!("{input}-features")));
        stdout(&command.arg("--state-out").arg(path(&format!("{input}-state"))).output().unwrap());
    };
    backfill("all");
    backfill("history");

    stdout(&run(&["topics", "create", "--brokers", brokers]));
    produce(&KafkaSettings::new(brokers), &path("history"), 0..usize::MAX);
    let border = now_ms() + 1;
    while now_ms() <= border {
        std::thread::yield_now();
    }
    produce(&KafkaSettings::new(brokers), &path("live"), 0..usize::MAX);

    let state = path("history-state");
    let bind = |more: &[&str]| {
        let mut command = hmisr();
        command.args(["state", "bind", "--brokers", brokers, "--set", GROUP, "--json", "--state"]);
        command.arg(&state).args(more).output().unwrap()
    };
    let refused = bind(&["--offset", "0=1000000"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the partition holds offsets 0 to before"));
    let bound = bind(&["--at-timestamp", &border.to_string()]);
    let bound: Vec<Value> = serde_json::from_str(&stdout(&bound)).unwrap();
    let from: Vec<i64> = bound.iter().map(|one| one["next_offset"].as_i64().unwrap()).collect();
    assert_eq!(from.iter().sum::<i64>(), 2_000, "every record of the history is before the border");

    let expected = std::fs::read_to_string(path("all-features")).unwrap();
    let expected = in_order(expected.lines().map(|line| serde_json::from_str(line).unwrap()), &from);
    assert!(expected.len() > 500);
    let mut command = hmisr();
    command.args(["pipeline", "--brokers", brokers, "--set", GROUP, "--listen", "127.0.0.1:0"]);
    let job = Running::start(command.arg("--adopt-store-offset").arg("--state").arg(&state));
    let (settings, limit) = (KafkaSettings::new(brokers), Duration::from_secs(60));
    let deadline = Instant::now() + Duration::from_secs(120);
    let records = loop {
        let records = read_committed(&settings, topic::USER_FEATURES, limit).unwrap();
        if records.len() >= expected.len() {
            break records;
        }
        assert!(Instant::now() < deadline, "{} of {} records", records.len(), expected.len());
        std::thread::sleep(Duration::from_millis(100));
    };
    job.signal("TERM");
    let (success, said) = job.wait();
    assert!(success, "{said:#?}");
    let read = records.iter().map(|record| serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap());
    assert_eq!(in_order(read, &[0; 4]), expected);

    let again = bind(&["--at-timestamp", &border.to_string()]);
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(2) && text.contains("has committed offset"), "{text}");
}
