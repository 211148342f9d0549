//! `hmisr bridge` over a real Apache Kafka: killed, stopped, two at once; every record once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::time::{Duration, Instant};

use crate::common::{Running, hmisr, run, stdout};
use hmisr_stream::contract::{Event, Letter, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed};
use hmisr_stream::{Header, Outgoing, Record, partition_for_key};
use serde_json::Value;

const CLICKS: &str = "clicks";
const PARTITIONS: i32 = 3;
const RECORDS: usize = 60_000;
/// The first record's time, in seconds.
const START_S: usize = 1_764_000_000;
const MAPPING: [&str; 8] = [
    "--field",
    "user_id=/user/id",
    "--field",
    "item_id=sku",
    "--default",
    "category=all",
    "--time-unit",
    "s",
];

/// Records of another shape; every hundredth is none.
fn produce(brokers: &str, numbers: std::ops::Range<usize>) {
    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    for number in numbers {
        let (user, ts) = (number % 97, START_S + number);
        let payload = match number % 100 {
            99 => format!(r#"{{"user": {{}}, "sku": "s{number}", "action": "buy", "ts": {ts}}}"#),
            _ => {
                format!(
                    r#"{{"user": {{"id": {user}}}, "sku": "s{number}", "action": "buy", "ts": {ts}.5}}"#
                )
            }
        };
        let key = user.to_string().into_bytes();
        producer
            .produce(&Outgoing {
                topic: CLICKS,
                partition: partition_for_key(&key, PARTITIONS),
                key: Some(key),
                payload: Some(payload.into_bytes()),
                headers: vec![Header::new("trace", number.to_string())],
            })
            .unwrap();
    }
    producer.flush().unwrap();
}

fn read(brokers: &str, topic: &str) -> Vec<Record> {
    read_committed(&KafkaSettings::new(brokers), topic, Duration::from_secs(60)).unwrap()
}

fn bridge(brokers: &str, name: &str) -> std::process::Command {
    let mut command = hmisr();
    command.args(["bridge", "--brokers", brokers, "--from", CLICKS, "--listen", "127.0.0.1:0"]).args(MAPPING);
    command.arg("--set").arg(format!("bridge.transactional_id={name}"));
    // One that was killed is missed by the group after this.
    command.args(["--set", "kafka.session_timeout_ms=6000"]);
    command
}

#[test]
fn every_record_is_copied_once_whatever_ends_a_bridge() {
    let Some(broker) = crate::broker::start() else { return };
    let brokers = broker.address.as_str();
    let unknown = bridge(brokers, "one").arg("--until-end").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains(CLICKS));
    let also = format!("{CLICKS}={PARTITIONS}");
    assert!(stdout(&run(&["topics", "create", "--brokers", brokers, "--also", &also])).contains(CLICKS));
    produce(brokers, 0..RECORDS / 2);

    let feeding = std::thread::spawn({
        let brokers = brokers.to_owned();
        move || produce(&brokers, RECORDS / 2..RECORDS)
    });
    for round in 0..4 {
        let (one, two) =
            (Running::start(&mut bridge(brokers, "one")), Running::start(&mut bridge(brokers, "two")));
        let address = one.address();
        std::thread::sleep(Duration::from_millis(150 * round + 100));
        let metrics = ureq::get(format!("http://{address}/metrics")).call().unwrap();
        let metrics = metrics.into_body().read_to_string().unwrap();
        assert!(metrics.contains("hmisr_bridge_events_total"), "{metrics}");
        one.signal("KILL");
        two.signal("TERM");
        assert!(!one.wait().0);
        let (success, lines) = two.wait();
        assert!(success, "{lines:#?}");
    }
    feeding.join().unwrap();
    let last = bridge(brokers, "one").args(["--until-end", "--json"]).output().unwrap();
    let last: Value = serde_json::from_str(&stdout(&last)).unwrap();
    assert!(last["events"].is_u64(), "{last}");

    let events = read(brokers, topic::EVENTS);
    let mut numbers: Vec<usize> = Vec::new();
    let mut newest = [-1; 97];
    for record in &events {
        let event = Event::decode(record.payload.as_deref().unwrap()).unwrap();
        let number: usize = event.item_id.to_string()[1..].parse().unwrap();
        let ts = (START_S + number) as i64 * 1_000 + 500;
        assert_eq!((event.ts, event.category.to_string().as_str()), (ts, "all"));
        assert_eq!(record.key.as_deref(), Some(event.user_id.to_string().as_bytes()));
        assert_eq!(record.headers, [Header::new("trace", number.to_string())]);
        // A user's events keep their order.
        assert!(std::mem::replace(&mut newest[number % 97], event.ts) < event.ts, "{number}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq((0..RECORDS).filter(|number| number % 100 != 99)), "lost or twice");
    let letters = read(brokers, topic::DEAD_LETTERS);
    assert_eq!(letters.len(), RECORDS / 100);
    let letter = Letter::read(&letters[0]).unwrap();
    assert!(letter.topic == CLICKS && letter.message.contains("/user/id"), "{letter:?}");
    // Letters of another topic do not go to `events` as they are.
    let replayed = stdout(&run(&["dlq", "replay", "--json", "--brokers", brokers]));
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    assert_eq!((&replayed["replayed"], &replayed["refused_foreign"]), (&0.into(), &(RECORDS / 100).into()));
}

#[test]
fn users_are_forgotten_on_request() {
    let Some(brokers) = crate::broker::shared() else { return };
    let missing = run(&["forget", "7", "--brokers", brokers]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("hmisr topics create"));
    stdout(&run(&["topics", "create", "--brokers", brokers]));
    let empty = run(&["forget", "7", "", "--brokers", brokers]);
    assert_eq!(empty.status.code(), Some(2), "{}", String::from_utf8_lossy(&empty.stderr));
    let asked = stdout(&run(&["forget", "7", "ann", "--json", "--brokers", brokers]));
    let asked: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!((&asked[0]["user_id"], &asked[1]["user_id"]), (&7.into(), &"ann".into()));
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut written = read(brokers, topic::EVENTS);
    while written.len() < 2 && Instant::now() < deadline {
        written = read(brokers, topic::EVENTS);
    }
    written.sort_by_key(|record| record.key.clone());
    let keys: Vec<_> = written.iter().map(|record| record.key.as_deref().unwrap()).collect();
    // Nothing was written of the request that was refused.
    assert_eq!(keys, [b"7".as_slice(), b"ann"]);
    for (record, asked) in written.iter().zip(asked.as_array().unwrap()) {
        assert_eq!((&record.payload, asked["partition"].as_i64()), (&None, Some(record.partition.into())));
        assert_eq!(record.partition, partition_for_key(record.key.as_deref().unwrap(), 4));
    }
}
