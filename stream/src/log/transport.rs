//! The embedded log behind the trait [`Transport`].

use std::collections::BTreeMap;

use super::{Log, LogSink, LogSource};
use crate::transport::position;
use crate::{Delivery, Result, TopicSettings, Transport};

impl Log {
    /// Makes the topics of the settings that are missing.
    ///
    /// # Errors
    /// As [`Log::create_topic`].
    pub fn create_topics(&self, topics: &TopicSettings) -> Result<()> {
        topics.specs().iter().try_for_each(|topic| self.create_topic(&topic.name, topic.partitions))
    }
}

impl Transport for Log {
    type Source = LogSource;
    type Sink = LogSink;

    fn source(&self, topic: &str, group: &str) -> Result<LogSource> {
        Log::source(self, topic, group)
    }

    fn sink(&self, transactional_id: &str, _: Delivery) -> Result<LogSink> {
        Ok(Log::sink(self, transactional_id))
    }

    fn is_read(&self, topic: &str, positions: &BTreeMap<i32, i64>) -> Result<bool> {
        let ends = self.ends(topic).unwrap_or_default();
        Ok((0..).zip(ends).all(|(partition, end)| position(positions, partition) == end))
    }

    fn describe(&self) -> String {
        "the embedded log".to_owned()
    }
}
