//! What a record costs on its way from and to Kafka, in CPU time by thread.
//!
//! ```text
//! scripts/kafka start --port 9192
//! cargo run --release -p hmisr-stream --example kafka_rate -- 127.0.0.1:9192 1000000
//! ```
//!
//! Events of about 100 bytes are written to a topic of four partitions in transactions of 20,000,
//! then read back. The broker runs beside it: its CPU time is not in the figures, but on few cores
//! the wall time is its work too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool for developers")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmisr_stream::kafka::{Admin, KafkaSettings, KafkaSink, KafkaSource, TopicSpec};
use hmisr_stream::{Limits, Outgoing, Polled, Sink, Source};

const TOPIC: &str = "rate";
const PARTITIONS: i32 = 4;
const COMMIT_RECORDS: usize = 20_000;

/// CPU time by thread name, nanoseconds.
fn cpu_ns() -> BTreeMap<String, u64> {
    let mut by_name = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok) {
        let read = |file| std::fs::read_to_string(task.path().join(file));
        let (Ok(name), Ok(schedule)) = (read("comm"), read("schedstat")) else { continue };
        let spent: u64 = schedule.split_whitespace().next().unwrap().parse().unwrap();
        let name = name.trim();
        let name = if name.starts_with("rdk:broker") { "rdk:broker" } else { name };
        *by_name.entry(name.to_owned()).or_insert(0) += spent;
    }
    by_name
}

fn report(what: &str, records: usize, began: (Instant, BTreeMap<String, u64>)) {
    let wall = began.0.elapsed();
    let mut total = 0;
    let mut parts = Vec::new();
    for (name, spent) in cpu_ns() {
        let spent = spent - began.1.get(&name).copied().unwrap_or(0).min(spent);
        total += spent;
        if spent / records as u64 > 0 {
            parts.push(format!("{name} {}", spent / records as u64));
        }
    }
    println!(
        "{what:<8} {records} records: {:>9.0} records/s, CPU {:>5} ns a record ({})",
        records as f64 / wall.as_secs_f64(),
        total / records as u64,
        parts.join(", ")
    );
}

fn produce(settings: &KafkaSettings, records: usize) {
    let mut sink = KafkaSink::new(settings).unwrap();
    let outgoing: Vec<Outgoing> = (0..COMMIT_RECORDS)
        .map(|n| Outgoing {
            topic: TOPIC,
            partition: n as i32 % PARTITIONS,
            key: Some(n.to_string().into_bytes()),
            payload: Some(
                format!(
                    r#"{{"user_id":{n},"item_id":{},"category":{},"action":"click","ts":{}}}"#,
                    n * 7919 % 100_000,
                    n % 31,
                    1_600_000_000_000_u64 + n as u64
                )
                .into_bytes(),
            ),
            headers: Vec::new(),
        })
        .collect();
    let began = (Instant::now(), cpu_ns());
    let mut left = records;
    while left > 0 {
        sink.begin().unwrap();
        for record in outgoing.iter().take(left) {
            sink.produce(record).unwrap();
        }
        sink.commit().unwrap();
        left -= left.min(COMMIT_RECORDS);
    }
    report("produce", records, began);
}

fn consume(settings: &KafkaSettings, records: usize) {
    let mut source = KafkaSource::new(settings, TOPIC).unwrap();
    let limits = Limits { records: 4_096, bytes: 8 << 20 };
    let mut began = None;
    let (mut read, mut bytes, mut polls) = (0, 0, 0);
    while read < records {
        match source.poll(limits, Duration::from_millis(50)).unwrap() {
            Polled::Assigned(partitions) => {
                began.get_or_insert_with(|| (Instant::now(), cpu_ns()));
                for partition in partitions {
                    source.seek(partition, 0).unwrap();
                }
            }
            Polled::Records(records) => {
                polls += u32::from(!records.is_empty());
                read += records.len();
                bytes += records.iter().map(hmisr_stream::Record::bytes).sum::<usize>();
            }
            Polled::Revoked(_) => panic!("another member of the group"),
        }
    }
    report("consume", read, began.unwrap());
    println!("         {} bytes a record, {} records a poll", bytes / read, read as u32 / polls.max(1));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let records = arguments.next().map_or(1_000_000, |count| count.parse().unwrap());
    let mut settings = KafkaSettings::new(brokers);
    for property in arguments {
        let (key, value) = property.split_once('=').unwrap();
        settings.client.insert(key.to_owned(), value.to_owned());
    }
    settings.group_id = format!("rate-{}", std::process::id());
    let admin = Admin::new(&settings).unwrap();
    admin.delete_topics(&[TOPIC]).unwrap();
    while admin.describe(TOPIC).unwrap().is_some() {
        std::thread::sleep(Duration::from_millis(50));
    }
    admin.create_topics(&[TopicSpec::new(TOPIC, PARTITIONS)]).unwrap();
    produce(&settings, records);
    consume(&settings, records);
}
