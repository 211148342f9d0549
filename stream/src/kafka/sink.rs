//! [`Sink`] over a transactional producer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use super::writer::{Failure, Writer};
use super::{KafkaSettings, client, errors};
use crate::{Error, ErrorKind, Outgoing, Result, Sink};

/// How long one call of librdkafka's abort may block while delivery reports are still to come, which
/// only a poll takes in; and when there are none.
const ABORT_SLICES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// What helps against records that a broker refuses for their size.
const TOO_LARGE: &str = "; raise the topic's max.message.bytes, or lower kafka.max_message_bytes";

/// A transactional producer; or, from [`KafkaSink::plain`], one without transactions.
///
/// After an error of any kind but `Aborted` and `TooLarge` it cannot be relied on any more: drop it.
/// A new one with the same transactional id ends what the old one left open.
pub struct KafkaSink {
    writer: Writer,
    /// None without transactions.
    transactional_id: Option<String>,
    timeout: Duration,
}

impl KafkaSink {
    /// Takes over `settings.transactional_id`: an older producer of that name is fenced, and what
    /// it had open is aborted.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`, `Fenced`.
    pub fn new(settings: &KafkaSettings) -> Result<Self> {
        let writer = Writer::new(settings, &settings.for_sink()?)?;
        let timeout = settings.transaction_timeout();
        writer.producer.init_transactions(timeout.max(settings.request_timeout())).map_err(|error| {
            let question = format!("taking over the transactional id {}", settings.transactional_id);
            match &error {
                KafkaError::Transaction(cause) if cause.is_fatal() && is_fenced(cause.code()) => {
                    Error::caused(
                        ErrorKind::Fenced,
                        format!("{question}: another producer was faster"),
                        error,
                    )
                }
                _ => client::unanswered(writer.producer.client(), &settings.brokers, &question, error),
            }
        })?;
        Ok(Self { writer, transactional_id: Some(settings.transactional_id.clone()), timeout })
    }

    /// A sink without transactions, for delivery at least once: records are seen as they arrive,
    /// and [`Sink::commit`] waits until every one of them is stored. Offsets are committed by
    /// [`crate::Source::commit`], after that; [`Sink::send_offsets`] is refused. An older sink is
    /// not fenced.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    pub fn plain(settings: &KafkaSettings) -> Result<Self> {
        let writer = Writer::new(settings, &settings.for_producer()?)?;
        Ok(Self { writer, transactional_id: None, timeout: settings.transaction_timeout() })
    }

    /// Waits until everything sent is stored.
    fn settle(&mut self) -> Result<()> {
        let delivered = self.writer.drain(Instant::now() + self.timeout);
        match self.writer.take_failure() {
            Some(Failure { code, text }) => {
                let too_large = code == RDKafkaErrorCode::MessageSizeTooLarge;
                // The same record would fail again, and again.
                let kind = if too_large { ErrorKind::Configuration } else { ErrorKind::Aborted };
                let advice = if too_large { TOO_LARGE } else { "" };
                Err(Error::new(kind, format!("{text}{advice}")))
            }
            None if delivered => Ok(()),
            None => Err(Error::new(
                ErrorKind::UnknownOutcome,
                format!(
                    "records are still not delivered after {} ms (kafka.transaction_timeout_ms): check the brokers",
                    self.timeout.as_millis()
                ),
            )),
        }
    }

    /// The error of a transaction's call, with the first record that was not delivered as cause.
    fn failed(&self, call: &str, error: KafkaError) -> Error {
        let failure = self.writer.take_failure();
        let mut kind = match &error {
            KafkaError::Transaction(cause) => errors::kind_of_transaction_error(cause),
            // Records that are not delivered keep a commit from being sent at all.
            KafkaError::Flush(_) => ErrorKind::Aborted,
            _ => ErrorKind::UnknownOutcome,
        };
        let too_large =
            failure.as_ref().is_some_and(|failure| failure.code == RDKafkaErrorCode::MessageSizeTooLarge);
        if kind == ErrorKind::Aborted && too_large {
            // The same records would fail again, and again.
            kind = ErrorKind::Configuration;
        }
        let why = failure.map_or_else(|| error.to_string(), |failure| failure.text);
        let advice = match kind {
            ErrorKind::Fenced => {
                "; another producer took over this id, or the transaction was open for longer than \
                 kafka.transaction_timeout_ms"
            }
            ErrorKind::Configuration if too_large => TOO_LARGE,
            _ => "",
        };
        let id = self.transactional_id.as_deref().unwrap_or_default();
        let text = format!("{call} of the transactional id {id} failed: {why}{advice}");
        Error::caused(kind, text, error)
    }
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    errors::transaction_kind(code, true, false) == ErrorKind::Fenced
}

impl Sink for KafkaSink {
    type Group = Arc<ConsumerGroupMetadata>;

    fn begin(&mut self) -> Result<()> {
        self.writer.take_failure();
        self.writer.forget();
        if self.transactional_id.is_none() {
            return Ok(());
        }
        self.writer
            .producer
            .begin_transaction()
            .map_err(|error| self.failed("the beginning of a transaction", error))
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.writer.send(record)
    }

    fn send_offsets(&mut self, group: &Self::Group, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        if self.transactional_id.is_none() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "a sink without transactions commits no offsets: commit them at the source",
            ));
        }
        self.writer.flush()?;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for &(partition, offset) in offsets {
            list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(|error| {
                let text = format!("{offset} of {topic} [{partition}] is not an offset to commit");
                Error::caused(ErrorKind::Configuration, text, error)
            })?;
        }
        self.writer
            .producer
            .send_offsets_to_transaction(&list, group, self.timeout)
            .map_err(|error| self.failed(&format!("sending the offsets of {topic} in a transaction"), error))
    }

    fn commit(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        self.writer.flush()?;
        if self.transactional_id.is_none() {
            return self.settle();
        }
        // Records that cannot be delivered are told by the commit itself, which is then not sent.
        self.writer.drain(deadline);
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let error = match self.writer.producer.commit_transaction(left) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let again = matches!(&error, KafkaError::Transaction(cause) if cause.is_retriable());
            if !again || Instant::now() >= deadline {
                return Err(self.failed("the commit of a transaction", error));
            }
            self.writer.serve(Duration::from_millis(1));
        }
    }

    fn abort(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        self.writer.forget();
        if self.transactional_id.is_none() {
            // What is sent stays; it is written again, which is what at least once means.
            return self
                .settle()
                .map_err(|error| Error::caused(ErrorKind::UnknownOutcome, error.to_string(), error));
        }
        loop {
            self.writer.serve(Duration::ZERO);
            // A call takes up where the last one stopped.
            let slice =
                if self.writer.producer.in_flight_count() > 0 { ABORT_SLICES.0 } else { ABORT_SLICES.1 };
            let error = match self.writer.producer.abort_transaction(slice) {
                Ok(()) => {
                    self.writer.take_failure();
                    return Ok(());
                }
                Err(error) => error,
            };
            let again = matches!(&error, KafkaError::Transaction(cause) if cause.is_retriable());
            if !again || Instant::now() >= deadline {
                let failed = self.failed("the abort of a transaction", error);
                return Err(match failed.kind() {
                    ErrorKind::Fenced => failed,
                    _ => Error::caused(ErrorKind::UnknownOutcome, failed.to_string(), failed),
                });
            }
            self.writer.serve(Duration::from_millis(1));
        }
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.writer.partitions(topic)
    }
}
