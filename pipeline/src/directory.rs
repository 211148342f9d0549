//! The stores that this process owns, for look-ups from other threads.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmisr_features::FeatureSettings;
use hmisr_state::StoreReader;
use hmisr_stream::contract::{Id, UserView, VisitView};
use hmisr_stream::partition_for_key;

use crate::Result;

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

    /// The user's committed features and window; none where the user is unknown or expired, or
    /// belongs to a partition of another instance.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn user(&self, id: &Id) -> Result<Option<UserView>> {
        let (partition, store) = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            let partition = partition_for_key(id.to_string().as_bytes(), inner.partitions);
            (partition, inner.stores.get(&partition).cloned())
        };
        let Some(found) = store.map(|store| store.user(id)).transpose()?.flatten() else { return Ok(None) };
        let features = found.user.features(&self.features);
        let visits = found.user.visits();
        let window = visits.range(visits.len().saturating_sub(self.features.window)..);
        Ok(Some(UserView {
            user_id: id.clone(),
            partition,
            next_offset: found.next_offset,
            newest_ts: found.user.newest_ts().unwrap_or_default(),
            lifetime: features.lifetime,
            window: features.window,
            recent_diversity: features.recent_diversity,
            visits: window
                .map(|visit| VisitView {
                    item_id: visit.item.clone(),
                    category: visit.category.clone(),
                    ts: visit.ts,
                    tail: visit.tail,
                })
                .collect(),
        }))
    }

    /// Whether this process owns any partition.
    pub fn is_empty(&self) -> bool {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).stores.is_empty()
    }

    /// The readers of all owned stores.
    pub fn readers(&self) -> Vec<StoreReader> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).stores.values().cloned().collect()
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
