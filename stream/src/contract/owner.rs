//! Who serves the look-ups of a partition.

use hmisr_features::Id;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::partition_for_key;

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
/// # use hmisr_stream::contract::{Id, Owners, PartitionOwner};
/// let mut owners = Owners::default();
/// let owner = |url, generation| PartitionOwner { partition: 0, partitions: 1, url, generation };
/// owners.apply(owner(Some("http://a:1".to_owned()), 1));
/// owners.apply(owner(Some("http://b:1".to_owned()), 2));
/// owners.apply(owner(None, 1)); // the first was slow to say so
/// assert_eq!(owners.of(&Id::from(42)), Some("http://b:1"));
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

    /// Where the user is looked up; none where no instance has announced the user's partition.
    pub fn of(&self, user: &Id) -> Option<&str> {
        let partition = partition_for_key(user.to_string().as_bytes(), self.partitions);
        self.by_partition.get(&partition).map(|(url, _)| url.as_str())
    }

    /// Every instance that owns a partition.
    pub fn urls(&self) -> BTreeSet<&str> {
        self.by_partition.values().map(|(url, _)| url.as_str()).collect()
    }
}
