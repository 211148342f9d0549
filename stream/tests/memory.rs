//! The broker in memory keeps Kafka's promises.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use hmisr_stream::contract::topic;
use hmisr_stream::memory::{
    Broker, Call, Connection, Effect, Fault, MemoryGroup, MemorySink, MemorySource, Timeouts,
};
use hmisr_stream::{ErrorKind, Limits, Polled, Sink, Source};
use hmisr_testkit::messages::unkeyed;

const TIMEOUTS: Timeouts = Timeouts { session: Duration::from_secs(3), transaction: Duration::from_secs(5) };
const ALL: Limits = Limits { records: 1000, bytes: 1 << 20 };

fn broker() -> (Broker, Connection) {
    let broker = Broker::new(TIMEOUTS);
    broker.create_topic(topic::EVENTS, 2);
    broker.create_topic(topic::USER_FEATURES, 1);
    let connection = broker.connect();
    (broker, connection)
}

/// Polls until nothing new comes; returns what was assigned, and what was revoked.
fn settle(source: &mut MemorySource) -> (Vec<i32>, Vec<i32>) {
    let (mut assigned, mut revoked) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        match source.poll(ALL, Duration::ZERO).unwrap() {
            Polled::Assigned(partitions) => assigned.extend(partitions),
            Polled::Revoked(partitions) => revoked.extend(partitions),
            Polled::Records(_) => {}
        }
    }
    (assigned, revoked)
}

fn offsets(broker: &Broker) -> Vec<(i32, i64)> {
    broker.read(topic::EVENTS).iter().map(|record| (record.partition, record.offset)).collect()
}

#[test]
fn transactions_leave_holes_and_hide_what_did_not_commit() {
    let (broker, connection) = broker();
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    sink.produce(&unkeyed(topic::EVENTS, 0, "0")).unwrap();
    broker.append(&[unkeyed(topic::EVENTS, 0, "1"), unkeyed(topic::EVENTS, 1, "0")]).unwrap();
    assert_eq!(offsets(&broker), [(1, 0)], "what follows an open transaction waits for its end");
    sink.abort().unwrap();
    sink.produce(&unkeyed(topic::EVENTS, 0, "3")).unwrap();
    sink.commit().unwrap();
    broker.append(&[unkeyed(topic::EVENTS, 0, "5")]).unwrap();
    assert_eq!(offsets(&broker), [(0, 1), (0, 3), (0, 5), (1, 0)]);
}

#[test]
fn a_newer_producer_fences_the_older_and_aborts_what_it_left() {
    let (broker, connection) = broker();
    let mut old = MemorySink::new(&connection, "a").unwrap();
    old.produce(&unkeyed(topic::EVENTS, 0, "old")).unwrap();
    let mut new = MemorySink::new(&connection, "a").unwrap();
    assert_eq!(old.produce(&unkeyed(topic::EVENTS, 0, "old")).unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(old.commit().unwrap_err().kind(), ErrorKind::Fenced);
    new.produce(&unkeyed(topic::EVENTS, 0, "new")).unwrap();
    new.commit().unwrap();
    assert_eq!(offsets(&broker), [(0, 2)]);
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let (broker, connection) = broker();
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    sink.produce(&unkeyed(topic::EVENTS, 0, "0")).unwrap();
    broker.advance(TIMEOUTS.transaction * 2);
    assert_eq!(sink.commit().unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(offsets(&broker), []);
}

#[test]
fn a_late_end_ends_what_is_open_by_then() {
    let (broker, connection) = broker();
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    let lose = |effect| -> Option<hmisr_stream::memory::Faults> {
        Some(Box::new(move |call| (call == Call::Commit).then_some(Fault::Unanswered(effect))))
    };
    sink.produce(&unkeyed(topic::EVENTS, 0, "0")).unwrap();
    broker.set_faults(lose(Effect::Late));
    assert_eq!(sink.commit().unwrap_err().kind(), ErrorKind::UnknownOutcome);
    sink.produce(&unkeyed(topic::EVENTS, 0, "1")).unwrap();
    assert_eq!(broker.late(), 1);
    broker.deliver_late(0).unwrap();
    assert_eq!(offsets(&broker), [(0, 0), (0, 1)], "the second record was not committed by anyone");

    assert!(sink.commit().is_err());
    let _new = MemorySink::new(&connection, "a").unwrap();
    assert_eq!(broker.deliver_late(0).unwrap_err().kind(), ErrorKind::Fenced);
}

#[test]
fn a_partition_is_given_on_when_its_owner_lets_go() {
    let (broker, connection) = broker();
    let mut first = MemorySource::new(&connection, topic::EVENTS, "group").unwrap();
    assert_eq!(settle(&mut first).0, [0, 1]);
    let mut second = MemorySource::new(&broker.connect(), topic::EVENTS, "group").unwrap();
    assert_eq!(settle(&mut second).0, [0; 0], "its owner has not heard of it");
    let revoked = first.poll(ALL, Duration::ZERO).unwrap();
    assert!(matches!(revoked, Polled::Revoked(partitions) if partitions == [1]));
    assert_eq!(settle(&mut second).0, [0; 0], "its owner may still end its transaction");
    settle(&mut first);
    assert_eq!(settle(&mut second).0, [1]);
    drop(second);
    assert_eq!(settle(&mut first).0, [1]);
}

#[test]
fn who_is_thrown_out_commits_nothing_and_comes_back_with_nothing() {
    let (broker, connection) = broker();
    let mut source = MemorySource::new(&connection, topic::EVENTS, "group").unwrap();
    settle(&mut source);
    let before: MemoryGroup = source.group();
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    broker.advance(TIMEOUTS.session * 2);
    let error = sink.send_offsets(&before, topic::EVENTS, &[(0, 1)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    assert_eq!(source.commit(&[(0, 1)]).unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(settle(&mut source), (vec![0, 1], vec![0, 1]));
    source.commit(&[(0, 1)]).unwrap();
    assert_eq!(broker.committed("group", 0), Some(1));
}

#[test]
fn an_offset_that_an_open_transaction_may_move_is_not_told() {
    let (broker, connection) = broker();
    let mut source = MemorySource::new(&connection, topic::EVENTS, "group").unwrap();
    settle(&mut source);
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    sink.send_offsets(&source.group(), topic::EVENTS, &[(0, 7)]).unwrap();
    assert_eq!(source.committed(0).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(source.committed(1).unwrap(), None);
    sink.commit().unwrap();
    assert_eq!(source.committed(0).unwrap(), Some(7));
    assert_eq!(broker.committed("group", 0), Some(7));
}

#[test]
fn nothing_of_a_process_that_is_gone_arrives() {
    let (broker, connection) = broker();
    let mut source = MemorySource::new(&connection, topic::EVENTS, "group").unwrap();
    settle(&mut source);
    let mut sink = MemorySink::new(&connection, "a").unwrap();
    sink.produce(&unkeyed(topic::EVENTS, 0, "0")).unwrap();
    connection.cut();
    assert_eq!(sink.commit().unwrap_err().kind(), ErrorKind::UnknownOutcome);
    drop(source);
    let mut next = MemorySource::new(&broker.connect(), topic::EVENTS, "group").unwrap();
    assert_eq!(settle(&mut next).0, [0; 0], "it could not say farewell");
    broker.advance(TIMEOUTS.session / 2);
    settle(&mut next);
    broker.advance(TIMEOUTS.session / 3 * 2);
    assert_eq!(settle(&mut next).0, [0, 1]);
}
