//! Users whose events lie where another partitioner put them: found, and forgotten everywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use crate::common::{Bench, event, outgoing};
use hmisr_stream::Partitioner;
use hmisr_stream::contract::{Id, topic};

const PARTITIONS: i32 = 4;
const TS: i64 = 1_700_000_000_000;

/// Writes an event of each user where the partitioner puts it.
fn send(bench: &Bench, users: std::ops::Range<u32>, partitioner: Partitioner, ts: i64) {
    let records: Vec<_> = users
        .map(|user| {
            let key = user.to_string().into_bytes();
            let partition = partitioner.choose(&key, PARTITIONS);
            outgoing(partition, Some(&key), Some(&event(user, 1, ts).encode()))
        })
        .collect();
    bench.log.append(&records).unwrap();
}

fn tombstones(bench: &Bench, user: u32, partitions: impl Iterator<Item = i32>) {
    let key = user.to_string().into_bytes();
    let records: Vec<_> = partitions.map(|partition| outgoing(partition, Some(&key), None)).collect();
    bench.log.append(&records).unwrap();
}

#[test]
fn a_user_is_found_in_whichever_partition() {
    let bench = Bench::new(PARTITIONS);
    for (number, partitioner) in (0..).zip(Partitioner::KNOWN) {
        send(&bench, number * 50..(number + 1) * 50, partitioner, TS);
    }
    let directory = bench.run().unwrap();
    for (number, partitioner) in (0..).zip(Partitioner::KNOWN) {
        for user in number * 50..(number + 1) * 50 {
            let view = directory.user(&Id::from(user)).unwrap().unwrap();
            assert_eq!(Some(view.partition), partitioner.of(user.to_string().as_bytes(), PARTITIONS));
        }
    }
    assert!(directory.user(&Id::from(200)).unwrap().is_none());
}

#[test]
fn of_a_user_in_two_partitions_the_newest_state_is_told_unless_one_is_the_expected() {
    // Neither partition is the one that murmur2 expects.
    let elsewhere = |user: &u32| {
        let key = user.to_string().into_bytes();
        let [murmur2, crc32, fnv1a] =
            [Partitioner::Murmur2, Partitioner::Crc32, Partitioner::Fnv1a].map(|it| it.of(&key, PARTITIONS));
        murmur2 != crc32 && crc32 != fnv1a && fnv1a != murmur2
    };
    let user = (0..1_000).find(elsewhere).unwrap();
    let bench = Bench::new(PARTITIONS);
    send(&bench, user..user + 1, Partitioner::Crc32, TS);
    send(&bench, user..user + 1, Partitioner::Fnv1a, TS + 1_000);
    let newest = bench.run().unwrap().user(&Id::from(user)).unwrap().unwrap();
    let of = |partitioner: Partitioner| partitioner.of(user.to_string().as_bytes(), PARTITIONS);
    assert_eq!(Some(newest.partition), of(Partitioner::Fnv1a));
    send(&bench, user..user + 1, Partitioner::Murmur2, TS - 1_000);
    let expected = bench.run().unwrap().user(&Id::from(user)).unwrap().unwrap();
    assert_eq!(Some(expected.partition), of(Partitioner::Murmur2));
}

#[test]
fn a_tombstone_deletes_the_state_of_its_partition_and_is_passed_on() {
    let bench = Bench::new(PARTITIONS);
    // In every partition, as when producers differ.
    let key = b"7".to_vec();
    let events: Vec<_> = (0..PARTITIONS)
        .map(|partition| outgoing(partition, Some(&key), Some(&event(7, 1, TS).encode())))
        .collect();
    bench.log.append(&events).unwrap();
    let user = Id::from(7);
    assert!(bench.run().unwrap().user(&user).unwrap().is_some());
    // A run that was cut off: half of the partitions.
    tombstones(&bench, 7, 0..PARTITIONS / 2);
    let left = bench.run().unwrap().user(&user).unwrap().unwrap();
    assert!(left.partition >= PARTITIONS / 2);
    tombstones(&bench, 7, 0..PARTITIONS);
    assert!(bench.run().unwrap().user(&user).unwrap().is_none());
    let of_user = |record: &&hmisr_stream::Record| record.key == Some(b"7".to_vec());
    let features = bench.read(topic::USER_FEATURES);
    let features: Vec<_> = features.iter().filter(of_user).collect();
    // One of each partition that had the user, and the last word.
    assert_eq!(features.iter().filter(|record| record.payload.is_none()).count(), 4);
    assert!(features.last().unwrap().payload.is_none());
}

#[test]
fn a_late_request_to_forget_deletes_nobody_who_came_back() {
    let bench = Bench::new(PARTITIONS);
    send(&bench, 7..8, Partitioner::Murmur2, TS);
    bench.run().unwrap();
    tombstones(&bench, 7, [Partitioner::Murmur2.choose(b"7", PARTITIONS)].into_iter());
    send(&bench, 7..8, Partitioner::Murmur2, TS + 1_000);
    bench.run().unwrap();
    // The other partitions come to it now.
    let home = Partitioner::Murmur2.of(b"7", PARTITIONS);
    tombstones(&bench, 7, (0..PARTITIONS).filter(|partition| Some(*partition) != home));
    assert!(bench.run().unwrap().user(&Id::from(7)).unwrap().is_some());
    let features = bench.read(topic::USER_FEATURES);
    let of_user: Vec<_> = features.iter().filter(|record| record.key == Some(b"7".to_vec())).collect();
    assert!(of_user.last().unwrap().payload.is_some(), "{of_user:?}");
    assert_eq!(of_user.iter().filter(|record| record.payload.is_none()).count(), 1);
}
