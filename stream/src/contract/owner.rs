//! Who serves the look-ups of a partition.

use hmisr_features::Id;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::Partitioner;

/// The record of the topic `state-owners`; its key is the partition's number as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionOwner {
    /// The partition of `events`.
    pub partition: i32,
    /// How many partitions `events` has.
    pub partitions: i32,
    /// Base URL of the look-ups; none where the instance has given the partition up.
    pub url: Option<String>,
    /// When the instance started, epoch milliseconds: a restart at the same URL has another. A
    /// partition given up counts only against the instance that had announced it.
    pub generation: i64,
}

/// What the records of `state-owners`, in their order, say together.
///
/// ```
/// # use hmisr_stream::Partitioner;
/// # use hmisr_stream::contract::{Id, Owners, PartitionOwner};
/// let mut owners = Owners::default();
/// let owner = |url, generation| PartitionOwner { partition: 0, partitions: 1, url, generation };
/// owners.apply(owner(Some("http://a:1".to_owned()), 1));
/// owners.apply(owner(Some("http://b:1".to_owned()), 2));
/// owners.apply(owner(None, 1)); // the first was slow to say so
/// assert_eq!(owners.of(&Id::from(42), Partitioner::Murmur2), Some("http://b:1"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    partitions: i32,
    by_partition: BTreeMap<i32, (String, i64)>,
}

impl Owners {
    /// Takes the next record.
    pub fn apply(&mut self, owner: PartitionOwner) {
        self.partitions = owner.partitions;
        match owner.url {
            Some(url) => drop(self.by_partition.insert(owner.partition, (url, owner.generation))),
            None => {
                let same = |(_, generation): &(String, i64)| *generation == owner.generation;
                if self.by_partition.get(&owner.partition).is_some_and(same) {
                    self.by_partition.remove(&owner.partition);
                }
            }
        }
    }

    /// Where the user is looked up first: the owner of the partition in which the partitioner puts the
    /// user's events. None where it does not say, or no instance has announced that partition.
    pub fn of(&self, user: &Id, partitioner: Partitioner) -> Option<&str> {
        let partition = partitioner.of(user.to_string().as_bytes(), self.partitions)?;
        self.of_partition(partition)
    }

    /// The instance that has announced the partition.
    pub fn of_partition(&self, partition: i32) -> Option<&str> {
        self.by_partition.get(&partition).map(|(url, _)| url.as_str())
    }

    /// How many partitions `events` has; 0 where no instance has announced any.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The partitions that the instance at `url` has announced, whether or not either ends in a slash.
    pub fn announced_by(&self, url: &str) -> impl Iterator<Item = i32> {
        let base = url.trim_end_matches('/');
        let is_there = move |owner: &&(String, i64)| owner.0.trim_end_matches('/') == base;
        self.by_partition.iter().filter(move |(_, owner)| is_there(owner)).map(|(partition, _)| *partition)
    }

    /// Every instance that owns a partition.
    pub fn urls(&self) -> BTreeSet<&str> {
        self.by_partition.values().map(|(url, _)| url.as_str()).collect()
    }
}
