//! Keys lie where librdkafka itself puts them, with each of its partitioners.

use hmisr_stream::kafka::{read_committed, sample_keys};
use hmisr_stream::{Partitioner, Verdict};
use hmisr_testkit::broker;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::support::*;

const KEYS: usize = 2_000;

/// Keys of several lengths: of murmur2 each length of the rest, of FNV-1a hashes of either sign.
fn key(number: usize) -> String {
    match number % 3 {
        0 => number.to_string(),
        1 => format!("user-{number}"),
        _ => format!("käufer/{number:08}/{}", "x".repeat(number % 7)),
    }
}

/// Writes each key three times with librdkafka's partitioner of that name; none: its default.
fn produce(brokers: &str, topic: &str, partitioner: Option<&str>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("linger.ms", "5");
    if let Some(partitioner) = partitioner {
        config.set("partitioner", partitioner);
    }
    let producer: BaseProducer = config.create().unwrap();
    for number in (0..KEYS).cycle().take(3 * KEYS) {
        producer.send(BaseRecord::to(topic).key(&key(number)).payload("{}")).unwrap();
        producer.poll(std::time::Duration::ZERO);
    }
    producer.flush(SOON).unwrap();
}

#[test]
fn keys_lie_where_librdkafka_puts_them() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    for (name, partitioner) in [
        (None, Partitioner::Crc32),
        (Some("consistent_random"), Partitioner::Crc32),
        (Some("consistent"), Partitioner::Crc32),
        (Some("murmur2_random"), Partitioner::Murmur2),
        (Some("murmur2"), Partitioner::Murmur2),
        (Some("fnv1a_random"), Partitioner::Fnv1a),
        (Some("fnv1a"), Partitioner::Fnv1a),
    ] {
        for partitions in [3, 8] {
            let topic = topic(&settings, partitions);
            produce(brokers, topic, name);
            let records = read_committed(&settings, topic, SOON).unwrap();
            assert_eq!(records.len(), 3 * KEYS);
            for record in &records {
                let key = record.key.as_deref().unwrap();
                assert_eq!(partitioner.of(key, partitions), Some(record.partition), "{name:?} {key:?}");
            }
            // And it is recognised, whatever was expected.
            let sample = sample_keys(&settings, topic, SOON).unwrap();
            assert_eq!(sample.verdict(Partitioner::Any), Verdict::Recognised(partitioner), "{sample}");
        }
    }
}

#[test]
fn what_does_not_tell_the_partitioner_is_said_to_be_undecided() {
    let Some(brokers) = broker::shared() else { return };
    let settings = settings(brokers);
    let verdict = |topic: &str| sample_keys(&settings, topic, SOON).unwrap().verdict(Partitioner::Murmur2);
    let (empty, one, anywhere, mixed) =
        (topic(&settings, 3), topic(&settings, 1), topic(&settings, 3), topic(&settings, 8));
    assert_eq!(verdict(empty), Verdict::TooFewKeys);
    produce(brokers, one, None);
    assert_eq!(verdict(one), Verdict::OnePartition);
    produce(brokers, anywhere, Some("random"));
    assert_eq!(verdict(anywhere), Verdict::Undecided);
    produce(brokers, mixed, None);
    produce(brokers, mixed, Some("murmur2_random"));
    assert_eq!(verdict(mixed), Verdict::Undecided);
    let shares = sample_keys(&settings, mixed, SOON).unwrap().shares();
    assert!(shares[0].1 > 0.2 && shares[1].1 > 0.2, "{shares:?}");
}
