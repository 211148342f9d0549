//! Dead letters are listed and replayed, each at most once, over the embedded log and over Kafka.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::common::{events, hmisr, run, stdout, up};
use hmisr_stream::contract::{DeadLetter, REPLAYED_FROM, Reason, topic};
use hmisr_stream::kafka::{KafkaProducer, KafkaSettings, KafkaSource, read_committed};
use hmisr_stream::{Header, Record, Source, partition_for_key};
use serde_json::Value;

/// `hmisr dlq …`: its lines of JSON.
fn dlq(place: [&str; 2], arguments: &[&str]) -> Vec<Value> {
    let output = hmisr().arg("dlq").args(arguments).args(place).arg("--json").output().unwrap();
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn letters_of_a_data_folder_are_replayed_and_the_feed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (data, input) = (folder.path().join("data"), folder.path().join("events.jsonl"));
    let pad = "x".repeat(70_000);
    let large = format!(
        "{{\"user_id\": 7, \"item_id\": 1, \"category\": 1, \"action\": \"click\", \"ts\": 1700000000000, \"pad\": \"{pad}\"}}\n"
    );
    std::fs::write(&input, events(2_000) + &large).unwrap();
    let fed = ["--events", input.to_str().unwrap()];
    let first = up(&data, &fed);
    let place = ["--data", data.to_str().unwrap()];

    let summary = &dlq(place, &["list", "--summary"])[0];
    assert_eq!(summary["letters"], first["dead_letters"]);
    let letters = dlq(place, &["list", "--full"]);
    assert_eq!(summary["letters"], letters.len());
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for letter in &letters {
        *reasons.entry(letter["reason"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(summary["by_reason"], serde_json::json!(reasons));
    assert!(reasons["late"] > 10 && reasons["too_large"] == 1 && reasons["malformed"] > 1, "{reasons:?}");
    let long = letters.iter().find(|letter| letter["reason"] == "too_large").unwrap();
    assert_eq!(long["payload"], large.trim_end());
    assert_eq!((&long["key"], &long["topic"], &long["whole"]), (&"7".into(), &"events".into(), &true.into()));
    let short = dlq(place, &["list", "--reason", "too_large"]);
    assert!(short.len() == 1 && short[0]["payload"].as_str().unwrap().len() < 500);
    assert_eq!(dlq(place, &["list", "--reason", "late", "--limit", "3"]).len(), 3);
    assert_eq!(dlq(place, &["list", "--since", "1000d"]).len(), letters.len());
    assert_eq!(dlq(place, &["list", "--until", "2020-01-01T00:00:00Z"]).len(), 0);
    let in_one = |partition: &str| dlq(place, &["list", "--partition", partition]).len();
    assert_eq!((0..4).map(|partition| in_one(&partition.to_string())).sum::<usize>(), letters.len());
    let people = stdout(&run(&["dlq", "list", "--reason", "malformed", "--data", place[1]]));
    assert!(people.contains("nonsense") && people.contains("malformed"), "{people}");

    // What would be sent is not sent; then it is, in two runs, and never again.
    let late = reasons["late"];
    let tried = dlq(place, &["replay", "--reason", "late", "--dry-run"]);
    assert_eq!((&tried[0]["replayed"], &tried[0]["dry_run"]), (&late.into(), &true.into()));
    assert_eq!(dlq(place, &["replay", "--reason", "late", "--limit", "4"])[0]["replayed"], 4);
    assert_eq!(dlq(place, &["replay", "--reason", "late"])[0]["replayed"], late - 4);
    assert_eq!(dlq(place, &["replay", "--reason", "late"])[0]["replayed"], 0);
    // Another reason is decided on its own.
    assert_eq!(dlq(place, &["replay", "--reason", "too_large"])[0]["replayed"], 1);

    // Nothing of the file is fed again or left out; the late are late again, the large one is not.
    let setting = ["--set", "pipeline.max_event_bytes=100000"];
    let again = up(&data, &[fed[0], fed[1], setting[0], setting[1], "--min-applied", "0"]);
    assert_eq!((&again["events_fed"], &again["events_in_log_before"]), (&0.into(), &2_001.into()));
    assert_eq!((&again["events_applied"], &again["dead_letters"]), (&1.into(), &late.into()));
    let came_back = dlq(place, &["list", "--reason", "late"]);
    let from: Vec<&Value> = came_back.iter().map(|letter| &letter["replayed_from"]).collect();
    assert_eq!(from.iter().filter(|from| from.is_string()).count() as u64, late);
    for letter in letters.iter().filter(|letter| letter["reason"] == "late") {
        assert!(from.contains(&&letter["letter"]), "{letter}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (arguments, expected) in [
        (vec!["dlq", "list", "--data", path], "holds no embedded log"),
        (vec!["dlq", "replay", "--data", "/nowhere"], "/nowhere"),
        (vec!["dlq", "list", "--reason", "odd"], "too_many_categories"),
        (vec!["dlq", "list", "--since", "yesterday"], "2026-01-31"),
        (vec!["dlq", "list", "--data", path, "--brokers", "a:1"], "--brokers"),
    ] {
        let output = run(&arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!Path::new(path).join("log").exists());
}

/// Letters of several reasons, as the job writes them.
fn letters(count: usize) -> Vec<Record> {
    (0..count)
        .map(|number| Record {
            partition: (number % 4) as i32,
            offset: number as i64,
            timestamp_ms: 1_700_000_000_000 + number as i64,
            key: (number % 10 != 9).then(|| format!("{}", number % 7).into_bytes()),
            payload: Some(format!("payload \u{0} {number}").into_bytes()),
            headers: vec![Header::new("trace", number.to_string()), Header::new(REPLAYED_FROM, "older/0/0")],
        })
        .collect()
}

#[test]
fn letters_on_kafka_are_replayed_once_whoever_replays() {
    // A broker of its own: it uses the topics by their own names.
    let Some(broker) = hmisr_testkit::broker::start() else { return };
    let brokers = broker.address.as_str();
    assert!(run(&["topics", "create", "--brokers", brokers]).status.success());
    let settings = KafkaSettings::new(brokers);
    let mut producer = KafkaProducer::new(&settings).unwrap();
    let written = letters(200);
    for (number, record) in written.iter().enumerate() {
        let reason = [Reason::Late, Reason::Invalid, Reason::Future][number % 3];
        let letter = DeadLetter { record, topic: topic::EVENTS, reason, message: "field `ts`" };
        producer.produce(&letter.outgoing(topic::DEAD_LETTERS, 4)).unwrap();
    }
    // One that was cut, one of another topic, and one that is no letter.
    let cut = Record { payload: Some(vec![b'x'; 1 << 20]), ..written[0].clone() };
    for (record, from) in [(&cut, topic::EVENTS), (&written[1], "others")] {
        let letter = DeadLetter { record, topic: from, reason: Reason::TooLarge, message: "" };
        producer.produce(&letter.outgoing(topic::DEAD_LETTERS, 4)).unwrap();
    }
    let mut odd = DeadLetter { record: &written[2], topic: "t", reason: Reason::Late, message: "" }
        .outgoing(topic::DEAD_LETTERS, 4);
    odd.headers.clear();
    producer.produce(&odd).unwrap();
    producer.flush().unwrap();

    let place = ["--brokers", brokers];
    let summary = &dlq(place, &["list", "--summary"])[0];
    assert_eq!(summary["letters"], 203);
    assert_eq!(summary["by_reason"]["unreadable"], 1);
    let unreadable = dlq(place, &["list"]).into_iter().find(|letter| letter["reason"].is_null()).unwrap();
    assert!(unreadable["message"].as_str().unwrap().contains("hmisr-reason"), "{unreadable}");

    assert_eq!(dlq(place, &["replay", "--reason", "late", "--limit", "20"])[0]["replayed"], 20);
    // Two at once: whoever loses stops, and nothing goes twice.
    let both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = hmisr();
            let output = std::process::Stdio::null;
            command.args(["dlq", "replay", "--brokers", brokers]).stdout(output()).stderr(output());
            command.spawn().unwrap()
        })
        .collect();
    for mut one in both {
        one.wait().unwrap();
    }
    dlq(place, &["replay"]);
    let again = &dlq(place, &["replay"])[0];
    assert_eq!((&again["replayed"], &again["refused_foreign"]), (&0.into(), &0.into()));

    let events = read_committed(&settings, topic::EVENTS, Duration::from_secs(60)).unwrap();
    assert_eq!(events.len(), written.len());
    let mut order: BTreeMap<(i32, i32), Vec<i64>> = BTreeMap::new();
    for event in &events {
        let text = String::from_utf8(event.payload.clone().unwrap()).unwrap();
        let number: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
        let was = &written[number];
        assert_eq!((&event.key, &event.payload), (&was.key, &was.payload));
        let partition = was.key.as_ref().map_or(was.partition, |key| partition_for_key(key, 4));
        assert_eq!(event.partition, partition);
        assert_eq!(event.headers[0], was.headers[0]);
        let [_, from] = &event.headers[..] else { panic!("{:?}", event.headers) };
        let from = String::from_utf8(from.value.clone()).unwrap();
        assert!(from.starts_with(&format!("{}/{}/", topic::DEAD_LETTERS, was.partition)), "{from}");
        order.entry((event.partition, was.partition)).or_default().push(number as i64);
    }
    // In the order of the letters, but for the reason that was replayed on its own before.
    for numbers in order.values() {
        let after: Vec<i64> = numbers.iter().copied().filter(|number| number % 3 != 0).collect();
        assert!(after.is_sorted(), "{numbers:?}");
    }

    // A group that is beyond the end is of a topic that was there before.
    let group = KafkaSettings { group_id: "hmisr-dlq-replay-late".to_owned(), ..settings };
    let mut source = KafkaSource::new(&group, topic::DEAD_LETTERS).unwrap();
    let end = source.bounds(0).unwrap().1;
    source.commit(&[(0, end + 1)]).unwrap();
    let output = run(&["dlq", "replay", "--brokers", brokers]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&group.group_id) && text.contains("made anew"), "{text}");
}
