//! Plain writing, without transactions.

use std::time::{Duration, Instant};

use super::KafkaSettings;
use super::writer::{Failure, Writer};
use crate::{Error, ErrorKind, Outgoing, Result};

/// An idempotent producer: each record is written once and in order per partition, unless an
/// error says otherwise.
pub struct KafkaProducer {
    writer: Writer,
    timeout: Duration,
}

impl KafkaProducer {
    /// Connects.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    pub fn new(settings: &KafkaSettings) -> Result<Self> {
        let writer = Writer::new(settings, &settings.for_producer()?)?;
        Ok(Self { writer, timeout: settings.transaction_timeout() })
    }

    /// Partitions of a topic; none where it does not exist.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `Configuration`.
    pub fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.writer.partitions(topic)
    }

    /// Takes a record, which goes to the brokers with others: at the latest by [`Self::flush`].
    /// Where the queue is full it waits for room, at most `request_timeout_ms`; after `Unavailable`
    /// for that reason the same record may be produced again.
    ///
    /// # Errors
    /// Kinds `TooLarge`, `MissingTopic`, `Configuration`, `Unavailable`; an earlier record that
    /// was not delivered is told here too.
    pub fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.told()?;
        self.writer.send(record)
    }

    /// Waits until all records are delivered.
    ///
    /// # Errors
    /// Kind `Unavailable` where they are not within `transaction_timeout_ms`, `TooLarge` where
    /// the broker refused one for its size.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush()?;
        let done = self.writer.drain(Instant::now() + self.timeout);
        self.told()?;
        if done {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "records are still not delivered after {} ms (kafka.transaction_timeout_ms): check the brokers",
                self.timeout.as_millis()
            ),
        ))
    }

    fn told(&self) -> Result<()> {
        match self.writer.take_failure() {
            Some(Failure { code: rdkafka::error::RDKafkaErrorCode::MessageSizeTooLarge, text }) => {
                Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("{text}; raise the topic's max.message.bytes, or lower kafka.max_message_bytes"),
                ))
            }
            Some(failure) => Err(Error::new(ErrorKind::Unavailable, failure.text)),
            None => Ok(()),
        }
    }
}
