//! Two jobs share the partitions: a server finds every user, and asks once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::common::{Running, get, hmisr, run};
use hmisr_stream::contract::{PartitionOwner, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed};
use hmisr_testkit::messages::keyed;
use hmisr_testkit::until;

const PARTITIONS: i32 = 8;
const USERS: u32 = 120;

fn job(brokers: &str, folder: &Path, name: &str) -> Running {
    let mut command = hmisr();
    command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]);
    command.arg(folder.join(name)).arg("--set").arg(format!("pipeline.transactional_id={name}"));
    Running::start(command.args(["--set", "pipeline.commit_interval_ms=20"]))
}

/// The newest owner of each partition.
fn owners(brokers: &str) -> BTreeMap<i32, PartitionOwner> {
    let settings = KafkaSettings::new(brokers);
    let records = read_committed(&settings, topic::STATE_OWNERS, Duration::from_secs(60)).unwrap();
    let owner = |payload: Vec<u8>| serde_json::from_slice::<PartitionOwner>(&payload).unwrap();
    records.into_iter().map(|record| owner(record.payload.unwrap())).map(|o| (o.partition, o)).collect()
}

fn owned(brokers: &str, url: &str) -> usize {
    owners(brokers).values().filter(|owner| owner.url.as_deref() == Some(url)).count()
}

/// Look-ups that a job has been asked for.
fn asked(url: &str) -> f64 {
    let (_, text) = get(&format!("{url}/metrics"));
    let counts = text.lines().filter(|line| line.starts_with("hmisr_serving_lookup_seconds_count"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn every_user_is_found_by_one_request() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let partitions = format!("topics.partitions={PARTITIONS}");
    assert!(run(&["topics", "create", "--brokers", brokers, "--set", &partitions]).status.success());
    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    for user in 1..=USERS {
        let event = format!(
            "{{\"user_id\": {user}, \"item_id\": 1, \"category\": 1, \"action\": \"click\", \"ts\": 1700000000000}}"
        );
        producer.produce(&keyed(topic::EVENTS, PARTITIONS, user.to_string(), event)).unwrap();
    }
    producer.flush().unwrap();

    let first = job(brokers, folder.path(), "first");
    let one = format!("http://{}", first.address());
    until("the first job owns all", || owned(brokers, &one) == PARTITIONS as usize);
    until("the first job has processed all", || {
        (1..=USERS).all(|user| get(&format!("{one}/v1/users/{user}")).0 == 200)
    });
    let mut command = hmisr();
    command.args(["serve", "--listen", "127.0.0.1:0", "--brokers", brokers, "--snapshots"]);
    // The look-ups' own URL is that of nobody: whoever is found is found through the topic.
    command.arg(folder.path().join("snapshots")).args(["--pipeline", "http://127.0.0.1:9"]);
    let server = Running::start(&mut command);
    let server_url = format!("http://{}", server.address());
    let found = |user: u32| get(&format!("{server_url}/v1/users/{user}")).0;
    until("the server finds all", || (1..=USERS).all(|user| found(user) == 200));

    // A second one takes half. A user may be unavailable for a moment, but never unknown.
    let second = job(brokers, folder.path(), "second");
    let two = format!("http://{}", second.address());
    until("the partitions are shared", || {
        for user in 1..=USERS {
            assert_ne!(found(user), 404, "user {user}");
        }
        owned(brokers, &two) > 0 && owned(brokers, &one) + owned(brokers, &two) == PARTITIONS as usize
    });
    until("the server knows the owners", || {
        let before = asked(&one) + asked(&two);
        let all = (1..=USERS).all(|user| found(user) == 200);
        all && asked(&one) + asked(&two) - before == f64::from(USERS)
    });
    assert!(asked(&two) > 0.0);
    assert_eq!(found(USERS + 1), 404, "only a user whom no event names is unknown");

    // One goes: the other has all again.
    first.signal("TERM");
    assert!(first.wait().0);
    until("the second job owns all", || {
        for user in 1..=USERS {
            assert_ne!(found(user), 404, "user {user}");
        }
        owned(brokers, &two) == PARTITIONS as usize
    });
    until("the server finds all again", || (1..=USERS).all(|user| found(user) == 200));
    for part in [second, server] {
        part.signal("TERM");
        assert!(part.wait().0);
    }
}
