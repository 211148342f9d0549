//! Retention drops what is old or too much, never what a group may still need, and never the end.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;
use std::time::Duration;

use hmisr_stream::log::{Log, LogSettings};
use hmisr_stream::{Limits, Polled, Sink, Source};
use hmisr_testkit::messages::unkeyed;

/// Everything that every group is past is dropped at once.
const NOTHING: LogSettings = LogSettings {
    sync: true,
    max_record_bytes: 1 << 20,
    retention_bytes: u64::MAX,
    retention_ms: 0,
    retention_margin_ms: 0,
};
const BY_BYTES: LogSettings = LogSettings { retention_ms: u64::MAX, retention_bytes: 1 << 20, ..NOTHING };

fn open(path: &Path, settings: LogSettings) -> Log {
    let log = Log::open(path, settings).unwrap();
    log.create_topic("in", 1).unwrap();
    log
}

fn append(log: &Log, payloads: impl Iterator<Item = Vec<u8>>) {
    log.append(&payloads.map(|payload| unkeyed("in", 0, payload)).collect::<Vec<_>>()).unwrap();
}

/// So that what was appended is older than 0 ms.
fn age() {
    std::thread::sleep(Duration::from_millis(5));
}

fn commit(log: &Log, group: &str, offset: i64) {
    let mut sink = log.sink(group);
    sink.begin().unwrap();
    sink.send_offsets(&group.to_owned(), "in", &[(0, offset)]).unwrap();
    sink.commit().unwrap();
}

/// First offset and end, as a reader finds them.
fn bounds(log: &Log) -> (i64, i64) {
    log.source("in", "bounds").unwrap().bounds(0).unwrap()
}

/// Offsets and payloads from the first one on.
fn contents(log: &Log) -> Vec<(i64, Vec<u8>)> {
    let mut source = log.source("in", "contents").unwrap();
    source.poll(Limits { records: 1, bytes: 1 }, Duration::ZERO).unwrap();
    let (start, _) = source.bounds(0).unwrap();
    source.seek(0, start).unwrap();
    let all = Limits { records: usize::MAX, bytes: usize::MAX };
    match source.poll(all, Duration::ZERO).unwrap() {
        Polled::Records(records) => {
            records.into_iter().map(|record| (record.offset, record.payload.unwrap())).collect()
        }
        change => unreachable!("a log's group has one member: {change:?}"),
    }
}

fn numbers(range: std::ops::Range<i64>) -> Vec<(i64, Vec<u8>)> {
    range.map(|number| (number, number.to_string().into_bytes())).collect()
}

/// 4 KiB that do not compress, different ones for each number.
fn noise(number: i64) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut next = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    (0..512).flat_map(|_| next()).collect()
}

#[test]
fn by_age_but_never_past_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), NOTHING);
    append(&log, numbers(0..10).into_iter().map(|(_, payload)| payload));
    age();
    let slow = log.source("in", "slow").unwrap();
    assert_eq!(log.retain().unwrap().records, 0, "a group that never committed needs everything");
    commit(&log, "slow", 4);
    assert_eq!(log.retain().unwrap().records, 4);
    assert_eq!(bounds(&log), (4, 10));
    assert_eq!(contents(&log), numbers(4..10));
    drop((log, slow));
    let log = open(folder.path(), NOTHING);
    assert_eq!(bounds(&log), (4, 10));
}

#[test]
fn the_newest_record_stays_and_keeps_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), NOTHING);
    append(&log, numbers(0..10).into_iter().map(|(_, payload)| payload));
    age();
    let source = log.source("in", "done").unwrap();
    commit(&log, "done", 10);
    assert_eq!(log.retain().unwrap().records, 9);
    assert_eq!(log.retain().unwrap().records, 0);
    assert_eq!(contents(&log), numbers(9..10));
    drop((log, source));
    let log = open(folder.path(), NOTHING);
    assert_eq!(bounds(&log), (9, 10));
    append(&log, std::iter::once(b"10".to_vec()));
    assert_eq!(contents(&log), numbers(9..11), "offsets go on where they were");
}

#[test]
fn by_bytes_but_never_past_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), BY_BYTES);
    append(&log, (0..1_000).map(noise));
    drop(log);
    // Opening writes what was in memory into a table, where its bytes count.
    let log = open(folder.path(), BY_BYTES);
    let slow = log.source("in", "slow").unwrap();
    commit(&log, "slow", 100);
    assert_eq!(log.retain().unwrap().records, 100);
    assert_eq!(contents(&log), (100..1_000).map(|number| (number, noise(number))).collect::<Vec<_>>());
    drop((log, slow));

    let log = open(folder.path(), BY_BYTES);
    let done = log.source("in", "slow").unwrap();
    commit(&log, "slow", 1_000);
    assert!(log.retain().unwrap().records > 0);
    let (start, end) = bounds(&log);
    // 1 MiB is 256 of them; blocks are counted whole.
    assert!((735..=750).contains(&start), "from {start}");
    assert_eq!(end, 1_000);
    assert_eq!(contents(&log), (start..1_000).map(|number| (number, noise(number))).collect::<Vec<_>>());
    drop((log, done));
    let log = open(folder.path(), BY_BYTES);
    assert_eq!(bounds(&log), (start, 1_000));
}

#[test]
fn nothing_is_dropped_before_the_margin_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let patient = LogSettings { retention_margin_ms: 24 * 60 * 60 * 1000, ..NOTHING };
    let log = open(folder.path(), patient);
    append(&log, numbers(0..10).into_iter().map(|(_, payload)| payload));
    age();
    let source = log.source("in", "done").unwrap();
    commit(&log, "done", 10);
    for _ in 0..3 {
        assert_eq!(log.retain().unwrap().records, 0);
    }
    drop((log, source));

    let short = LogSettings { retention_margin_ms: 20, ..NOTHING };
    let log = open(folder.path(), short);
    let _reader = log.source("in", "done").unwrap();
    commit(&log, "done", 3);
    log.retain().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    commit(&log, "done", 10);
    assert_eq!(log.retain().unwrap().records, 3, "what the group was past a margin ago");
    assert_eq!(contents(&log), numbers(3..10));
}

#[test]
fn a_group_that_is_sent_back_stops_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), LogSettings { retention_margin_ms: 20, ..NOTHING });
    append(&log, numbers(0..10).into_iter().map(|(_, payload)| payload));
    let _reader = log.source("in", "done").unwrap();
    commit(&log, "done", 8);
    log.retain().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    commit(&log, "done", 2);
    assert_eq!(log.retain().unwrap().records, 2);
    assert_eq!(bounds(&log), (2, 10));
}
