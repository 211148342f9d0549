//! The logs that events are fed into.

use hmisr_stream::contract::{REPLAY, topic};
use hmisr_stream::kafka::{Kafka, KafkaProducer, KafkaSource};
use hmisr_stream::log::Log;
use hmisr_stream::{Outgoing, Result, Source, Transport};

use crate::{EventLine, EventWriter};

/// A log with the topic `events`, which a feeder writes.
pub trait EventLog: Transport {
    /// Writes events.
    ///
    /// # Errors
    /// Kinds `Configuration`, `MissingTopic`, `Unavailable`.
    fn writer(&self) -> Result<Box<dyn EventWriter + Send>>;

    /// By partition, records of `events` that were replayed from dead letters, and so are not the
    /// feeder's; none where nobody counts them.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    fn replayed(&self) -> Result<Option<Vec<i64>>>;
}

impl EventLog for Log {
    fn writer(&self) -> Result<Box<dyn EventWriter + Send>> {
        Ok(Box::new(LogWriter { log: self.clone(), pending: Vec::new() }))
    }

    /// Kept like an offset of the replay's group, so that it moves with the records.
    fn replayed(&self) -> Result<Option<Vec<i64>>> {
        let partitions = Log::topic(self, topic::EVENTS).map_or(0, |topic| topic.partitions);
        let count = |partition| Ok(self.committed(REPLAY, topic::EVENTS, partition)?.unwrap_or(0));
        (0..partitions).map(count).collect::<Result<_>>().map(Some)
    }
}

struct LogWriter {
    log: Log,
    pending: Vec<Outgoing>,
}

impl EventWriter for LogWriter {
    fn ends(&mut self) -> Result<Vec<i64>> {
        let ends = self.log.ends(topic::EVENTS).unwrap_or_default();
        let replayed = self.log.replayed()?.unwrap_or_default();
        Ok(ends.into_iter().zip(replayed).map(|(end, replayed)| end - replayed).collect())
    }

    fn write(&mut self, partition: i32, line: EventLine) -> Result<()> {
        self.pending.push(outgoing(partition, line));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.log.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

impl EventLog for Kafka {
    fn writer(&self) -> Result<Box<dyn EventWriter + Send>> {
        let source = self.source(topic::EVENTS, "hmisr-feed")?;
        Ok(Box::new(KafkaWriter { producer: KafkaProducer::new(&self.0)?, source }))
    }

    /// Transaction markers take offsets too, so there are no counts to keep.
    fn replayed(&self) -> Result<Option<Vec<i64>>> {
        Ok(None)
    }
}

struct KafkaWriter {
    producer: KafkaProducer,
    /// Only asked for the topic's ends; it is never polled, so it joins no group.
    source: KafkaSource,
}

impl EventWriter for KafkaWriter {
    fn ends(&mut self) -> Result<Vec<i64>> {
        (0..self.source.topic().partitions).map(|partition| Ok(self.source.bounds(partition)?.1)).collect()
    }

    fn write(&mut self, partition: i32, line: EventLine) -> Result<()> {
        self.producer.produce(&outgoing(partition, line))
    }

    fn flush(&mut self) -> Result<()> {
        self.producer.flush()
    }
}

fn outgoing(partition: i32, line: EventLine) -> Outgoing {
    let EventLine { key, payload } = line;
    Outgoing { topic: topic::EVENTS, partition, key, payload: Some(payload), headers: Vec::new() }
}
