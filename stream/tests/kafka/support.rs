//! What the tests share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hmisr_stream::kafka::{Admin, KafkaProducer, KafkaSettings, KafkaSource, TopicSpec};
use hmisr_stream::{Header, Limits, Outgoing, Polled, Record, Source};

/// Long enough for anything that happens at all.
pub const SOON: Duration = Duration::from_secs(60);
pub const LIMITS: Limits = Limits { records: 1_000, bytes: 1 << 20 };

/// A name that no other test uses.
pub fn unique(name: &str) -> &'static str {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)).leak()
}

/// Settings with a group and a transactional id of their own.
pub fn settings(brokers: &str) -> KafkaSettings {
    KafkaSettings {
        group_id: unique("group").to_owned(),
        transactional_id: unique("sink").to_owned(),
        session_timeout_ms: 6_000,
        ..KafkaSettings::new(brokers)
    }
}

/// A new topic.
pub fn topic(settings: &KafkaSettings, partitions: i32) -> &'static str {
    let name = unique("topic");
    let made = Admin::new(settings).unwrap().create_topics(&[TopicSpec::new(name, partitions)]).unwrap();
    assert_eq!(made, [name]);
    name
}

/// A record with a key, a payload and a header.
pub fn outgoing(topic: &'static str, partition: i32, number: usize) -> Outgoing {
    Outgoing {
        topic,
        partition,
        key: Some(format!("key-{number}").into_bytes()),
        payload: Some(format!("payload-{number}").into_bytes()),
        headers: vec![Header::new("number", number.to_string())],
    }
}

/// Writes `numbers` into a partition, outside of a transaction.
pub fn write(settings: &KafkaSettings, topic: &'static str, partition: i32, numbers: std::ops::Range<usize>) {
    let mut producer = KafkaProducer::new(settings).unwrap();
    for number in numbers {
        producer.produce(&outgoing(topic, partition, number)).unwrap();
    }
    producer.flush().unwrap();
}

/// Polls until `done` says so.
pub fn poll_until(source: &mut KafkaSource, mut done: impl FnMut(&mut KafkaSource, Polled) -> bool) {
    let deadline = Instant::now() + SOON;
    loop {
        let polled = source.poll(LIMITS, Duration::from_millis(100)).unwrap();
        if done(source, polled) {
            return;
        }
        assert!(Instant::now() < deadline, "it has not happened within {SOON:?}");
    }
}

/// Polls until `partitions` are assigned; no record may come before.
pub fn assigned(source: &mut KafkaSource, partitions: usize) {
    let mut own = Vec::new();
    poll_until(source, |_, polled| {
        match polled {
            Polled::Assigned(gained) => own.extend(gained),
            Polled::Revoked(lost) => own.retain(|partition| !lost.contains(partition)),
            Polled::Records(records) => assert_eq!(records, [], "records of a partition that was not sought"),
        }
        own.len() == partitions
    });
}

/// Reads `count` records; there may be no more of them, and no rebalance meanwhile.
pub fn read(source: &mut KafkaSource, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    poll_until(source, |_, polled| {
        match polled {
            Polled::Records(next) => records.extend(next),
            change => panic!("a rebalance: {change:?}"),
        }
        records.len() >= count
    });
    assert_eq!(records.len(), count);
    records
}

/// A member that has joined alone and was assigned all `partitions`.
pub fn joined(settings: &KafkaSettings, topic: &str, partitions: usize) -> KafkaSource {
    let mut source = KafkaSource::new(settings, topic).unwrap();
    assigned(&mut source, partitions);
    source
}

/// Numbers of records from [`outgoing`].
pub fn numbers(records: &[Record]) -> Vec<usize> {
    records
        .iter()
        .map(|record| {
            let payload = String::from_utf8(record.payload.clone().unwrap()).unwrap();
            payload.trim_start_matches("payload-").parse().unwrap()
        })
        .collect()
}
