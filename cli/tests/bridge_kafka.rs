//! `hmisr bridge` over a real Apache Kafka: killed, stopped, two at once; every record once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::time::{Duration, Instant};

use crate::common::{Running, get, hmisr, run, stdout};
use hmisr_stream::contract::{Event, Letter, REPLAYED_FROM, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, read_committed};
use hmisr_stream::{Header, Outgoing, Record, partition_for_key};
use hmisr_testkit::messages::keyed;
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
                format!(r#"{{"user": {{"id": {user}}}, "sku": "s{number}", "action": "buy", "ts": {ts}.5}}"#)
            }
        };
        let headers = vec![Header::new("trace", number.to_string())];
        let record = Outgoing { headers, ..keyed(CLICKS, PARTITIONS, user.to_string(), payload) };
        producer.produce(&record).unwrap();
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
    let Some(broker) = hmisr_testkit::broker::start() else { return };
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
        let (_, metrics) = get(&format!("http://{address}/metrics"));
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

    // Through a mapping that still refuses them each becomes a letter again, and its own is done with.
    let replay = |mapping: &[&str], more: &[&str]| -> Value {
        let mut command = hmisr();
        command.args(["dlq", "replay", "--json", "--brokers", brokers, "--from", CLICKS]).args(mapping);
        serde_json::from_str(&stdout(&command.args(more).output().unwrap())).unwrap()
    };
    let again = replay(&MAPPING, &["--limit", "100"]);
    assert_eq!((&again["replayed"], &again["refused_again"]), (&0.into(), &100.into()), "{again}");
    // Mended, each goes once, in two runs; the letter of a letter is one of them.
    let mended = [&MAPPING[2..], &["--field", "user_id=/user/id,key:"]].concat();
    let tried = replay(&mended, &["--dry-run"]);
    assert_eq!((&tried["events"], &tried["dry_run"]), (&(RECORDS / 100).into(), &true.into()), "{tried}");
    let first = replay(&mended, &["--limit", "250"]);
    assert_eq!((&first["replayed"], &first["refused_again"]), (&250.into(), &0.into()), "{first}");
    let second = replay(&mended, &[]);
    assert_eq!(
        (&second["replayed"], &second["events"]),
        (&(RECORDS / 100 - 250).into(), &second["replayed"])
    );
    assert_eq!(replay(&mended, &[])["replayed"], 0);
    let events = read(brokers, topic::EVENTS);
    let mut numbers: Vec<usize> = Vec::new();
    for record in &events {
        let event = Event::decode(record.payload.as_deref().unwrap()).unwrap();
        assert_eq!(record.partition, partition_for_key(record.key.as_deref().unwrap(), 4));
        numbers.push(event.item_id.to_string()[1..].parse().unwrap());
        let replayed = record.headers.iter().any(|header| header.name == REPLAYED_FROM);
        assert_eq!(replayed, numbers.last().unwrap() % 100 == 99);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..RECORDS), "lost or twice");
}

/// What public reports of producers have: Segment's records, keys alone, numbers of every form, half an emoji.
#[test]
fn records_as_people_have_them_become_the_events_that_are_meant() {
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    let also = ["segment=2", "keyed=2", "numbers=1", "odd=1"].map(|topic| ["--also", topic]).concat();
    stdout(&run(&[&["topics", "create", "--brokers", brokers], &also[..]].concat()));
    let mut producer = KafkaProducer::new(&KafkaSettings::new(brokers)).unwrap();
    let mut send = |topic: &'static str, partition: i32, key: Option<&str>, payload: &str| {
        let key = key.map(|key| key.as_bytes().to_vec());
        let payload = Some(payload.as_bytes().to_vec());
        producer.produce(&Outgoing { topic, partition, key, payload, headers: Vec::new() }).unwrap();
    };
    for number in 0..30 {
        let user = if number % 2 == 0 { format!("\"p{}\"", number % 4) } else { "null".to_owned() };
        let (event, properties) = match number % 3 {
            0 => ("Product Viewed", format!(r#"{{"product_id": "p{number}", "category": "tea"}}"#)),
            1 => ("Order Completed", r#"{"products": [{"product_id": "a", "category": "t"}, {"product_id": "b", "category": "u"}]}"#.to_owned()),
            _ => ("Page Loaded", r#"{"url": "/"}"#.to_owned()),
        };
        let json = format!(
            r#"{{"type": "track", "event": "{event}", "messageId": "m{number}", "anonymousId": "an{}", "userId": {user}, "timestamp": "2025-11-24T16:{number:02}:00.120+0000", "properties": {properties}}}"#,
            number % 4
        );
        send("segment", number % 2, None, &json);
        let json = format!(
            r#"{{"item_id": {number}, "category": "c", "action": "click", "ts": {}}}"#,
            1_764_000_000_000_i64 + i64::from(number)
        );
        send("keyed", number % 2, Some(&format!("u{}", number % 3)), &json);
    }
    for json in [
        r#"{"user_id": 1, "item_id": 42.0, "category": 3, "action": "buy", "ts": 1764000000000}"#,
        r#"{"user_id": 2, "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000000, "weight": "19.90"}"#,
        r#"{"user_id": 3, "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000000, "event_id": 77}"#,
        r#"{"user_id": 4, "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000000.0}"#,
        r#"{"user_id": 5, "item_id": 42, "category": 3, "action": "buy", "ts": "1764000000000"}"#,
        r#"{"user_id": 6, "item_id": 42, "category": 3, "action": 2, "ts": 1764000000000}"#,
        r#"{"user_id": 7, "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000000, "is_tail": 0}"#,
        r#"{"user_id": 8, "item_id": 42, "category": ["a"], "action": "buy", "ts": 1764000000000}"#,
        r#"{"user_id": "", "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000000}"#,
        r#"{"user_id": 10, "item_id": 42, "category": 3, "action": "buy", "ts": 1764000000}"#,
        r#"{"user_id": 11, "item_id": 42, "category": "", "action": "", "ts": 1764000000000}"#,
    ] {
        send("numbers", 0, None, json);
    }
    for title in [r#""tea""#, r#""caf\ud83d""#, "NaN", "1e999"] {
        let json = format!(
            r#"{{"user_id": "u0", "item_id": 0, "category": "c0", "action": "click", "ts": 1764000000000, "title": {title}}}"#
        );
        send("odd", 0, None, &json);
    }
    producer.flush().unwrap();

    let bridge = |topic: &str, mapping: &[&str]| -> Value {
        let mut command = hmisr();
        command
            .args(["bridge", "--brokers", brokers, "--from", topic, "--until-end", "--json"])
            .args(mapping);
        command.args(["--listen", "127.0.0.1:0", "--set", &format!("bridge.group=of-{topic}")]);
        serde_json::from_str(&stdout(&command.output().unwrap())).unwrap()
    };
    let segment = [
        "--only",
        "/event=Product Viewed,Order Completed",
        "--each",
        "/properties/products",
        "--field",
        "user_id=userId,anonymousId",
        "--field",
        "item_id=./product_id,/properties/product_id",
        "--field",
        "category=./category,/properties/category",
        "--field",
        "action=/event",
        "--field",
        "ts=/timestamp",
        "--field",
        "event_id=/messageId",
    ];
    let copied = bridge("segment", &segment);
    assert_eq!(
        (&copied["records"], &copied["events"], &copied["skipped"]),
        (&30.into(), &30.into(), &10.into()),
        "{copied}"
    );
    assert_eq!(
        (&copied["times"]["unit"], &copied["times"]["first"]),
        (&"rfc3339".into(), &"2025-11-24T16:00:00.120Z".into())
    );
    let keyed = bridge("keyed", &["--field", "user_id=key:"]);
    assert_eq!((&keyed["events"], &keyed["times"]["unit"]), (&30.into(), &"ms".into()), "{keyed}");
    let numbers = bridge("numbers", &["--default", "action=click", "--default", "category=none"]);
    assert_eq!(numbers["events"], 9, "{numbers}");
    let refused: u64 =
        numbers["dead_letters"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((refused, &numbers["dead_letters"]["missing_id"]), (2, &1.into()), "{numbers}");
    assert_eq!(numbers["dead_letters"]["implausible_time"], 1, "{numbers}");
    assert_eq!(bridge("odd", &[])["events"], 4);
    // A filter that nothing passes is a mistake, until it is said to be none.
    let nothing = |more: &[&str]| {
        let mut command = hmisr();
        command.args([
            "bridge",
            "--brokers",
            brokers,
            "--from",
            "segment",
            "--until-end",
            "--only",
            "/event=Bought",
        ]);
        command.args(["--listen", "127.0.0.1:0", "--set", &format!("bridge.group=none-{}", more.len())]);
        command.args(more).output().unwrap()
    };
    let refused = nothing(&[]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("none of 30 records") && told.contains("--only /event=Bought"), "{told}");
    assert!(nothing(&["--min-applied", "0"]).status.success());

    let events: Vec<Event> = read(brokers, topic::EVENTS)
        .iter()
        .map(|record| Event::decode(record.payload.as_deref().unwrap()).unwrap())
        .collect();
    let by = |user: &str| events.iter().filter(|event| event.user_id.to_string() == user).count();
    // Page views are skipped, an order has two products; odd numbers are anonymous.
    assert_eq!((by("p0"), by("an1"), by("an0"), by("u1")), (9, 8, 0, 10));
    let one = |user: &str| events.iter().find(|event| event.user_id.to_string() == user).unwrap();
    assert_eq!(
        (one("1").item_id.as_int(), one("2").weight, one("7").is_tail),
        (Some(42), Some(19.9), Some(false))
    );
    assert_eq!((one("3").event_id.as_deref(), one("6").action.as_str()), (Some("77"), "2"));
    assert_eq!((one("4").ts, one("5").ts), (1_764_000_000_000, 1_764_000_000_000));
    assert_eq!(
        (one("8").category.to_string(), one("11").action.clone()),
        ("a".to_owned(), "click".to_owned())
    );
    let letters = read(brokers, topic::DEAD_LETTERS);
    let told: Vec<String> = letters.iter().map(|letter| Letter::read(letter).unwrap().message).collect();
    assert!(told.iter().any(|text| text.contains("2025-11-24T16:00:00Z in s")), "{told:?}");
}

#[test]
fn users_are_forgotten_on_request() {
    let Some(brokers) = hmisr_testkit::broker::shared() else { return };
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
    while written.len() < 8 && Instant::now() < deadline {
        written = read(brokers, topic::EVENTS);
    }
    let mut places: Vec<_> =
        written.iter().map(|record| (record.key.as_deref().unwrap(), record.partition)).collect();
    places.sort_unstable();
    // Each in every partition, and nothing of the request that was refused.
    let everywhere = |key: &'static [u8]| (0..4).map(move |partition| (key, partition));
    assert_eq!(places, everywhere(b"7").chain(everywhere(b"ann")).collect::<Vec<_>>());
    assert!(written.iter().all(|record| record.payload.is_none()));
    assert!(asked.as_array().unwrap().iter().all(|asked| asked["partitions"] == 4));
}
