//! What the transactional and the plain producer share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as NativeHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::client::{Reporting, Reports, missing_topic, partitions, unanswered};
use super::{KafkaSettings, errors};
use crate::{Error, ErrorKind, Outgoing, Result};

/// Between two looks at the delivery reports, records.
const SERVE_EVERY: u32 = 256;

/// The first record that was not delivered.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Why.
    pub(super) code: RDKafkaErrorCode,
    /// Which, and why, for people.
    pub(super) text: String,
}

/// What librdkafka calls from within a producer's poll.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    reporting: Reporting,
    failure: Mutex<Option<Failure>>,
}

impl Reports for Deliveries {
    fn reporting(&self) -> &Reporting {
        &self.reporting
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.reporting.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reporting.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // Purged records are those of an aborted transaction.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        let text = format!(
            "a record of {} bytes for {} [{}] was not delivered: {error}",
            message.payload().map_or(0, <[u8]>::len) + message.key().map_or(0, <[u8]>::len),
            message.topic(),
            message.partition(),
        );
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Failure { code, text });
    }
}

/// A producer with its topics and its delivery reports.
pub(super) struct Writer {
    pub(super) producer: BaseProducer<Deliveries>,
    brokers: String,
    timeout: Duration,
    topics: HashMap<String, i32>,
    unserved: u32,
}

impl Writer {
    /// Connects.
    pub(super) fn new(settings: &KafkaSettings, config: &ClientConfig) -> Result<Self> {
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default()).map_err(errors::creation)?;
        let writer = Self {
            producer,
            brokers: settings.brokers.clone(),
            timeout: settings.request_timeout(),
            topics: HashMap::new(),
            unserved: 0,
        };
        writer.reach()?;
        Ok(writer)
    }

    /// Fails where no broker answers.
    fn reach(&self) -> Result<()> {
        let client = self.producer.client();
        match client.fetch_cluster_id(self.timeout) {
            Some(_) => Ok(()),
            None => {
                self.serve(Duration::ZERO);
                let error = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
                Err(unanswered(client, &self.brokers, "connecting", error))
            }
        }
    }

    /// Handles delivery reports for as long as `time`.
    pub(super) fn serve(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// The first record that was not delivered since the last look.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        self.producer.context().failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same, left in its place.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.producer.context().failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Partitions of a topic, asked once; none where it does not exist.
    pub(super) fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        if let Some(&known) = self.topics.get(topic) {
            return Ok(Some(known));
        }
        let found = partitions(self.producer.client(), &self.brokers, topic, self.timeout)?;
        if let Some(found) = found {
            self.topics.insert(topic.to_owned(), found);
        }
        Ok(found)
    }

    /// Queues a record; waits for room where the queue is full.
    pub(super) fn send(&mut self, record: &Outgoing) -> Result<()> {
        let topic = record.topic;
        let Some(count) = self.partitions(topic)? else { return Err(missing_topic(topic, &self.brokers)) };
        if !(0..count).contains(&record.partition) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("partition {} of the topic {topic} does not exist: it has {count}", record.partition),
            ));
        }
        let mut next = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition);
        next.key = record.key.as_deref();
        next.payload = record.payload.as_deref();
        next.headers = native_headers(record);
        let deadline = Instant::now() + self.timeout;
        while let Err((error, back)) = self.producer.send(next) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || Instant::now() >= deadline {
                return Err(self.refused(record, error));
            }
            next = back;
            self.serve(Duration::from_millis(2));
        }
        self.unserved += 1;
        if self.unserved >= SERVE_EVERY {
            self.unserved = 0;
            self.serve(Duration::ZERO);
        }
        Ok(())
    }

    fn refused(&self, record: &Outgoing, error: KafkaError) -> Error {
        use RDKafkaErrorCode as Code;
        let Outgoing { topic, partition, .. } = record;
        let (kind, text) = match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => (
                ErrorKind::TooLarge,
                format!(
                    "a record of {} bytes for {topic} [{partition}] is larger than kafka.max_message_bytes",
                    record.payload.as_ref().map_or(0, Vec::len) + record.key.as_ref().map_or(0, Vec::len)
                ),
            ),
            Some(Code::QueueFull) => (
                ErrorKind::Unavailable,
                format!("the brokers {} take no records for {topic}: the queue stays full", self.brokers),
            ),
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                return missing_topic(topic, &self.brokers);
            }
            _ => {
                let kind = match self.producer.client().fatal_error() {
                    Some((code, _)) => errors::transaction_kind(code, true, false),
                    // A transaction that has failed takes no more records.
                    None => ErrorKind::Aborted,
                };
                let why = self.failure().map_or_else(|| error.to_string(), |failure| failure.text);
                (kind, format!("a record for {topic} [{partition}] was refused: {why}"))
            }
        };
        Error::caused(kind, text, error)
    }

    /// Waits until every record is delivered or has failed; false where time runs out first.
    pub(super) fn drain(&self, deadline: Instant) -> bool {
        // rdkafka's own flush sleeps 100 ms between two looks.
        while self.producer.in_flight_count() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            self.serve(Duration::from_millis(1));
        }
        true
    }
}

fn native_headers(record: &Outgoing) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    Some(record.headers.iter().fold(headers, |headers, header| {
        headers.insert(NativeHeader { key: &header.name, value: Some(&header.value) })
    }))
}
