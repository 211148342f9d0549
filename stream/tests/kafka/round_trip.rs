//! Records come back as they went, from where they are asked for.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use hmisr_stream::contract::{DeadLetter, Reason};
use hmisr_stream::kafka::{KafkaProducer, read_committed};
use hmisr_stream::{Header, Limits, Outgoing, Polled, Record, Source};
use hmisr_testkit::broker;

use super::support::*;

#[test]
fn keys_payloads_headers_and_order_survive() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 3);
    let mut sent: Vec<Outgoing> = (0..600).map(|number| outgoing(topic, number as i32 % 3, number)).collect();
    sent[7].payload = None;
    sent[8].key = None;
    sent[9].payload = Some(Vec::new());
    sent[10].headers = Vec::new();
    sent[11].headers = vec![Header::new("", ""), Header::new("twice", "a"), Header::new("twice", [0, 255])];
    let mut producer = KafkaProducer::new(&settings).unwrap();
    assert_eq!(producer.partitions(topic).unwrap(), Some(3));
    for record in &sent {
        producer.produce(record).unwrap();
    }
    producer.flush().unwrap();

    let mut source = joined(&settings, topic, 3);
    assert_eq!((source.topic().partitions, source.topic().name.as_str()), (3, topic));
    for partition in 0..3 {
        assert_eq!(source.committed(partition).unwrap(), None);
        assert_eq!(source.bounds(partition).unwrap(), (0, 200));
        source.seek(partition, 0).unwrap();
    }
    let records = read(&mut source, 600);
    for partition in 0..3 {
        let sent = sent.iter().filter(|record| record.partition == partition);
        let came = records.iter().filter(|record| record.partition == partition);
        for (offset, (sent, came)) in sent.zip(came).enumerate() {
            assert_eq!(came.offset, offset as i64);
            assert_eq!((&came.key, &came.payload, &came.headers), (&sent.key, &sent.payload, &sent.headers));
            assert!(came.timestamp_ms > 0);
        }
        assert_eq!(source.known_end(partition), Some(200));
    }
    let mut all = records;
    all.sort_by_key(|record| (record.partition, record.offset));
    assert_eq!(read_committed(&settings, topic, SOON).unwrap(), all);
}

#[test]
fn a_dead_letter_is_taken_however_large_the_record_was() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    let record = Record {
        partition: 0,
        offset: 7,
        timestamp_ms: 0,
        key: Some(vec![b'k'; 400 << 10]),
        // Without a pattern, so that no compression helps.
        payload: Some((0..16_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        headers: (0..2_000).map(|_| Header::new("many", "small")).collect(),
    };
    let message = "m".repeat(1 << 20);
    let letter = DeadLetter { record: &record, topic: "events", reason: Reason::TooLarge, message: &message };
    let letter = letter.outgoing(topic, 1);
    let mut producer = KafkaProducer::new(&settings).unwrap();
    producer.produce(&letter).unwrap();
    producer.flush().unwrap();
    let read = read_committed(&settings, topic, SOON).unwrap();
    assert_eq!((&read[0].key, &read[0].payload), (&letter.key, &letter.payload));
    assert_eq!(read[0].headers, letter.headers);
    assert!(letter.headers.len() > 2_000 && letter.payload.unwrap().len() > 800_000);
}

#[test]
fn a_seek_decides_what_comes_next() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    write(&settings, topic, 0, 0..100);
    let mut source = joined(&settings, topic, 1);

    // The first one, back, and forward, right after one another and after reads.
    source.seek(0, 90).unwrap();
    assert_eq!(numbers(&read(&mut source, 10)), (90..100).collect::<Vec<_>>());
    source.seek(0, 5).unwrap();
    source.seek(0, 95).unwrap();
    assert_eq!(numbers(&read(&mut source, 5)), (95..100).collect::<Vec<_>>());
    source.seek(0, 0).unwrap();
    let first = source.poll(Limits { records: 3, bytes: 1 << 20 }, SOON).unwrap();
    assert!(matches!(first, Polled::Records(records) if numbers(&records) == [0, 1, 2]));
    source.seek(0, 98).unwrap();
    assert_eq!(numbers(&read(&mut source, 2)), [98, 99]);

    // The end, where nothing comes until something is written.
    source.seek(0, 100).unwrap();
    let none = source.poll(LIMITS, Duration::from_millis(300)).unwrap();
    assert!(matches!(none, Polled::Records(records) if records.is_empty()));
    write(&settings, topic, 0, 100..101);
    assert_eq!(numbers(&read(&mut source, 1)), [100]);
}

#[test]
fn a_poll_keeps_to_its_limits() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    write(&settings, topic, 0, 0..50);
    let mut source = joined(&settings, topic, 1);
    source.seek(0, 0).unwrap();
    let mut came = Vec::new();
    // A record counts about a hundred bytes, so two of them reach the second limit.
    for limits in
        [Limits { records: 4, bytes: 1 << 20 }, Limits { records: 100, bytes: 101 }].iter().cycle().take(16)
    {
        let Polled::Records(records) = source.poll(*limits, SOON).unwrap() else { panic!("a rebalance") };
        assert!(!records.is_empty() && records.len() <= 4, "{} records", records.len());
        came.extend(numbers(&records));
    }
    assert_eq!(came, (0..came.len()).collect::<Vec<_>>());
}

#[test]
fn kcat_reads_what_was_written() {
    let Some(brokers) = broker::shared() else { return };
    if Command::new("kcat").arg("-V").output().is_err() {
        eprintln!("kcat is not installed: skipped");
        return;
    }
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    write(&settings, topic, 0, 0..3);
    let output = Command::new("kcat")
        .args(["-b", brokers, "-C", "-t", topic, "-e", "-q", "-f", "%k|%s|%h\\n"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "key-0|payload-0|number=0\nkey-1|payload-1|number=1\nkey-2|payload-2|number=2\n"
    );
}

#[test]
fn a_header_name_that_is_not_text_is_read() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 1);
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", brokers, "-P", "-t", topic, "-p", "0", "-H"]).arg(OsStr::from_bytes(b"na\xffme=value"));
    let Ok(mut kcat) = kcat.stdin(Stdio::piped()).spawn() else {
        eprintln!("kcat is not installed: skipped");
        return;
    };
    kcat.stdin.take().unwrap().write_all(b"payload").unwrap();
    assert!(kcat.wait().unwrap().success());
    let records = read_committed(&settings, topic, SOON).unwrap();
    assert_eq!(records[0].headers, [Header::new("na\u{fffd}me", "value")]);
}
