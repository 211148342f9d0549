//! Where the newest keys of a topic lie.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reporting, close, missing_topic, partitions, unanswered};
use super::{KafkaSettings, errors};
use crate::{KeySample, Result};

/// Records that are looked at, at most, over all partitions; but ten of each.
const RECORDS: i64 = 20_000;

/// A sample of the keys of a topic's newest records, without a group. It ends when it is full, when a
/// bounded number of records was read, or after `within` with what there is then.
///
/// Tombstones are left out: a request to forget a user goes to every partition.
///
/// # Errors
/// Kinds `MissingTopic`, `Configuration`, `Unavailable`.
pub fn sample_keys(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<KeySample> {
    // A group is needed by librdkafka, but never joined: partitions are assigned by hand.
    let reader =
        KafkaSettings { group_id: "hmisr-reader".to_owned(), group_instance_id: None, ..settings.clone() };
    let mut config = reader.for_source()?;
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<Reporting> =
        config.create_with_context(Reporting::default()).map_err(errors::creation)?;
    let sample = read(&consumer, settings, topic, within);
    close(consumer, &reader.group_id);
    sample
}

fn read(
    consumer: &BaseConsumer<Reporting>,
    settings: &KafkaSettings,
    topic: &str,
    within: Duration,
) -> Result<KeySample> {
    let deadline = Instant::now() + within;
    let (brokers, timeout) = (&settings.brokers, settings.request_timeout());
    let failed = |error| unanswered(consumer.client(), brokers, &format!("reading {topic}"), error);
    let Some(count) = partitions(consumer.client(), brokers, topic, timeout)? else {
        return Err(missing_topic(topic, brokers));
    };
    let mut sample = KeySample::new(count);
    if count < 2 {
        return Ok(sample);
    }
    let of_each = (RECORDS / i64::from(count)).max(10);
    let mut list = TopicPartitionList::new();
    for partition in 0..count {
        list.add_partition_offset(topic, partition, Offset::OffsetTail(of_each)).map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    let (mut ended, mut records) = (BTreeSet::new(), 0);
    while !sample.is_full()
        && records < of_each * i64::from(count)
        && i32::try_from(ended.len()).is_ok_and(|ended| ended < count)
    {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match consumer.poll(left.min(Duration::from_millis(100))) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(error)) if error.rdkafka_error_code().and_then(errors::queue_kind).is_some() => {
                return Err(failed(error));
            }
            Some(Err(_)) => {}
            Some(Ok(message)) => {
                records += 1;
                if let (Some(key), Some(_)) = (message.key(), message.payload()) {
                    sample.add(key, message.partition());
                }
            }
        }
    }
    Ok(sample)
}
