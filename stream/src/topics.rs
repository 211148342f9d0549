//! The topics as the settings have them.

use serde::{Deserialize, Serialize};

use crate::Partitioner;
use crate::kafka::{TopicSpec, standard_topics};

/// Topics that are made where they are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// Partitions of each.
    pub partitions: i32,
    /// Copies of each partition on Kafka; -1: the brokers' default.
    pub replication: i32,
    /// How the producers of `events` choose a record's partition.
    pub partitioner: Partitioner,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { partitions: 4, replication: -1, partitioner: Partitioner::default() }
    }
}

impl TopicSettings {
    /// The topics of [`crate::contract::topic`] as these settings have them.
    pub fn specs(&self) -> Vec<TopicSpec> {
        let standard = standard_topics(self.partitions).into_iter();
        standard.map(|spec| TopicSpec { replication: self.replication, ..spec }).collect()
    }
}
