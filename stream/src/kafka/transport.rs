//! Kafka behind the trait [`Transport`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Admin, KafkaSettings, KafkaSink, KafkaSource};
use crate::transport::position;
use crate::{Delivery, Limits, Polled, Result, Source, TopicSettings, Transport};

/// How long a probe looks for records before it gives up; it is asked again.
const PROBE: Duration = Duration::from_secs(5);

/// Kafka, as configured.
#[derive(Clone)]
pub struct Kafka(pub KafkaSettings);

impl Kafka {
    /// Refuses a membership in which partitions would stand still for longer than they may; for members that stay.
    ///
    /// # Errors
    /// Kinds `Configuration`, `Unavailable`.
    pub fn accept_session(&self) -> Result<()> {
        self.0.accept_session()
    }

    /// Makes the topics of the settings that are missing; their names.
    ///
    /// # Errors
    /// As [`Admin::create_topics`].
    pub fn create_topics(&self, topics: &TopicSettings) -> Result<Vec<String>> {
        Admin::new(&self.0)?.create_topics(&topics.specs())
    }
}

impl Transport for Kafka {
    type Source = KafkaSource;
    type Sink = KafkaSink;

    fn source(&self, topic: &str, group: &str) -> Result<KafkaSource> {
        let settings = KafkaSettings { group_id: group.to_owned(), ..self.0.clone() };
        KafkaSource::new(&settings, topic)
    }

    fn dynamic_source(&self, topic: &str, group: &str) -> Result<KafkaSource> {
        Self(KafkaSettings { group_instance_id: None, ..self.0.clone() }).source(topic, group)
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
