//! Events of producers with another partitioner, over a real Apache Kafka: found, said, forgotten.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Running, export, get, hmisr, metric, run, stdout};
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed};
use hmisr_stream::{Outgoing, Partitioner};
use hmisr_testkit::until;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const PARTITIONS: i32 = 4;
const USERS: usize = 40;
const EVENTS: usize = 400;
const SOON: Duration = Duration::from_secs(60);

fn event(user: usize, number: usize) -> String {
    let ts = 1_764_000_000_000_i64 + number as i64 * 1_000;
    format!(
        "{{\"user_id\": \"u{user}\", \"item_id\": {}, \"category\": \"c{}\", \"action\": \"click\", \"ts\": {ts}}}",
        number * 7 % 100,
        number % 5
    )
}

/// Ten events of each of forty users, as kcat without a word about partitioners would write them.
fn produce(brokers: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for number in 0..EVENTS {
        let user = number % USERS;
        let (key, event) = (format!("u{user}"), event(user, number));
        producer.send(BaseRecord::to(topic::EVENTS).key(&key).payload(&event)).unwrap();
    }
    producer.flush(SOON).unwrap();
}

fn job(brokers: &str, folder: &Path, name: &str) -> Running {
    let mut command = hmisr();
    command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]);
    command.arg(folder.join(name)).arg("--set").arg(format!("pipeline.transactional_id={name}"));
    Running::start(command.args(["--set", "pipeline.commit_interval_ms=20"]))
}

#[test]
fn users_of_another_partitioner_are_found_and_forgotten_everywhere() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let folder = tempfile::tempdir().unwrap();
    let partitions = format!("topics.partitions={PARTITIONS}");
    assert!(run(&["topics", "create", "--brokers", brokers, "--set", &partitions]).status.success());
    produce(brokers);
    // They do not lie where the default says.
    let records = read_committed(&KafkaSettings::new(brokers), topic::EVENTS, SOON).unwrap();
    let place = |partitioner: Partitioner, key: &[u8]| partitioner.of(key, PARTITIONS).unwrap();
    let key = |record: &hmisr_stream::Record| record.key.clone().unwrap();
    assert!(records.iter().all(|it| place(Partitioner::Crc32, &key(it)) == it.partition));
    let foreign = records.iter().filter(|it| place(Partitioner::Murmur2, &key(it)) != it.partition).count();
    assert!(foreign > EVENTS / 2);
    let checked = run(&["topics", "check", "--brokers", brokers]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("of 40 keys crc32 explains 100 %"), "{checked}");
    assert!(checked.contains("its keys seem to lie where crc32 puts them"), "{checked}");

    // Two instances share the partitions; the log says what to set.
    let first = job(brokers, folder.path(), "first");
    let one = format!("http://{}", first.address());
    until("all events are processed", || metric(&one, "hmisr_pipeline_events_total") == Some(EVENTS as f64));
    let said = first.line_with("set topics.partitioner = \"crc32\"");
    assert!(said.contains("events lie in another partition"), "{said}");
    assert_eq!(metric(&one, "hmisr_pipeline_foreign_records_total"), Some(foreign as f64));
    let second = job(brokers, folder.path(), "second");
    let two = format!("http://{}", second.address());
    until("the partitions are shared", || {
        let owned = [&one, &two].map(|url| metric(url, "hmisr_pipeline_partitions"));
        owned == [Some(2.0); 2] && get(&format!("{two}/readyz")).0 == 200
    });
    let serve = |more: &[&str]| {
        let mut command = hmisr();
        command.args(["serve", "--listen", "127.0.0.1:0", "--brokers", brokers, "--snapshots"]);
        command.arg(folder.path().join("snapshots")).args(["--pipeline", "http://127.0.0.1:9"]);
        Running::start(command.args(more))
    };
    for setting in ["murmur2", "crc32", "any"] {
        let server = serve(&["--set", &format!("topics.partitioner={setting}")]);
        let url = format!("http://{}", server.address());
        let found = |user: &str| get(&format!("{url}/v1/users/{user}")).0;
        until("the server knows the owners", || found("nobody") == 404);
        for user in 0..USERS {
            assert_eq!(found(&format!("u{user}")), 200, "{setting}: u{user}");
        }
        server.signal("TERM");
        assert!(server.wait().0);
    }

    // A producer of another kind joins: one user lies in every partition.
    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    for partition in 0..PARTITIONS {
        let (key, payload) = (Some(b"u7".to_vec()), Some(event(7, EVENTS).into_bytes()));
        producer
            .produce(&Outgoing { topic: topic::EVENTS, partition, key, payload, headers: Vec::new() })
            .unwrap();
    }
    producer.flush().unwrap();
    let applied =
        || [&one, &two].iter().filter_map(|url| metric(url, "hmisr_pipeline_events_total")).sum::<f64>();
    until("they are processed", || applied() == (EVENTS as i32 + PARTITIONS) as f64);
    for job in [first, second] {
        job.signal("TERM");
        assert!(job.wait().0);
    }
    // The second has the newer state of its partitions, and the first all others.
    let state = newest(folder.path());
    let verified = run(&["state", "verify", "--state", state.to_str().unwrap()]);
    let text = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(verified.status.code(), Some(1), "{text}");
    assert!(text.contains("user u7: is in partition 1, 2, 3 too"), "{text}");
    let error = String::from_utf8(verified.stderr).unwrap();
    assert!(error.contains("1 users have state in several partitions"), "{error}");
    // Two users of the other partitions are too many for a recommendation.
    assert!(error.contains("crc32 explains 93 %") && !error.contains("set topics.partitioner"), "{error}");

    // Forgotten, whatever the setting: the job that comes back empties every partition.
    let users: Vec<String> = (0..USERS).map(|user| format!("u{user}")).collect();
    let mut forget = vec!["forget", "--brokers", brokers];
    forget.extend(users.iter().map(String::as_str));
    let asked = stdout(&run(&forget));
    assert_eq!(asked.lines().count(), USERS);
    assert!(asked.contains("user u7: a tombstone was written to each of the 4 partitions"), "{asked}");
    let mut command = hmisr();
    command.args(["pipeline", "--brokers", brokers, "--listen", "127.0.0.1:0", "--state"]).arg(&state);
    let job = Running::start(&mut command);
    let url = format!("http://{}", job.address());
    let everyone = (USERS as i32 * PARTITIONS) as f64;
    until("all are forgotten", || metric(&url, "hmisr_pipeline_forgotten_total") == Some(everyone));
    let server = serve(&[]);
    let server_url = format!("http://{}", server.address());
    for user in &users {
        until("nobody has the user", || get(&format!("{server_url}/v1/users/{user}")).0 == 404);
    }
    for part in [server, job] {
        part.signal("TERM");
        assert!(part.wait().0);
    }
    assert_eq!(export(&state), "");
    let verified = run(&["state", "verify", "--state", state.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    // Readers of the features are told as well, last of all.
    let mut last = BTreeMap::new();
    for record in read_committed(&KafkaSettings::new(brokers), topic::USER_FEATURES, SOON).unwrap() {
        last.insert(record.key, record.payload);
    }
    assert_eq!(last.len(), USERS);
    assert!(last.values().all(Option::is_none));
}

/// One folder with the newest store of each partition.
fn newest(folder: &Path) -> std::path::PathBuf {
    let merged = folder.join("merged");
    std::fs::create_dir(&merged).unwrap();
    let inspected = |name: &str| {
        let state = folder.join(name);
        let text = stdout(&run(&["state", "inspect", "--state", state.to_str().unwrap(), "--json"]));
        let stores: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let of = |store: &serde_json::Value| {
            let partition = store["identity"]["partition"].as_i64().unwrap();
            (partition, store["next_offset"].as_i64().unwrap_or(-1))
        };
        stores.iter().map(of).collect::<BTreeMap<_, _>>()
    };
    let (first, second) = (inspected("first"), inspected("second"));
    for partition in 0..i64::from(PARTITIONS) {
        let name = format!("partition-{partition:05}");
        let is_second = second.get(&partition) > first.get(&partition);
        let from = folder.join(if is_second { "second" } else { "first" }).join(&name);
        std::fs::rename(from, merged.join(&name)).unwrap();
    }
    merged
}

#[test]
fn a_request_to_forget_that_is_cut_off_is_whole_or_not_there_and_goes_on() {
    const MANY: usize = 20_000;
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    assert!(run(&["topics", "create", "--brokers", brokers]).status.success());
    let users: Vec<String> = (0..MANY).map(|user| user.to_string()).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hmisr"));
    command.args(["forget", "--brokers", brokers]).args(&users).stdin(Stdio::null());
    let cut = Running::start(&mut command);
    cut.line_with("a tombstone was written");
    cut.signal("KILL");
    assert!(!cut.wait().0);
    let asked = || {
        let mut places: BTreeMap<Vec<u8>, BTreeSet<i32>> = BTreeMap::new();
        for record in read_committed(&KafkaSettings::new(brokers), topic::EVENTS, SOON).unwrap() {
            assert!(record.payload.is_none());
            places.entry(record.key.unwrap()).or_default().insert(record.partition);
        }
        places
    };
    // The same again, for some of those who are left: it ends what was left open.
    let rest = stdout(&run(&["forget", "--brokers", brokers, &users[MANY - 1]]));
    assert!(rest.contains("each of the 4 partitions"), "{rest}");
    let before = asked();
    assert!(before.len() > 1 && before.len() < MANY, "{} of {MANY} before the cut", before.len());
    assert!(before.values().all(|partitions| partitions.len() == 4), "a user in half of the partitions");
    let mut again = vec!["forget", "--brokers", brokers];
    again.extend(users.iter().map(String::as_str));
    stdout(&run(&again));
    let after = asked();
    assert_eq!(after.len(), MANY);
    assert!(after.values().all(|partitions| partitions.len() == 4));
}
