//! What stands in a topic.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reporting, close, missing_topic, partitions, unanswered};
use super::{KafkaSettings, errors, ffi};
use crate::{Error, ErrorKind, Record, Result};

impl rdkafka::consumer::ConsumerContext for Reporting {}

/// All committed records that a topic holds now, by partition and offset, without a group.
///
/// For tools and tests: the records are kept in memory.
///
/// # Errors
/// Kinds `MissingTopic`, `Configuration`, `Unavailable`; the last also where reading takes longer
/// than `within`.
pub fn read_committed(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<Vec<Record>> {
    read_committed_up_to(settings, topic, within, usize::MAX)
}

/// As [`read_committed`], of a topic whose keys and payloads are at most `bytes` together.
///
/// # Errors
/// As there; kind `Configuration` where the topic holds more.
pub fn read_committed_up_to(
    settings: &KafkaSettings,
    topic: &str,
    within: Duration,
    bytes: usize,
) -> Result<Vec<Record>> {
    // A group is needed by librdkafka, but never joined: partitions are assigned by hand.
    let reader =
        KafkaSettings { group_id: "hmisr-reader".to_owned(), group_instance_id: None, ..settings.clone() };
    let mut config = reader.for_source()?;
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<Reporting> =
        config.create_with_context(Reporting::default()).map_err(errors::creation)?;
    let read = read(&consumer, settings, topic, within, bytes);
    close(consumer, &reader.group_id);
    read
}

fn read(
    consumer: &BaseConsumer<Reporting>,
    settings: &KafkaSettings,
    topic: &str,
    within: Duration,
    bytes: usize,
) -> Result<Vec<Record>> {
    let mut room = bytes;
    let deadline = Instant::now() + within;
    let (brokers, timeout) = (&settings.brokers, settings.request_timeout());
    let failed = |error| unanswered(consumer.client(), brokers, &format!("reading {topic}"), error);
    let Some(count) = partitions(consumer.client(), brokers, topic, timeout)? else {
        return Err(missing_topic(topic, brokers));
    };
    let mut list = TopicPartitionList::new();
    for partition in 0..count {
        list.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    let mut records = Vec::new();
    let mut ended = std::collections::BTreeSet::new();
    while i32::try_from(ended.len()).is_ok_and(|ended| ended < count) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("reading {topic} to its end takes longer than {} ms", within.as_millis()),
            ));
        }
        match consumer.poll(left.min(Duration::from_millis(100))) {
            None => {}
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(error)) if error.rdkafka_error_code().and_then(errors::queue_kind).is_some() => {
                return Err(failed(error));
            }
            Some(Err(_)) => {}
            Some(Ok(message)) => {
                room = room.checked_sub(message.key_len() + message.payload_len()).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Configuration,
                        format!("{topic} holds more than {bytes} bytes: set its cleanup.policy and max.message.bytes, and see who writes it"),
                    )
                })?;
                records.push(Record {
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().map(<[u8]>::to_vec),
                    headers: ffi::headers(&message),
                });
            }
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}
