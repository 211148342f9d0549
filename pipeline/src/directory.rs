//! The stores that this process owns, for look-ups from other threads.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmisr_features::{FeatureSettings, Visit};
use hmisr_state::StoreReader;
use hmisr_stream::contract::{Id, UserView, VisitView};
use hmisr_stream::partition_for_key;

/// Why a user cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The user's partition is another process's, or nobody's yet: whether the user is known can
    /// only be said by its owner.
    #[error("partition {partition} is not owned by this process: ask its owner, or again in a moment")]
    NotOwned {
        /// The partition.
        partition: i32,
    },
    /// No partition was assigned to this process yet.
    #[error("no partition is owned by this process yet: ask again in a moment")]
    Unassigned,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] hmisr_state::Error),
}

/// Finds a user's committed state by the partition that the user belongs to. Clones share it.
#[derive(Clone)]
pub struct StateDirectory {
    features: FeatureSettings,
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    partitions: i32,
    stores: BTreeMap<i32, StoreReader>,
}

impl StateDirectory {
    /// An empty directory.
    pub fn new(features: FeatureSettings) -> Self {
        Self { features, inner: Arc::default() }
    }

    /// The user's committed features and every visit that is kept; none where the user is
    /// unknown or expired.
    ///
    /// # Errors
    /// Where the store fails, or this process does not own the user's partition.
    pub fn user(&self, id: &Id) -> Result<Option<UserView>, DirectoryError> {
        let (partition, store) = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if inner.stores.is_empty() {
                return Err(DirectoryError::Unassigned);
            }
            let partition = partition_for_key(id.to_string().as_bytes(), inner.partitions);
            let store = inner.stores.get(&partition).ok_or(DirectoryError::NotOwned { partition })?;
            (partition, store.clone())
        };
        let Some(found) = store.user(id)? else { return Ok(None) };
        let features = found.user.features(&self.features);
        Ok(Some(UserView {
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
        }))
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
    fn only_an_owned_partition_says_that_a_user_is_unknown() {
        let (folder, features) = (tempfile::tempdir().unwrap(), FeatureSettings::default());
        let directory = StateDirectory::new(features.clone());
        let on = |wanted: i32| {
            (0..100u32).map(Id::from).find(|id| partition_for_key(id.to_string().as_bytes(), 2) == wanted)
        };
        let [first, second] = [on(0).unwrap(), on(1).unwrap()];
        assert!(matches!(directory.user(&first), Err(DirectoryError::Unassigned)));
        let identity = Identity {
            format: FORMAT_VERSION,
            topic: "events".to_owned(),
            group: "job".to_owned(),
            partition: 1,
            partitions: 2,
            features: features.identity(),
            visits_kept: 200,
        };
        let resources = Resources::new(StateSettings::default());
        let store = PartitionStore::open(folder.path(), &identity, &features, &resources).unwrap();
        directory.insert(2, 1, store.reader());
        assert!(matches!(directory.user(&second), Ok(None)));
        assert!(directory.active(5).unwrap().is_empty());
        assert!(matches!(directory.user(&first), Err(DirectoryError::NotOwned { partition: 0 })));
        directory.remove(1);
        assert!(matches!(directory.user(&second), Err(DirectoryError::Unassigned)));
    }
}
