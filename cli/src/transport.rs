//! What carries the records: the embedded log or Kafka. The rest of the program does not know which.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmisr_feed::{EventLine, EventWriter};
use hmisr_pipeline::Delivery;
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::{Admin, KafkaProducer, KafkaSettings, KafkaSink, KafkaSource, standard_topics};
use hmisr_stream::log::{Log, LogSink, LogSource};
use hmisr_stream::{Limits, Outgoing, Polled, Result, Sink, Source};

use crate::commands::train;
use crate::config::TopicSettings;

/// How long a probe looks for records before it gives up; it is asked again.
const PROBE: Duration = Duration::from_secs(5);

/// Group and transactional id of `hmisr dlq replay`; the groups of the reasons begin with it.
pub const REPLAY: &str = "hmisr-dlq-replay";

/// Makes sources, sinks and writers of one log.
pub trait Transport: Clone + Send + Sync + 'static {
    /// What reads a topic.
    type Source: Source;
    /// What writes in transactions, for that source.
    type Sink: Sink<Group = <Self::Source as Source>::Group>;

    /// Makes the topics that are missing.
    fn create_topics(&self, topics: &TopicSettings) -> Result<()>;
    /// Reads `topic` for `group`.
    fn source(&self, topic: &str, group: &str) -> Result<Self::Source>;
    /// A sink that fences its predecessor of the same transactional id; at least once, one without
    /// transactions.
    fn sink(&self, transactional_id: &str, delivery: Delivery) -> Result<Self::Sink>;
    /// Writes events.
    fn writer(&self) -> Result<Box<dyn EventWriter + Send>>;
    /// By partition, records of `events` that were replayed from dead letters, and so are not the
    /// feeder's; none where nobody counts them.
    fn replayed(&self) -> Result<Option<Vec<i64>>>;
    /// Whether a reader at `positions` has read everything that is committed.
    fn is_read(&self, topic: &str, positions: &BTreeMap<i32, i64>) -> Result<bool>;
    /// The log in words.
    fn describe(&self) -> String;
}

impl Transport for Log {
    type Source = LogSource;
    type Sink = LogSink;

    fn create_topics(&self, topics: &TopicSettings) -> Result<()> {
        standard_topics(topics.partitions)
            .iter()
            .try_for_each(|topic| self.create_topic(&topic.name, topic.partitions))
    }

    fn source(&self, topic: &str, group: &str) -> Result<LogSource> {
        Log::source(self, topic, group)
    }

    fn sink(&self, transactional_id: &str, _: Delivery) -> Result<LogSink> {
        Ok(Log::sink(self, transactional_id))
    }

    fn writer(&self) -> Result<Box<dyn EventWriter + Send>> {
        Ok(Box::new(LogWriter { log: self.clone(), pending: Vec::new() }))
    }

    /// Kept like an offset of the replay's group, so that it moves with the records.
    fn replayed(&self) -> Result<Option<Vec<i64>>> {
        let partitions = Log::topic(self, topic::EVENTS).map_or(0, |topic| topic.partitions);
        let count = |partition| Ok(self.committed(REPLAY, topic::EVENTS, partition)?.unwrap_or(0));
        (0..partitions).map(count).collect::<Result<_>>().map(Some)
    }

    fn is_read(&self, topic: &str, positions: &BTreeMap<i32, i64>) -> Result<bool> {
        let ends = self.ends(topic).unwrap_or_default();
        Ok((0..).zip(ends).all(|(partition, end)| position(positions, partition) == end))
    }

    fn describe(&self) -> String {
        "the embedded log".to_owned()
    }
}

/// Where a reader stands that may not have come to a partition yet.
fn position(positions: &BTreeMap<i32, i64>, partition: i32) -> i64 {
    positions.get(&partition).copied().unwrap_or(0)
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

/// Kafka, as configured.
#[derive(Clone)]
pub struct Kafka(pub KafkaSettings);

impl Transport for Kafka {
    type Source = KafkaSource;
    type Sink = KafkaSink;

    fn create_topics(&self, topics: &TopicSettings) -> Result<()> {
        let mut specs = standard_topics(topics.partitions);
        for spec in &mut specs {
            spec.replication = topics.replication;
        }
        let made = Admin::new(&self.0)?.create_topics(&specs)?;
        if !made.is_empty() {
            tracing::info!(topics = made.join(", "), partitions = topics.partitions, "topics made");
        }
        Ok(())
    }

    fn source(&self, topic: &str, group: &str) -> Result<KafkaSource> {
        let mut settings = KafkaSettings { group_id: group.to_owned(), ..self.0.clone() };
        if group == train::GROUP {
            // A second trainer would take the first one's place by its name, and that one take it back.
            settings.group_instance_id = None;
        }
        KafkaSource::new(&settings, topic)
    }

    fn sink(&self, transactional_id: &str, delivery: Delivery) -> Result<KafkaSink> {
        match delivery {
            Delivery::ExactlyOnce => KafkaSink::new(&KafkaSettings {
                transactional_id: transactional_id.to_owned(),
                ..self.0.clone()
            }),
            Delivery::AtLeastOnce => KafkaSink::plain(&self.0),
        }
    }

    fn writer(&self) -> Result<Box<dyn EventWriter + Send>> {
        let source = self.source(topic::EVENTS, "hmisr-feed")?;
        Ok(Box::new(KafkaWriter { producer: KafkaProducer::new(&self.0)?, source }))
    }

    /// Transaction markers take offsets too, so there are no counts to keep.
    fn replayed(&self) -> Result<Option<Vec<i64>>> {
        Ok(None)
    }

    /// Transaction markers take offsets too, so a position is compared with the end only by a
    /// reader that has read over them from there.
    fn is_read(&self, topic: &str, positions: &BTreeMap<i32, i64>) -> Result<bool> {
        let mut probe = self.source(topic, "hmisr-probe")?;
        let deadline = Instant::now() + PROBE;
        let mut sought = 0;
        while Instant::now() < deadline {
            match probe.poll(Limits { records: 1, bytes: 1 }, PROBE / 50)? {
                Polled::Records(records) if !records.is_empty() => return Ok(false),
                Polled::Records(_) | Polled::Revoked(_) => {}
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        probe.seek(partition, position(positions, partition))?;
                        sought += 1;
                    }
                }
            }
            if sought < probe.topic().partitions {
                continue;
            }
            let mut at_end = true;
            for partition in 0..probe.topic().partitions {
                at_end &= probe.bounds(partition)?.1 <= position(positions, partition);
            }
            if at_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn describe(&self) -> String {
        format!("Kafka at {}", self.0.brokers)
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
