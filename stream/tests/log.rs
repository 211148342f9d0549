//! The embedded log: what is committed is there, all of it and nothing else, also after a restart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::time::Duration;

use hmisr_stream::contract::{DeadLetter, Reason, topic};
use hmisr_stream::log::{Log, LogSettings};
use hmisr_stream::{ErrorKind, Header, Limits, Polled, Record, Sink, Source};
use hmisr_testkit::messages::unkeyed;

const LIMITS: Limits = Limits { records: 1_000, bytes: 1 << 20 };

fn open(path: &Path) -> Log {
    Log::open(path, LogSettings::default()).unwrap()
}

/// Reads `topic` from where the group stands until nothing more comes.
fn drain(log: &Log, topic: &str, group: &str) -> Vec<Record> {
    let mut source = log.source(topic, group).unwrap();
    let mut records = Vec::new();
    loop {
        match source.poll(LIMITS, Duration::ZERO).unwrap() {
            Polled::Assigned(partitions) => {
                for partition in partitions {
                    let offset = source.committed(partition).unwrap();
                    let (start, _) = source.bounds(partition).unwrap();
                    source.seek(partition, offset.unwrap_or(start)).unwrap();
                }
            }
            Polled::Records(more) if more.is_empty() => return records,
            Polled::Records(more) => records.extend(more),
            Polled::Revoked(_) => unreachable!("a log's group has one member"),
        }
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.payload.clone().unwrap()).unwrap();
    records.iter().map(text).collect()
}

#[test]
fn a_commit_is_all_or_nothing_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(folder.path());
        log.create_topic("in", 2).unwrap();
        log.create_topic("out", 1).unwrap();
        log.append(&[unkeyed("in", 0, "a"), unkeyed("in", 1, "b"), unkeyed("in", 0, "c")]).unwrap();
        let mut sink = log.sink("job");
        sink.begin().unwrap();
        sink.produce(&unkeyed("out", 0, "lost")).unwrap();
        sink.send_offsets(&"g".into(), "in", &[(0, 2)]).unwrap();
        sink.abort().unwrap();
        sink.begin().unwrap();
        sink.produce(&unkeyed("out", 0, "kept")).unwrap();
        sink.send_offsets(&"g".into(), "in", &[(0, 1)]).unwrap();
        assert_eq!(drain(&log, "out", "reader").len(), 0);
        sink.commit().unwrap();
        sink.begin().unwrap();
        sink.produce(&unkeyed("out", 0, "never committed")).unwrap();
    }
    let log = open(folder.path());
    assert_eq!(texts(&drain(&log, "out", "reader")), ["kept"]);
    assert_eq!(log.committed("g", "in", 0).unwrap(), Some(1));
    assert_eq!(log.committed("g", "in", 1).unwrap(), None);
    let mut rest = texts(&drain(&log, "in", "g"));
    rest.sort();
    assert_eq!(rest, ["b", "c"]);
    assert_eq!(log.ends("in").unwrap(), [2, 1]);
}

#[test]
fn a_refused_record_takes_the_whole_transaction_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log =
        Log::open(folder.path(), LogSettings { max_record_bytes: 64, ..LogSettings::default() }).unwrap();
    log.create_topic("out", 1).unwrap();
    let mut sink = log.sink("job");
    sink.begin().unwrap();
    sink.produce(&unkeyed("out", 0, "small")).unwrap();
    sink.produce(&unkeyed("out", 0, "x".repeat(65))).unwrap();
    assert_eq!(sink.commit().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(log.ends("out").unwrap(), [0]);
    let error = log.append(&[unkeyed("nowhere", 0, "x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTopic);
    assert!(log.append(&[unkeyed("out", 1, "x")]).is_err());
}

#[test]
fn a_newer_sink_fences_the_older() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.create_topic("out", 1).unwrap();
    let mut old = log.sink("job");
    old.begin().unwrap();
    old.produce(&unkeyed("out", 0, "zombie")).unwrap();
    let mut new = log.sink("job");
    assert_eq!(old.commit().unwrap_err().kind(), ErrorKind::Fenced);
    new.begin().unwrap();
    new.produce(&unkeyed("out", 0, "alive")).unwrap();
    new.commit().unwrap();
    assert_eq!(texts(&drain(&log, "out", "reader")), ["alive"]);
}

#[test]
fn a_poll_wakes_up_for_a_record_that_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.create_topic("in", 3).unwrap();
    let mut source = log.source("in", "g").unwrap();
    assert!(matches!(source.poll(LIMITS, Duration::ZERO).unwrap(), Polled::Assigned(p) if p == [0, 1, 2]));
    (0..3).for_each(|partition| source.seek(partition, 0).unwrap());
    let writer = std::thread::spawn({
        let log = log.clone();
        move || log.append(&[unkeyed("in", 2, "late")]).unwrap()
    });
    let polled = source.poll(LIMITS, Duration::from_secs(60)).unwrap();
    assert!(matches!(polled, Polled::Records(records) if texts(&records) == ["late"]));
    writer.join().unwrap();
    source.seek(0, 5).unwrap();
    assert_eq!(source.poll(LIMITS, Duration::ZERO).unwrap_err().kind(), ErrorKind::OffsetOutOfRange);
}

#[test]
fn a_poll_keeps_to_its_limits_and_shares_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.create_topic("in", 2).unwrap();
    let many: Vec<_> = (0..40).map(|n| unkeyed("in", n % 2, "x")).collect();
    log.append(&many).unwrap();
    let mut source = log.source("in", "g").unwrap();
    source.poll(LIMITS, Duration::ZERO).unwrap();
    (0..2).for_each(|partition| source.seek(partition, 0).unwrap());
    let limits = Limits { records: 10, bytes: 1 << 20 };
    let Polled::Records(records) = source.poll(limits, Duration::ZERO).unwrap() else { panic!() };
    assert_eq!(records.len(), 10);
    assert_eq!(records.iter().filter(|record| record.partition == 0).count(), 5);
    let one_byte = Limits { records: 10, bytes: 1 };
    let Polled::Records(records) = source.poll(one_byte, Duration::ZERO).unwrap() else { panic!() };
    assert_eq!(records.len(), 2, "one record of each partition, however large");
}

#[test]
fn a_second_process_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let _held = open(folder.path());
    let error = Log::open(folder.path(), LogSettings::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("stop the other one"), "{error}");
}

#[test]
fn a_log_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path, kind| {
        let error = Log::open(path, LogSettings::default()).err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && !text.contains("other one"), "{text}");
        text
    };
    let file = folder.path().join("lock");
    std::fs::write(&file, "not a folder").unwrap();
    assert!(told(&file, ErrorKind::Unavailable).contains("can be written to"));

    let log = folder.path().join("log");
    drop(open(&log));
    for entry in std::fs::read_dir(&log).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("MANIFEST") {
            std::fs::write(entry.path(), "damage").unwrap();
        }
    }
    assert!(told(&log, ErrorKind::Corrupt).contains("damaged"));
}

#[test]
fn a_dead_letter_is_taken_however_large_the_record_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.create_topic(topic::DEAD_LETTERS, 2).unwrap();
    let record = Record {
        partition: 1,
        offset: 7,
        timestamp_ms: 0,
        key: Some(vec![b'k'; 400 << 10]),
        payload: Some(vec![b'p'; 16 << 20]),
        headers: vec![Header::new("large", vec![b'h'; 60 << 10])],
    };
    let message = "m".repeat(1 << 20);
    let letter = DeadLetter { record: &record, topic: "events", reason: Reason::TooLarge, message: &message };
    log.append(&[letter.outgoing(topic::DEAD_LETTERS, 2)]).unwrap();
    let read = drain(&log, topic::DEAD_LETTERS, "reader");
    assert_eq!(read[0].headers[0], record.headers[0]);
    assert!(read[0].headers.contains(&Header::new("hmisr-cut-from", "16777216")));
    assert!(read[0].headers.contains(&Header::new("hmisr-key-cut-from", "409600")));
}

#[test]
fn a_setting_outside_its_range_is_named() {
    let refused = |settings: LogSettings| settings.validate().unwrap_err();
    let sound = LogSettings::default();
    assert_eq!(sound.validate(), Ok(()));
    assert_eq!(LogSettings { retention_ms: 0, retention_margin_ms: 0, ..sound.clone() }.validate(), Ok(()));
    let small = refused(LogSettings { max_record_bytes: 999_999, ..sound.clone() });
    assert_eq!(small, "log.max_record_bytes is 999999: it must be 1000000 to 1073741824 bytes");
    let none = refused(LogSettings { retention_bytes: 0, ..sound.clone() });
    assert!(none.starts_with("log.retention_bytes is 0: "), "{none}");
    let long = refused(LogSettings { retention_margin_ms: u64::MAX, ..sound });
    assert!(long.starts_with("log.retention_margin_ms is 18446744073709551615: "), "{long}");
}
