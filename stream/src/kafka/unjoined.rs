//! A consumer that joins no group: partitions are given to it by hand.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reporting, close, missing_topic, partitions, unanswered};
use super::{KafkaSettings, errors};
use crate::Result;

/// librdkafka asks for a group's name all the same.
const NAME: &str = "hmisr-reader";

impl rdkafka::consumer::ConsumerContext for Reporting {}

/// Gives a consumer of committed records, which tells where partitions end, to `reads`, and closes it.
///
/// # Errors
/// Kind `Configuration`; those of `reads`.
pub(super) fn with<T>(
    settings: &KafkaSettings,
    reads: impl FnOnce(&BaseConsumer<Reporting>) -> Result<T>,
) -> Result<T> {
    let settings = KafkaSettings { group_id: NAME.to_owned(), group_instance_id: None, ..settings.clone() };
    let mut config = settings.for_source()?;
    config.set("enable.partition.eof", "true");
    let consumer = config.create_with_context(Reporting::default()).map_err(errors::creation)?;
    let read = reads(&consumer);
    close(consumer, NAME);
    read
}

/// How a reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With the last record.
    AtTheEnd,
    /// Because its user had enough.
    Early,
    /// Because the time was over.
    Late,
}

/// A reading of all partitions of a topic.
pub(super) struct Reading<'a> {
    consumer: &'a BaseConsumer<Reporting>,
    brokers: &'a str,
    topic: &'a str,
    pub(super) partitions: i32,
}

impl<'a> Reading<'a> {
    /// Asks for the topic.
    ///
    /// # Errors
    /// Kinds `MissingTopic`, `Configuration`, `Unavailable`.
    pub(super) fn of(
        consumer: &'a BaseConsumer<Reporting>,
        settings: &'a KafkaSettings,
        topic: &'a str,
    ) -> Result<Self> {
        let brokers = &settings.brokers;
        match partitions(consumer.client(), brokers, topic, settings.request_timeout())? {
            Some(partitions) => Ok(Self { consumer, brokers, topic, partitions }),
            None => Err(missing_topic(topic, brokers)),
        }
    }

    /// Hands every record from `start` of its partition on to `each`.
    ///
    /// # Errors
    /// Kinds `MissingTopic`, `Configuration`, `Unavailable`, `Corrupt`; those of `each`.
    pub(super) fn from(
        &self,
        start: Offset,
        within: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Ended> {
        let failed = |error| {
            unanswered(self.consumer.client(), self.brokers, &format!("reading {}", self.topic), error)
        };
        let deadline = Instant::now() + within;
        let mut list = TopicPartitionList::new();
        let mut left: BTreeSet<i32> = (0..self.partitions).collect();
        for &partition in &left {
            list.add_partition_offset(self.topic, partition, start).map_err(failed)?;
        }
        self.consumer.assign(&list).map_err(failed)?;
        while !left.is_empty() {
            let time = deadline.saturating_duration_since(Instant::now());
            if time.is_zero() {
                return Ok(Ended::Late);
            }
            match self.consumer.poll(time.min(Duration::from_millis(100))) {
                Some(Ok(message)) => {
                    if each(&message)?.is_break() {
                        return Ok(Ended::Early);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) if error.rdkafka_error_code().and_then(errors::queue_kind).is_some() => {
                    return Err(failed(error));
                }
                // librdkafka goes on by itself.
                Some(Err(_)) | None => {}
            }
        }
        Ok(Ended::AtTheEnd)
    }
}
