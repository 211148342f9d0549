//! Members of a group share partitions, each owned once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hmisr_stream::kafka::{GroupProtocol, KafkaSettings, KafkaSink, KafkaSource};
use hmisr_stream::{ErrorKind, Polled, Sink, Source};
use hmisr_testkit::broker;

use super::support::*;

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

/// Runs a test with both protocols.
fn with_both(test: impl Fn(KafkaSettings)) {
    let Some(brokers) = broker::shared() else { return };
    for group_protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        test(KafkaSettings { group_protocol, ..settings(brokers) });
    }
}

fn member(settings: &KafkaSettings, topic: &str) -> (KafkaSource, BTreeSet<i32>) {
    (KafkaSource::new(settings, topic).unwrap(), BTreeSet::new())
}

#[test]
fn each_partition_has_one_owner() {
    with_both(|settings| {
        let topic = topic(&settings, 6);
        for partition in 0..6 {
            write(&settings, topic, partition, 0..10);
        }
        let all = BTreeSet::from_iter(0..6);
        let mut members = vec![member(&settings, topic)];
        share(&mut members, |members| members[0].1 == all);
        members.push(member(&settings, topic));
        share(&mut members, |members| members[0].1.len() == 3 && members[1].1.len() == 3);
        members.remove(0);
        share(&mut members, |members| members[0].1 == all);
    });
}

#[test]
fn a_lost_partition_is_let_go_at_the_next_poll() {
    with_both(|settings| {
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
            assert_nothing(&mut second);
        };
        // Whoever lost it may now end a transaction: nobody else has the partition meanwhile.
        for _ in 0..20 {
            assert_nothing(&mut second);
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
    });
}

fn assert_nothing(member: &mut KafkaSource) {
    let polled = member.poll(LIMITS, Duration::from_millis(50)).unwrap();
    assert!(matches!(&polled, Polled::Records(none) if none.is_empty()), "{polled:?}");
}

#[test]
fn a_partition_that_is_not_put_away_in_time_goes_and_its_commit_is_refused() {
    with_both(|settings| {
        let settings = KafkaSettings { revoke_timeout_ms: 500, ..settings };
        let topic = topic(&settings, 2);
        let mut first = joined(&settings, topic, 2);
        first.seek(0, 0).unwrap();
        first.seek(1, 0).unwrap();
        let mut sink = KafkaSink::new(&settings).unwrap();
        sink.begin().unwrap();
        // The first does not poll: a long commit.
        let mut second = KafkaSource::new(&settings, topic).unwrap();
        assigned(&mut second, 1);
        let offsets = [(0, 1), (1, 1)];
        let refused =
            sink.send_offsets(&first.group(), topic, &offsets).and_then(|()| sink.commit()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Aborted, "{refused}");
        sink.abort().unwrap();
        assert_eq!(first.commit(&offsets).unwrap_err().kind(), ErrorKind::Aborted);
        assert_eq!((second.committed(0).unwrap(), second.committed(1).unwrap()), (None, None));

        // It hears of that, and goes on with what it has kept.
        let deadline = Instant::now() + SOON;
        let lost = loop {
            assert!(Instant::now() < deadline, "the loss is not told");
            match first.poll(LIMITS, Duration::from_millis(50)).unwrap() {
                Polled::Revoked(lost) => break lost,
                Polled::Records(records) => assert_eq!(records, []),
                gained => panic!("{gained:?}"),
            }
        };
        assert_eq!(first.commit(&offsets).unwrap_err().kind(), ErrorKind::Aborted, "not acknowledged");
        assert_nothing(&mut first);
        let kept = 1 - lost[0];
        sink.begin().unwrap();
        sink.send_offsets(&first.group(), topic, &[(kept, 1)]).unwrap();
        sink.commit().unwrap();
        first.commit(&[(kept, 2)]).unwrap();
        assert_eq!((second.committed(kept).unwrap(), second.committed(lost[0]).unwrap()), (Some(2), None));
    });
}

#[test]
fn a_partition_that_went_and_came_back_between_two_polls_is_read() {
    with_both(|settings| {
        let settings = KafkaSettings { revoke_timeout_ms: 100, ..settings };
        let topic = topic(&settings, 2);
        let mut busy = joined(&settings, topic, 2);
        busy.seek(0, 0).unwrap();
        busy.seek(1, 0).unwrap();
        let mut other = KafkaSource::new(&settings, topic).unwrap();
        let mut gone = None;
        poll_until(&mut other, |_, polled| {
            if let Polled::Assigned(gained) = polled {
                gone = Some(gained[0]);
            }
            gone.is_some()
        });
        let gone = gone.unwrap();
        assert_eq!(busy.seek(gone, 0).unwrap_err().kind(), ErrorKind::Unavailable);
        write(&settings, topic, gone, 0..3);
        drop(other);
        // A reader that failed seeks back, before it hears that the partition went and is its own again.
        let deadline = Instant::now() + SOON;
        while busy.seek(gone, 0).is_err() {
            assert!(Instant::now() < deadline, "the partition does not come back");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut changes, mut came) = (Vec::new(), Vec::new());
        poll_until(&mut busy, |busy, polled| {
            match polled {
                Polled::Revoked(lost) => changes.push((false, lost)),
                Polled::Assigned(gained) => {
                    busy.seek(gained[0], 0).unwrap();
                    changes.push((true, gained));
                }
                Polled::Records(records) => came.extend(records),
            }
            came.len() == 3
        });
        assert_eq!(changes, [(false, vec![gone]), (true, vec![gone])]);
        assert_eq!(numbers(&came), [0, 1, 2]);
    });
}

#[test]
fn a_busy_reader_stays_and_one_that_hangs_does_not() {
    let Some(brokers) = broker::shared() else { return };
    let settings =
        KafkaSettings { revoke_timeout_ms: 100, max_poll_interval_ms: 15_000, ..settings(brokers) };
    let topic = topic(&settings, 1);
    let mut busy = joined(&settings, topic, 1);
    busy.seek(0, 0).unwrap();
    // Longer than librdkafka itself would wait for a poll (session and revocation).
    std::thread::sleep(Duration::from_millis(7_500));
    write(&settings, topic, 0, 0..1);
    assert_eq!(numbers(&read(&mut busy, 1)), [0]);
    busy.commit(&[(0, 1)]).unwrap();

    let mut other = KafkaSource::new(&settings, topic).unwrap();
    assigned(&mut other, 1);
    assert_eq!(busy.commit(&[(0, 2)]).unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(other.committed(0).unwrap(), Some(1));
}

#[test]
fn a_restart_within_the_session_moves_no_partition() {
    with_both(|settings| {
        let topic = topic(&settings, 4);
        let named = |name: &str| KafkaSettings {
            group_instance_id: Some(format!("{}-{name}", settings.group_id)),
            session_timeout_ms: 30_000,
            ..settings.clone()
        };
        let mut members = vec![member(&named("a"), topic), member(&named("b"), topic)];
        share(&mut members, |members| members[0].1.len() == 2 && members[1].1.len() == 2);
        let (first, own) = members.remove(0);
        drop(first);
        let (mut other, _) = members.remove(0);
        for _ in 0..40 {
            assert_nothing(&mut other);
        }
        let mut again = member(&named("a"), topic);
        let deadline = Instant::now() + SOON;
        while again.1 != own {
            assert!(Instant::now() < deadline, "{own:?} do not come back, but {:?}", again.1);
            assert_nothing(&mut other);
            match again.0.poll(LIMITS, Duration::from_millis(50)).unwrap() {
                Polled::Assigned(gained) => again.1.extend(gained),
                Polled::Records(_) => {}
                lost => panic!("{lost:?}"),
            }
        }
    });
}

#[test]
fn two_members_of_one_name_are_told() {
    with_both(|settings| {
        let settings = KafkaSettings { group_instance_id: Some("one".to_owned()), ..settings };
        let topic = topic(&settings, 1);
        let mut first = joined(&settings, topic, 1);
        let mut second = KafkaSource::new(&settings, topic).unwrap();
        let deadline = Instant::now() + SOON;
        // The older is told with one protocol, the newer with the other.
        let error = loop {
            assert!(Instant::now() < deadline, "nobody is told");
            let polled =
                [&mut second, &mut first].map(|source| source.poll(LIMITS, Duration::from_millis(50)));
            if let Some(error) = polled.into_iter().find_map(Result::err) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        assert!(error.to_string().contains("kafka.group_instance_id"), "{error}");
    });
}

#[test]
fn offsets_of_an_older_membership_are_refused() {
    with_both(|settings| {
        let topic = topic(&settings, 2);
        let mut members = vec![member(&settings, topic)];
        share(&mut members, |members| members[0].1.len() == 2);
        let before = members[0].0.group();
        members.push(member(&settings, topic));
        share(&mut members, |members| members[0].1.len() == 1 && members[1].1.len() == 1);

        let mut sink = KafkaSink::new(&settings).unwrap();
        sink.begin().unwrap();
        // A broker may still take those of a partition that has stayed (KIP-1251).
        let (kept, lost) = (*members[0].1.first().unwrap(), *members[1].1.first().unwrap());
        let refused =
            sink.send_offsets(&before, topic, &[(lost, 5)]).and_then(|()| sink.commit()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Aborted, "{refused}");
        sink.abort().unwrap();
        assert_eq!(members[0].0.committed(lost).unwrap(), None);
        sink.begin().unwrap();
        sink.send_offsets(&members[0].0.group(), topic, &[(kept, 6)]).unwrap();
        sink.commit().unwrap();
        assert_eq!(members[0].0.committed(kept).unwrap(), Some(6));
    });
}
