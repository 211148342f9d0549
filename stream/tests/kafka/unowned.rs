//! No partition stays without an owner, whoever dies when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hmisr_stream::kafka::{GroupProtocol, KafkaSettings, KafkaSource};
use hmisr_stream::{Polled, Source};
use hmisr_testkit::broker;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::support::*;

const PARTITIONS: i32 = 4;

/// Polls until the members have every partition; returns who has what.
fn settle(members: &mut [KafkaSource]) -> Vec<BTreeSet<i32>> {
    let mut own = vec![BTreeSet::new(); members.len()];
    let deadline = Instant::now() + SOON;
    while own.iter().map(BTreeSet::len).sum::<usize>() < PARTITIONS as usize {
        let seen: Vec<_> = members.iter().map(Source::condition).collect();
        assert!(Instant::now() < deadline, "{own:?} are owned, and no more: {seen:?}");
        for (source, own) in members.iter_mut().zip(&mut own) {
            match source.poll(LIMITS, Duration::from_millis(50)).unwrap() {
                Polled::Assigned(gained) => own.extend(gained),
                Polled::Revoked(lost) => own.retain(|partition| !lost.contains(partition)),
                Polled::Records(records) => assert_eq!(records, []),
            }
        }
    }
    own
}

/// A member with a name.
fn named(settings: &KafkaSettings, name: &str) -> KafkaSettings {
    KafkaSettings { group_instance_id: Some(format!("{}-{name}", settings.group_id)), ..settings.clone() }
}

/// A group in the middle: the first member was told to let two of four partitions go, and has not done it.
/// The brokers know the new assignment, in which those two are nobody's until the first joins again.
fn in_between(settings: &KafkaSettings, topic: &str) -> (KafkaSource, KafkaSource) {
    let mut first = joined(&named(settings, "a"), topic, PARTITIONS as usize);
    let mut second = KafkaSource::new(&named(settings, "b"), topic).unwrap();
    let deadline = Instant::now() + SOON;
    loop {
        assert!(Instant::now() < deadline, "no partition is taken away");
        if let Polled::Revoked(lost) = first.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            assert_eq!(lost.len(), 2);
            return (first, second);
        }
        second.poll(LIMITS, Duration::from_millis(50)).unwrap();
    }
}

// For the group a member is dead when another of its name has come: it hears no more of the first one. That
// is kept, so that it cannot say a last word, and not polled, so that it goes no further.

#[test]
fn a_member_that_dies_between_the_two_rebalances_leaves_nothing_without_an_owner() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, PARTITIONS);
    let (dead, second) = in_between(&settings, topic);
    let again = KafkaSource::new(&named(&settings, "a"), topic).unwrap();
    let own = settle(&mut [again, second]);
    assert_eq!(own.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2, 2]);
    drop(dead);
}

#[test]
fn nor_do_two_that_die_and_come_back_together() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, PARTITIONS);
    let (dead, dead_too) = in_between(&settings, topic);
    let again = |name| KafkaSource::new(&named(&settings, name), topic).unwrap();
    settle(&mut [again("a"), again("b")]);
    drop((dead, dead_too));
}

#[test]
fn nor_does_one_that_comes_back_under_another_name() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, PARTITIONS);
    let (dead, dead_too) = in_between(&settings, topic);
    // Both go: nobody is left who speaks for them. One comes back, on another machine.
    drop((dead, dead_too));
    let again = |name| KafkaSource::new(&named(&settings, name), topic).unwrap();
    settle(&mut [again("moved"), again("b")]);
}

#[test]
fn where_another_client_leaves_partitions_out_a_member_joins_anew() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, PARTITIONS);
    // A member of a client that knows nothing of this.
    let other = || -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", &settings.group_id)
            .set("group.instance.id", "other")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "60000")
            .set("max.poll.interval.ms", "60000")
            .create()
            .unwrap();
        consumer.subscribe(&[topic]).unwrap();
        consumer
    };
    let owned = |consumer: &BaseConsumer| consumer.assignment().unwrap().count();
    let dead = other();
    let deadline = Instant::now() + SOON;
    while owned(&dead) < PARTITIONS as usize {
        assert!(Instant::now() < deadline, "the other client has nothing");
        dead.poll(Duration::from_millis(50));
    }
    // From here on it is not polled: it is told to let two go, and does not.
    let mut member = KafkaSource::new(&settings, topic).unwrap();
    let half = |member: &KafkaSource| member.condition().unowned.len() == 2;
    while !half(&member) {
        assert!(Instant::now() < deadline, "{:?}", member.condition());
        assert!(matches!(member.poll(LIMITS, Duration::from_millis(50)).unwrap(), Polled::Records(_)));
    }
    // Its successor gets the other two, and never joins again.
    let again = other();
    let mut own = BTreeSet::new();
    let mut anew = false;
    while own.len() < 2 {
        assert!(Instant::now() < deadline, "{own:?}; {:?}", member.condition());
        again.poll(Duration::from_millis(20));
        match member.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            Polled::Assigned(gained) => own.extend(gained),
            Polled::Revoked(lost) => {
                assert_eq!(lost, [0; 0], "it had none");
                anew = true;
            }
            Polled::Records(records) => assert_eq!(records, []),
        }
    }
    assert!(anew);
    while !member.condition().unowned.is_empty() {
        assert!(Instant::now() < deadline, "{:?}", member.condition());
        member.poll(LIMITS, Duration::from_millis(50)).unwrap();
        again.poll(Duration::from_millis(20));
    }
    drop(dead);
}

#[test]
fn every_member_knows_the_lag_of_the_whole_topic_in_both_protocols() {
    let Some(brokers) = broker::shared() else { return };
    for group_protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let settings = KafkaSettings { group_protocol, ..settings(brokers) };
        let topic = topic(&settings, 2);
        write(&settings, topic, 0, 0..7);
        write(&settings, topic, 1, 0..5);
        let mut first = joined(&settings, topic, 2);
        first.commit(&[(0, 3)]).unwrap();
        let mut both = [first, KafkaSource::new(&settings, topic).unwrap()];
        let deadline = Instant::now() + SOON;
        // Three of partition 0 were committed.
        while both.iter().any(|member| {
            let seen = member.condition();
            seen.topic_lag != Some(9) || !seen.unowned.is_empty()
        }) {
            let seen: Vec<_> = both.iter().map(Source::condition).collect();
            assert!(Instant::now() < deadline, "{group_protocol:?}: {seen:?}");
            for member in &mut both {
                member.poll(LIMITS, Duration::from_millis(50)).unwrap();
            }
        }
        if group_protocol == GroupProtocol::Classic {
            let seen = both[0].condition().group.unwrap();
            assert!(seen.contains("2 members"), "{seen}");
        }
    }
}

#[test]
fn a_member_that_reads_nothing_is_seen_where_the_brokers_assign() {
    let Some(brokers) = broker::shared() else { return };
    let settings = KafkaSettings {
        group_protocol: GroupProtocol::Consumer,
        revoke_timeout_ms: 100,
        ..settings(brokers)
    };
    let topic = topic(&settings, PARTITIONS);
    let idle: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", &settings.group_id)
        .set("group.protocol", "consumer")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    idle.subscribe(&[topic]).unwrap();
    let mut member = KafkaSource::new(&settings, topic).unwrap();
    let mut own = BTreeSet::new();
    let deadline = Instant::now() + SOON;
    let mut turn = |member: &mut KafkaSource| {
        assert!(Instant::now() < deadline, "{:?}", member.condition());
        idle.poll(Duration::from_millis(20));
        match member.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            Polled::Assigned(gained) => {
                gained.iter().for_each(|partition| member.seek(*partition, 0).unwrap());
                own.extend(gained);
            }
            Polled::Revoked(lost) => own.retain(|partition| !lost.contains(partition)),
            Polled::Records(records) => {
                let ends = records.iter().map(|record| (record.partition, record.offset + 1));
                let ends: BTreeMap<i32, i64> = ends.collect();
                if !ends.is_empty() {
                    member.commit(&Vec::from_iter(ends)).unwrap();
                }
            }
        }
        own.clone()
    };
    while turn(&mut member).len() != 2 || idle.assignment().unwrap().count() != 2 {}
    while member.condition().topic_lag != Some(0) {
        turn(&mut member);
    }
    for partition in 0..PARTITIONS {
        write(&settings, topic, partition, 0..5);
    }
    while member.condition().unowned.len() < 2 {
        turn(&mut member);
    }
    assert!(!member.condition().abandoned, "a member that replays commits nothing either");
    let others: Vec<i32> =
        (0..PARTITIONS).filter(|partition| !turn(&mut member).contains(partition)).collect();
    assert_eq!((others.len(), member.condition().unowned), (2, others));
    assert_eq!(member.condition().topic_lag, Some(10));
    idle.unsubscribe();
    while !member.condition().unowned.is_empty() || member.condition().topic_lag != Some(0) {
        turn(&mut member);
    }
}
