//! What the transactional and the plain producer share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as NativeHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::batch::{Batch, Topic};
use super::client::{Reporting, Reports, missing_topic, partitions, unanswered};
use super::{KafkaSettings, errors, ffi};
use crate::{Error, ErrorKind, Outgoing, Result};

/// Bytes of a record beside key, payload and headers, at most: lengths, time and place.
const OVERHEAD: usize = 36;

/// Between two looks at what is delivered.
const LOOK: Duration = Duration::from_millis(1);

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

/// A topic that is written.
struct Target {
    name: String,
    partitions: i32,
    topic: Topic,
    batch: Batch,
}

/// A producer with its topics and its delivery reports.
pub(super) struct Writer {
    /// Before the producer, which must outlive them.
    targets: Vec<Target>,
    pub(super) producer: BaseProducer<Deliveries>,
    brokers: String,
    timeout: Duration,
    max_message_bytes: usize,
}

impl Writer {
    /// Connects.
    pub(super) fn new(settings: &KafkaSettings, config: &ClientConfig) -> Result<Self> {
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default()).map_err(errors::creation)?;
        let writer = Self {
            targets: Vec::new(),
            producer,
            brokers: settings.brokers.clone(),
            timeout: settings.request_timeout(),
            max_message_bytes: settings.max_message_bytes as usize,
        };
        writer.reach()?;
        Ok(writer)
    }

    /// Fails where no broker answers.
    fn reach(&self) -> Result<()> {
        let client = self.producer.client();
        match client.fetch_cluster_id(self.timeout) {
            Some(_) => {
                self.producer.context().reporting.has_answered();
                Ok(())
            }
            None => {
                self.producer.context().reporting.await_complaint(|time| self.serve(time));
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
        Ok(self.target(topic)?.map(|at| self.targets[at].partitions))
    }

    /// Where a topic's target stands, asked once; none where it does not exist.
    fn target(&mut self, topic: &str) -> Result<Option<usize>> {
        // A handful of names: looking at each is faster than hashing one.
        if let Some(at) = self.targets.iter().position(|target| target.name == topic) {
            return Ok(Some(at));
        }
        let client = self.producer.client();
        let Some(partitions) = partitions(client, &self.brokers, topic, self.timeout)? else {
            return Ok(None);
        };
        let handle = Topic::new(client, topic).ok_or_else(|| missing_topic(topic, &self.brokers))?;
        self.targets.push(Target {
            name: topic.to_owned(),
            partitions,
            topic: handle,
            batch: Batch::default(),
        });
        Ok(Some(self.targets.len() - 1))
    }

    /// Takes a record, which goes to the brokers with others at the latest by [`Self::flush`]. Where
    /// the queue is full it waits for room; after `Unavailable` for that reason it was not taken.
    pub(super) fn send(&mut self, record: &Outgoing) -> Result<()> {
        let topic = record.topic;
        let Some(at) = self.target(topic)? else { return Err(missing_topic(topic, &self.brokers)) };
        let count = self.targets[at].partitions;
        if !(0..count).contains(&record.partition) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("partition {} of the topic {topic} does not exist: it has {count}", record.partition),
            ));
        }
        let bytes = size(record);
        if bytes > self.max_message_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "a record of {bytes} bytes for {topic} [{}] is larger than kafka.max_message_bytes",
                    record.partition
                ),
            ));
        }
        if !record.headers.is_empty() {
            self.queue(at)?;
            return self.send_with_headers(record);
        }
        if self.targets[at].batch.is_full() {
            self.queue(at)?;
        }
        self.targets[at].batch.push(record);
        Ok(())
    }

    /// Gives everything taken to librdkafka.
    pub(super) fn flush(&mut self) -> Result<()> {
        (0..self.targets.len()).try_for_each(|at| self.queue(at))
    }

    /// Forgets what was taken and not given to librdkafka yet.
    pub(super) fn forget(&mut self) {
        self.targets.iter_mut().for_each(|target| target.batch.clear());
    }

    /// Gives a topic's batch to librdkafka; waits for room where the queue is full.
    fn queue(&mut self, at: usize) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let Target { topic, batch, .. } = &mut self.targets[at];
            match batch.queue(topic) {
                Ok(()) => {
                    self.serve(Duration::ZERO);
                    return Ok(());
                }
                Err((_, RDKafkaErrorCode::QueueFull)) if Instant::now() < deadline => {
                    self.serve(Duration::from_millis(2));
                }
                Err((partition, code)) => {
                    return Err(self.refused(
                        &self.targets[at].name,
                        partition,
                        KafkaError::MessageProduction(code),
                    ));
                }
            }
        }
    }

    /// A batch takes no headers.
    fn send_with_headers(&mut self, record: &Outgoing) -> Result<()> {
        let mut next = BaseRecord::<[u8], [u8]>::to(record.topic).partition(record.partition);
        next.key = record.key.as_deref();
        next.payload = record.payload.as_deref();
        next.headers = native_headers(record);
        let deadline = Instant::now() + self.timeout;
        while let Err((error, back)) = self.producer.send(next) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || Instant::now() >= deadline {
                return Err(self.refused(record.topic, record.partition, error));
            }
            next = back;
            self.serve(Duration::from_millis(2));
        }
        Ok(())
    }

    fn refused(&self, topic: &str, partition: i32, error: KafkaError) -> Error {
        use RDKafkaErrorCode as Code;
        let (kind, text) = match error.rdkafka_error_code() {
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

    /// Waits until every record given to librdkafka is delivered or has failed; false where time
    /// runs out first.
    pub(super) fn drain(&self, deadline: Instant) -> bool {
        let producer = &self.producer;
        while producer.in_flight_count() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            // The crate's own flush sleeps 100 ms between two looks.
            ffi::flush(producer.client(), LOOK);
            let mut before = i32::MAX;
            while producer.in_flight_count() < before {
                before = producer.in_flight_count();
                self.serve(Duration::ZERO);
            }
        }
        true
    }
}

/// What librdkafka counts as a record's size, bytes.
fn size(record: &Outgoing) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    // Two lengths of at most five bytes stand before each header's name and value.
    let headers: usize =
        record.headers.iter().map(|header| header.name.len() + header.value.len() + 10).sum();
    length(&record.key) + length(&record.payload) + headers + OVERHEAD
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
