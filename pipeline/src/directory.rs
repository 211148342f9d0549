//! The stores that this process owns, for look-ups from other threads.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmisr_features::{FeatureSettings, Visit};
use hmisr_state::{StoreReader, UserSnapshot};
use hmisr_stream::Partitioner;
use hmisr_stream::contract::{Id, UserView, VisitView};

/// Why a user cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The user is in no partition that this process owns: whether the user is known can only be said by
    /// all owners together.
    #[error(
        "the user has no state in the {} of {partitions} partitions that this process owns: ask the owners of the others, or again in a moment",
        looked_in.len()
    )]
    NotHere {
        /// The partitions that were looked in.
        looked_in: Vec<i32>,
        /// How many there are.
        partitions: i32,
    },
    /// No partition was assigned to this process yet.
    #[error("no partition is owned by this process yet: ask again in a moment")]
    Unassigned,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] hmisr_state::Error),
}

/// Finds a user's committed state in the partitions that this process owns. Clones share it.
#[derive(Clone)]
pub struct StateDirectory {
    features: FeatureSettings,
    partitioner: Partitioner,
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    partitions: i32,
    stores: BTreeMap<i32, StoreReader>,
}

impl StateDirectory {
    /// An empty directory of a topic that is partitioned by murmur2.
    pub fn new(features: FeatureSettings) -> Self {
        Self { features, partitioner: Partitioner::default(), inner: Arc::default() }
    }

    /// The same, of a topic that is partitioned otherwise.
    #[must_use]
    pub fn with_partitioner(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    /// How the topic is partitioned, as the settings say.
    pub fn partitioner(&self) -> Partitioner {
        self.partitioner
    }

    /// The user's committed features and every visit that is kept; none where this process owns every
    /// partition and the user is in none of them, or has expired.
    ///
    /// The partition where the setting puts the user is looked in first, then all others that are owned:
    /// a producer may partition otherwise. Of a user in several of those, the newest state is told.
    ///
    /// # Errors
    /// Where a store fails, or the user is in no owned partition and some are not owned.
    pub fn user(&self, id: &Id) -> Result<Option<UserView>, DirectoryError> {
        let key = id.to_string().into_bytes();
        let (first, partitions) = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if inner.stores.is_empty() {
                return Err(DirectoryError::Unassigned);
            }
            let expected = self.partitioner.of(&key, inner.partitions);
            let store = |partition| Some((partition, inner.stores.get(&partition)?.clone()));
            (expected.and_then(store), inner.partitions)
        };
        let mut looked_in = Vec::new();
        if let Some((partition, store)) = &first {
            if let Some(found) = store.user(id)? {
                return Ok(Some(self.view(id, *partition, &found)));
            }
            looked_in.push(*partition);
        }
        let mut newest: Option<(i32, UserSnapshot)> = None;
        for (partition, store) in self.stores() {
            if looked_in.contains(&partition) {
                continue;
            }
            looked_in.push(partition);
            let Some(found) = store.user(id)? else { continue };
            let is_newer = |(_, known): &(i32, UserSnapshot)| known.user.newest_ts() < found.user.newest_ts();
            if newest.as_ref().is_none_or(is_newer) {
                newest = Some((partition, found));
            }
        }
        match newest {
            Some((partition, found)) => Ok(Some(self.view(id, partition, &found))),
            None if i32::try_from(looked_in.len()) == Ok(partitions) => Ok(None),
            None => {
                looked_in.sort_unstable();
                Err(DirectoryError::NotHere { looked_in, partitions })
            }
        }
    }

    fn view(&self, id: &Id, partition: i32, found: &UserSnapshot) -> UserView {
        let features = found.user.features(&self.features);
        UserView {
            user_id: id.clone(),
            partition,
            next_offset: found.next_offset,
            newest_ts: found.user.newest_ts().unwrap_or_default(),
            lifetime: features.lifetime,
            window: features.window,
            recent_diversity: features.recent_diversity,
            visits: found
                .user
                .visits()
                .map(|Visit { item, category, more_categories, ts, tail, action, weight }| VisitView {
                    item_id: item,
                    category: category.clone(),
                    more_categories: more_categories.into_iter().cloned().collect(),
                    ts,
                    tail,
                    action: action.to_owned(),
                    weight,
                })
                .collect(),
        }
    }

    /// Some users, at most `most`, the most recently active first: only those at the beginning of each
    /// partition are looked at, about a thousand in all, so it is cheap however many there are.
    ///
    /// # Errors
    /// Where a store fails.
    pub fn active(&self, most: usize) -> Result<Vec<Id>, DirectoryError> {
        const LOOKED_AT: usize = 1_024;
        let stores = self.readers();
        let of_each = LOOKED_AT / stores.len().clamp(1, LOOKED_AT);
        let mut users = Vec::new();
        for store in stores {
            users.extend(store.first_users(of_each)?);
        }
        users.sort_by(|(a, a_ts), (b, b_ts)| b_ts.cmp(a_ts).then_with(|| a.cmp(b)));
        Ok(users.into_iter().take(most).map(|(id, _)| id).collect())
    }

    /// Whether this process owns any partition.
    pub fn is_empty(&self) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).stores.is_empty()
    }

    /// The partitions that this process owns, and how many there are in all.
    pub fn owned(&self) -> (Vec<i32>, i32) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        (inner.stores.keys().copied().collect(), inner.partitions)
    }

    /// All owned partitions with their readers.
    fn stores(&self) -> Vec<(i32, StoreReader)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.stores.iter().map(|(partition, store)| (*partition, store.clone())).collect()
    }

    /// The readers of all owned stores.
    pub fn readers(&self) -> Vec<StoreReader> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).stores.values().cloned().collect()
    }

    pub(crate) fn owns(&self, partition: i32) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).stores.contains_key(&partition)
    }

    pub(crate) fn insert(&self, partitions: i32, partition: i32, store: StoreReader) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.partitions = partitions;
        inner.stores.insert(partition, store);
    }

    pub(crate) fn remove(&self, partition: i32) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).stores.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings};

    use super::*;

    #[test]
    fn only_who_owns_all_partitions_says_that_a_user_is_unknown() {
        let (folder, features) = (tempfile::tempdir().unwrap(), FeatureSettings::default());
        let directory = StateDirectory::new(features.clone());
        let user = Id::from(42);
        assert!(matches!(directory.user(&user), Err(DirectoryError::Unassigned)));
        let resources = Resources::new(StateSettings::default());
        let stores: Vec<PartitionStore> = (0..2)
            .map(|partition| {
                let identity = Identity {
                    format: FORMAT_VERSION,
                    topic: "events".to_owned(),
                    group: "job".to_owned(),
                    partition,
                    partitions: 2,
                    features: features.identity(),
                    visits_kept: 200,
                };
                let path = folder.path().join(partition.to_string());
                std::fs::create_dir_all(&path).unwrap();
                PartitionStore::open(&path, &identity, &features, &resources).unwrap()
            })
            .collect();
        directory.insert(2, 1, stores[1].reader());
        let elsewhere = directory.user(&user).unwrap_err();
        assert!(elsewhere.to_string().contains("1 of 2 partitions"), "{elsewhere}");
        let DirectoryError::NotHere { looked_in, partitions } = elsewhere else { panic!("{elsewhere}") };
        assert_eq!((looked_in, partitions), (vec![1], 2));
        directory.insert(2, 0, stores[0].reader());
        assert!(matches!(directory.user(&user), Ok(None)));
        assert!(directory.active(5).unwrap().is_empty());
        directory.remove(0);
        directory.remove(1);
        assert!(matches!(directory.user(&user), Err(DirectoryError::Unassigned)));
    }
}
