//! Members of a group share partitions, each owned once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hmisr_stream::kafka::{KafkaSink, KafkaSource};
use hmisr_stream::{ErrorKind, Polled, Sink, Source};

use crate::broker;
use crate::support::*;

/// Polls both, keeping book of who owns what, until `done`.
fn share(
    members: &mut [(KafkaSource, BTreeSet<i32>)],
    mut done: impl FnMut(&[(KafkaSource, BTreeSet<i32>)]) -> bool,
) {
    let deadline = Instant::now() + SOON;
    while !done(members) {
        assert!(Instant::now() < deadline, "the group has not settled within {SOON:?}");
        for at in 0..members.len() {
            let (source, own) = &mut members[at];
            match source.poll(LIMITS, Duration::from_millis(50)).unwrap() {
                Polled::Assigned(gained) => {
                    for partition in gained {
                        source.seek(partition, 0).unwrap();
                        own.insert(partition);
                    }
                }
                Polled::Revoked(lost) => own.retain(|partition| !lost.contains(partition)),
                Polled::Records(records) => {
                    assert!(records.iter().all(|record| own.contains(&record.partition)));
                }
            }
            let owned: usize = members.iter().map(|(_, own)| own.len()).sum();
            let distinct: BTreeSet<i32> = members.iter().flat_map(|(_, own)| own.clone()).collect();
            assert_eq!(owned, distinct.len(), "a partition has two owners");
        }
    }
}

#[test]
fn each_partition_has_one_owner() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 6);
    for partition in 0..6 {
        write(&settings, topic, partition, 0..10);
    }
    let all = BTreeSet::from_iter(0..6);
    let mut members = vec![(KafkaSource::new(&settings, topic).unwrap(), BTreeSet::new())];
    share(&mut members, |members| members[0].1 == all);
    members.push((KafkaSource::new(&settings, topic).unwrap(), BTreeSet::new()));
    share(&mut members, |members| members[0].1.len() == 3 && members[1].1.len() == 3);
    members.remove(0);
    share(&mut members, |members| members[0].1 == all);
}

#[test]
fn a_lost_partition_is_let_go_at_the_next_poll() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 2);
    let mut first = joined(&settings, topic, 2);
    first.seek(0, 0).unwrap();
    first.seek(1, 0).unwrap();
    let mut second = KafkaSource::new(&settings, topic).unwrap();
    let deadline = Instant::now() + SOON;
    let lost = loop {
        assert!(Instant::now() < deadline, "no partition is taken away");
        if let Polled::Revoked(lost) = first.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            break lost;
        }
        assert!(
            matches!(second.poll(LIMITS, Duration::from_millis(50)).unwrap(), Polled::Records(none) if none.is_empty())
        );
    };
    // Whoever lost it may now end a transaction: nobody else has the partition meanwhile.
    for _ in 0..20 {
        assert!(
            matches!(second.poll(LIMITS, Duration::from_millis(50)).unwrap(), Polled::Records(none) if none.is_empty())
        );
    }
    assert_eq!(first.seek(lost[0], 0).unwrap_err().kind(), ErrorKind::Unavailable);
    let gained = loop {
        assert!(Instant::now() < deadline, "the partition is not handed over");
        first.poll(LIMITS, Duration::from_millis(50)).unwrap();
        if let Polled::Assigned(gained) = second.poll(LIMITS, Duration::from_millis(50)).unwrap() {
            break gained;
        }
    };
    assert_eq!(gained, lost);
}

#[test]
fn offsets_of_an_older_membership_are_refused() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let topic = topic(&settings, 2);
    let mut members = vec![(KafkaSource::new(&settings, topic).unwrap(), BTreeSet::new())];
    share(&mut members, |members| members[0].1.len() == 2);
    let before = members[0].0.group();
    members.push((KafkaSource::new(&settings, topic).unwrap(), BTreeSet::new()));
    share(&mut members, |members| members[0].1.len() == 1 && members[1].1.len() == 1);

    let mut sink = KafkaSink::new(&settings).unwrap();
    sink.begin().unwrap();
    let refused = sink.send_offsets(&before, topic, &[(0, 5)]).and_then(|()| sink.commit()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Aborted, "{refused}");
    sink.abort().unwrap();
    assert_eq!(members[0].0.committed(0).unwrap(), None);
    sink.begin().unwrap();
    sink.send_offsets(&members[0].0.group(), topic, &[(0, 6)]).unwrap();
    sink.commit().unwrap();
    assert_eq!(members[0].0.committed(0).unwrap(), Some(6));
}
