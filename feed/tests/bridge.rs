//! A bridged topic is copied exactly once, through refusals, silence and ends at any moment.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use hmisr_feed::{Bridge, BridgeMetrics, BridgeSettings, Copied, Fields, Mapping};
use hmisr_stream::contract::{Event, Letter, Reason, topic};
use hmisr_stream::memory::{Broker, Call, Effect, Fault, MemorySink, MemorySource, Timeouts};
use hmisr_stream::{ErrorKind, Header, Outgoing, Result, partition_for_key};
use hmisr_testkit::messages::unkeyed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLICKS: &str = "clicks";

fn settings() -> BridgeSettings {
    BridgeSettings {
        topic: CLICKS.into(),
        fields: Fields { user_id: "/user/id".into(), item_id: "sku".into(), ..Fields::default() },
        time_unit: "ms".parse().unwrap(),
        ..BridgeSettings::default()
    }
}

/// With times near 1970.
fn mapping(settings: &BridgeSettings) -> Mapping {
    Mapping::new(settings).unwrap().with_min_ts_ms(0)
}

fn click(number: i64, payload: Vec<u8>) -> Outgoing {
    unkeyed(CLICKS, i32::from(number % 2 == 1), payload)
}

/// A record of another shape; every tenth is none.
fn record(number: i64) -> Outgoing {
    let payload = match number % 10 {
        9 => format!("rubbish {number}"),
        _ => format!(
            r#"{{"user": {{"id": {}}}, "sku": {number}, "category": 1, "action": "click", "ts": {number}}}"#,
            number % 7
        ),
    };
    click(number, payload.into_bytes())
}

/// A broker with such `records`, by round robin over two partitions.
fn broker(records: i64) -> Broker {
    let hour = Duration::from_secs(3_600);
    let broker = Broker::new(Timeouts { session: hour, transaction: hour });
    broker.create_topic(CLICKS, 2);
    broker.create_topic(topic::EVENTS, 3);
    broker.create_topic(topic::DEAD_LETTERS, 3);
    for number in 0..records {
        broker.append(&[record(number)]).unwrap();
    }
    broker
}

/// One process: it connects, copies until `stop` or the end, and is gone.
fn run(broker: &Broker, stop: &AtomicBool, metrics: &BridgeMetrics) -> Result<Copied> {
    run_as(broker, &settings(), stop, metrics)
}

fn run_as(
    broker: &Broker,
    settings: &BridgeSettings,
    stop: &AtomicBool,
    metrics: &BridgeMetrics,
) -> Result<Copied> {
    let connection = broker.connect();
    let sink = || MemorySink::new(&connection, &settings.transactional_id);
    let copied = MemorySource::new(&connection, CLICKS, &settings.group)
        .and_then(|source| Bridge::new(mapping(settings), source, &sink, metrics).run(stop, true));
    connection.cut();
    broker.evict(&settings.group, true);
    copied
}

/// An instance among others, which leaves the group when it stops.
fn instance(broker: &Broker, transactional_id: &str, stop: &AtomicBool) -> Copied {
    let connection = broker.connect();
    let settings = BridgeSettings { transactional_id: transactional_id.into(), ..settings() };
    let sink = || MemorySink::new(&connection, &settings.transactional_id);
    let source = MemorySource::new(&connection, CLICKS, &settings.group).unwrap();
    Bridge::new(mapping(&settings), source, &sink, &metrics()).run(stop, false).unwrap()
}

fn metrics() -> BridgeMetrics {
    BridgeMetrics::new(&prometheus::Registry::new()).unwrap()
}

/// Every record is an event or a dead letter, once, in its user's partition.
fn assert_copied(broker: &Broker, records: i64, seed: u64) {
    let events = broker.read(topic::EVENTS);
    let mut items = Vec::new();
    for record in &events {
        let event = Event::decode(record.payload.as_deref().unwrap()).unwrap();
        assert_eq!(record.key.as_deref(), Some(event.user_id.to_string().as_bytes()), "seed {seed}");
        assert_eq!(record.partition, partition_for_key(record.key.as_deref().unwrap(), 3), "seed {seed}");
        items.push(event.ts);
    }
    items.sort_unstable();
    let expected: Vec<i64> = (0..records).filter(|number| number % 10 != 9).collect();
    assert_eq!(items, expected, "seed {seed}");

    let letters = broker.read(topic::DEAD_LETTERS);
    let mut rubbish: Vec<String> = Vec::new();
    for record in &letters {
        let letter = Letter::read(record).unwrap();
        assert_eq!((letter.reason, letter.topic.as_str()), (Reason::Malformed, CLICKS), "seed {seed}");
        rubbish.push(String::from_utf8(record.payload.clone().unwrap()).unwrap());
    }
    rubbish.sort();
    let mut expected: Vec<String> =
        (0..records).filter(|n| n % 10 == 9).map(|n| format!("rubbish {n}")).collect();
    expected.sort();
    assert_eq!(rubbish, expected, "seed {seed}");
}

#[test]
fn records_become_events_or_dead_letters() {
    let (broker, metrics) = (broker(1_000), metrics());
    let copied = run(&broker, &AtomicBool::new(false), &metrics).unwrap();
    assert_eq!((copied.events, copied.dead_letters["malformed"]), (900, 100));
    assert_eq!(metrics.events.get(), 900);
    assert_copied(&broker, 1_000, 0);
    // Again: there is nothing left to do.
    assert_eq!(run(&broker, &AtomicBool::new(false), &metrics).unwrap(), Copied::default());
    assert_copied(&broker, 1_000, 0);
}

#[test]
fn each_record_is_copied_once_whatever_goes_wrong() {
    for seed in 0..60 {
        let (broker, metrics) = (broker(300), metrics());
        for process in 0..5 {
            let stop = Arc::new(AtomicBool::new(false));
            let flag = stop.clone();
            let mut random = ChaCha8Rng::seed_from_u64(seed * 10 + process);
            let mut left = random.random_range(1..40);
            broker.set_faults(Some(Box::new(move |call| {
                if call == Call::Produce {
                    return random.random_bool(0.000_5).then_some(Fault::Refused);
                }
                left -= 1;
                if left == 0 {
                    flag.store(true, Ordering::Relaxed);
                }
                let ends = matches!(call, Call::Commit | Call::Abort);
                match random.random_range(0..20) {
                    0 => {
                        Some(Fault::Unavailable).filter(|_| !matches!(call, Call::Commit | Call::SendOffsets))
                    }
                    1 => Some(Fault::Refused).filter(|_| matches!(call, Call::Commit | Call::SendOffsets)),
                    2 => Some(Fault::Unanswered(Effect::Done)),
                    3 => Some(Fault::Unanswered(Effect::Lost)),
                    4 => Some(Fault::Unanswered(if ends { Effect::Late } else { Effect::Lost })),
                    _ => None,
                }
            })));
            // A run that gives up is one more end.
            let _ = run(&broker, &stop, &metrics);
            broker.set_faults(None);
            if process % 2 == 0 {
                while broker.late() > 0 {
                    let _ = broker.deliver_late(0);
                }
            }
        }
        run(&broker, &AtomicBool::new(false), &metrics).unwrap();
        // What arrives after its sender was replaced has no effect.
        while broker.late() > 0 {
            let _ = broker.deliver_late(0);
        }
        assert_copied(&broker, 300, seed);
    }
}

#[test]
fn instances_share_the_partitions_and_one_that_was_left_behind_writes_nothing() {
    let broker = broker(0);
    let (first, second) = (AtomicBool::new(false), AtomicBool::new(false));
    let read = || broker.read(topic::EVENTS).len() + broker.read(topic::DEAD_LETTERS).len();
    let copied = std::thread::scope(|scope| {
        let one = scope.spawn(|| instance(&broker, "one", &first));
        let two = scope.spawn(|| instance(&broker, "two", &second));
        for number in 0..2_000 {
            broker.append(&[record(number)]).unwrap();
            if number % 100 == 50 {
                // The group goes on without a member, which does not know of it.
                broker.evict(&settings().group, number % 200 == 50);
            }
            if number % 20 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            if number == 1_500 {
                first.store(true, Ordering::Relaxed);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while read() < 2_000 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        second.store(true, Ordering::Relaxed);
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_copied(&broker, 2_000, 0);
    assert_eq!(copied.0.events + copied.1.events, 1_800);
}

#[test]
fn a_run_to_the_end_does_not_run_after_an_end_that_moves() {
    let (broker, metrics) = (broker(1_000), metrics());
    let (done, number) = (AtomicBool::new(false), AtomicI64::new(1_000));
    let (copied, grown) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                broker.append(&[record(number.fetch_add(1, Ordering::Relaxed))]).unwrap();
            }
        });
        let copied = run(&broker, &AtomicBool::new(false), &metrics).unwrap();
        let grown = number.load(Ordering::Relaxed);
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        (copied, grown)
    });
    let all = copied.events + copied.dead_letters["malformed"];
    assert!((1_000..=grown as u64).contains(&all), "{all} of {grown}");
}

#[test]
fn headers_go_along_and_too_many_of_them_make_a_dead_letter() {
    let broker = broker(0);
    let with = |headers: Vec<Header>| Outgoing { headers, ..record(0) };
    let trace = vec![Header::new("traceparent", "00-1-2-01"), Header::new("traceparent", "again")];
    broker.append(&[with(trace.clone()), with(vec![Header::new("large", vec![b'x'; 900_000])])]).unwrap();
    // A record may be large: what an event takes of it is not.
    let pad = "x".repeat(2_000_000);
    let large = format!(
        r#"{{"user": {{"id": 1}}, "sku": 2, "category": 1, "action": "click", "ts": 3, "pad": "{pad}"}}"#
    );
    broker.append(&[click(1, large.into_bytes())]).unwrap();
    let metrics = metrics();
    let copied = run(&broker, &AtomicBool::new(false), &metrics).unwrap();
    assert_eq!((copied.events, copied.dead_letters["too_large"]), (2, 1));
    let events = broker.read(topic::EVENTS);
    assert!(events.iter().any(|record| record.headers == trace));
    assert!(events.iter().all(|record| record.payload.as_ref().unwrap().len() < 100));
    let letters = broker.read(topic::DEAD_LETTERS);
    assert!(Letter::read(&letters[0]).unwrap().message.contains("900000"));
}

#[test]
fn a_missing_topic_is_named() {
    let hour = Duration::from_secs(3_600);
    let broker = Broker::new(Timeouts { session: hour, transaction: hour });
    broker.create_topic(CLICKS, 1);
    broker.append(&[unkeyed(CLICKS, 0, "{}")]).unwrap();
    let error = run(&broker, &AtomicBool::new(false), &metrics()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTopic);
    assert!(error.to_string().contains("hmisr topics create"), "{error}");
}

/// Orders: each has as many lines as its number's last digit.
fn orders(lists: bool) -> BridgeSettings {
    BridgeSettings {
        only: vec!["/type=order".into()],
        each: if lists { "/lines".into() } else { String::new() },
        fields: Fields {
            user_id: "/user/id".into(),
            item_id: "./sku".into(),
            ts: "/ts".into(),
            category: "/category".into(),
            action: "/action".into(),
            ..Fields::default()
        },
        ..settings()
    }
}

fn order(number: i64) -> Outgoing {
    let lines: Vec<String> =
        (0..number % 10).map(|line| format!(r#"{{"sku": "{number}-{line}"}}"#)).collect();
    let kind = if number % 7 == 0 { "view" } else { "order" };
    let payload = format!(
        r#"{{"type": "{kind}", "user": {{"id": 1}}, "category": 1, "action": "buy", "ts": {number}, "lines": [{}]}}"#,
        lines.join(", ")
    );
    click(number, payload.into_bytes())
}

#[test]
fn all_events_of_a_list_are_written_once_and_in_order_whatever_goes_wrong() {
    for seed in 0..20 {
        let broker = broker(0);
        (0..200).for_each(|number| broker.append(&[order(number)]).unwrap());
        for process in 0..3 {
            let mut random = ChaCha8Rng::seed_from_u64(seed * 10 + process);
            broker.set_faults(Some(Box::new(move |call| match (call, random.random_range(0..2_000)) {
                (Call::Produce, 0) => Some(Fault::Refused),
                (Call::Commit | Call::SendOffsets, 0..200) => Some(Fault::Refused),
                (Call::Commit, 200..600) => Some(Fault::Unanswered(Effect::Done)),
                (Call::Commit, 600..800) => Some(Fault::Unanswered(Effect::Lost)),
                _ => None,
            })));
            let _ = run_as(&broker, &orders(true), &AtomicBool::new(false), &metrics());
            broker.set_faults(None);
        }
        let metrics = metrics();
        run_as(&broker, &orders(true), &AtomicBool::new(false), &metrics).unwrap();
        let mut items: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for record in broker.read(topic::EVENTS) {
            let event = Event::decode(record.payload.as_deref().unwrap()).unwrap();
            items.entry(event.ts).or_default().push(event.item_id.to_string());
        }
        let expected: BTreeMap<i64, Vec<String>> = (0..200)
            .filter(|number| number % 7 != 0 && number % 10 != 0)
            .map(|number| (number, (0..number % 10).map(|line| format!("{number}-{line}")).collect()))
            .collect();
        assert_eq!(items, expected, "seed {seed}");
        assert!(broker.read(topic::DEAD_LETTERS).is_empty(), "seed {seed}");
    }
}

#[test]
fn what_was_read_is_an_event_skipped_or_a_dead_letter() {
    let broker = broker(0);
    (0..100).for_each(|number| broker.append(&[order(number)]).unwrap());
    broker.append(&[click(1, b"rubbish".to_vec())]).unwrap();
    let one_bad = br#"{"type": "order", "user": {"id": 1}, "category": 1, "action": "buy", "ts": 1, "lines": [{"sku": 1}, {}]}"#;
    broker.append(&[click(1, one_bad.to_vec())]).unwrap();
    let metrics = metrics();
    let copied = run_as(&broker, &orders(true), &AtomicBool::new(false), &metrics).unwrap();
    let skipped = (0..100).filter(|number| number % 7 == 0 || number % 10 == 0).count() as u64;
    let events = (0..100).filter(|number| number % 7 != 0).map(|number| number as u64 % 10).sum::<u64>();
    assert_eq!((copied.records, copied.skipped, copied.events), (102, skipped, events));
    assert_eq!((metrics.skipped.get(), metrics.events.get()), (skipped, events));
    // One bad element refuses its record, and what is good of it is not lost or written twice later.
    assert_eq!((copied.dead_letters["malformed"], copied.dead_letters["invalid"]), (1, 1));
    let letters = broker.read(topic::DEAD_LETTERS);
    let told: Vec<String> = letters.iter().map(|letter| Letter::read(letter).unwrap().message).collect();
    assert!(told.iter().any(|text| text.contains("element 1") && text.contains("./sku")), "{told:?}");
    let times = copied.times.unwrap();
    assert_eq!((times.unit.as_str(), times.first.as_str()), ("ms", "1970-01-01T00:00:00.001Z"));
}

#[test]
fn a_unit_that_is_left_open_is_decided_once_for_the_topic() {
    let auto = BridgeSettings { time_unit: hmisr_feed::TopicTime::Auto, ..settings() };
    let at = |number: i64, ts: &str| {
        let payload =
            format!(r#"{{"user": {{"id": {number}}}, "sku": 1, "category": 1, "action": "a", "ts": {ts}}}"#);
        click(number, payload.into_bytes())
    };
    let decided = broker(0);
    for number in 0..200 {
        decided.append(&[at(number, &format!("{}", 1_764_000_000 + number))]).unwrap();
    }
    decided.append(&[at(200, "1764000000000")]).unwrap();
    let copied = run_as(&decided, &auto, &AtomicBool::new(false), &metrics()).unwrap();
    assert_eq!((copied.events, copied.dead_letters.values().sum::<u64>()), (200, 1));
    let times = copied.times.unwrap();
    assert_eq!((times.unit.as_str(), times.first.as_str()), ("s", "2025-11-24T16:00:00Z"));
    let letter = &decided.read(topic::DEAD_LETTERS)[0];
    let told = Letter::read(letter).unwrap().message;
    assert!(told.contains("2025-11-24T16:00:00Z in ms"), "{told}");

    let mixed = broker(0);
    for number in 0..100 {
        mixed.append(&[at(number, if number % 2 == 0 { "1764000000" } else { "1764000000000" })]).unwrap();
    }
    let error = run_as(&mixed, &auto, &AtomicBool::new(false), &metrics()).unwrap_err().to_string();
    assert!(error.contains("50 are s") && error.contains("--time-unit") && error.contains(CLICKS), "{error}");
    assert!(mixed.read(topic::EVENTS).is_empty());
}
