//! Users that several partitions have: their producers do not agree on the partition of a key.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use hmisr_features::{FeatureSettings, Id};
use rocksdb::IteratorMode;

use crate::cache::USERS;
use crate::store::family;
use crate::{Error, Resources, Result, StoreReader};

/// The next user of each store, the smallest key first.
type Next = BinaryHeap<Reverse<(Box<[u8]>, usize)>>;

/// Walks through the users of several stores, which must not be in use, in the order of their keys, and
/// calls `visit` with each user and the stores that have it, by their place in `paths`. Users are not kept in
/// memory, so that there may be any number; expired ones that are still there count.
///
/// # Errors
/// Kinds `Unavailable` or `Corrupt`. A key that is no user's is left to [`crate::verify`].
pub fn for_each_user_of(
    paths: &[&Path],
    features: &FeatureSettings,
    resources: &Resources,
    mut visit: impl FnMut(&Id, &[usize]),
) -> Result<()> {
    let readers =
        paths.iter().map(|path| StoreReader::open(path, features, resources)).collect::<Result<Vec<_>>>()?;
    let mut entries = Vec::with_capacity(readers.len());
    for reader in &readers {
        entries.push(reader.db().iterator_cf(family(reader.db(), USERS)?, IteratorMode::Start));
    }
    let mut next = Next::new();
    let mut advance = |store: usize, next: &mut Next| {
        if let Some(entry) = entries[store].next() {
            let (key, _) = entry.map_err(|error| Error::disk("reading users", error))?;
            next.push(Reverse((key, store)));
        }
        Ok::<(), Error>(())
    };
    for store in 0..readers.len() {
        advance(store, &mut next)?;
    }
    let mut stores = Vec::new();
    while let Some(Reverse((key, store))) = next.pop() {
        stores.push(store);
        advance(store, &mut next)?;
        if next.peek().is_some_and(|Reverse((other, _))| *other == key) {
            continue;
        }
        if let Some(user) = Id::from_key(&key) {
            visit(&user, &stores);
        }
        stores.clear();
    }
    Ok(())
}
