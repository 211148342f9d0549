//! A write-back cache: values as decoded, with those that are not yet in the store marked.

use std::collections::HashMap;

use hmisr_features::{FeatureSettings, Id, ItemCount, UserState};

use crate::codec::{decode_item, decode_user, encode_item, encode_user};

/// Column family of users.
pub(crate) const USERS: &str = "users";
/// Column family of item counts.
pub(crate) const ITEMS: &str = "items";

/// What a cache holds: a value with a stored form. The default value is an absent one.
pub(crate) trait Stored: Default {
    const FAMILY: &'static str;

    fn encode(&self, out: &mut Vec<u8>);
    fn decode(settings: &FeatureSettings, bytes: &[u8]) -> Option<Self>;
    /// Whether the store should have no entry for it.
    fn is_absent(&self) -> bool;
    /// Memory taken, in bytes, about.
    fn bytes(&self) -> usize;
}

impl Stored for UserState {
    const FAMILY: &'static str = USERS;

    fn encode(&self, out: &mut Vec<u8>) {
        encode_user(self, out);
    }

    fn decode(settings: &FeatureSettings, bytes: &[u8]) -> Option<Self> {
        decode_user(settings, bytes)
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn bytes(&self) -> usize {
        let visits: usize = self.visits().iter().map(|visit| 80 + visit.item.heap_bytes()).sum();
        let count = |(category, _): &(Id, u32)| 32 + category.heap_bytes();
        let counts = self.lifetime().counts().iter().chain(self.window().counts()).map(count);
        320 + visits + counts.sum::<usize>()
    }
}

impl Stored for ItemCount {
    const FAMILY: &'static str = ITEMS;

    fn encode(&self, out: &mut Vec<u8>) {
        encode_item(*self, out);
    }

    fn decode(_: &FeatureSettings, bytes: &[u8]) -> Option<Self> {
        decode_item(bytes)
    }

    fn is_absent(&self) -> bool {
        self.count == 0
    }

    fn bytes(&self) -> usize {
        96
    }
}

pub(crate) struct Cache<V> {
    entries: HashMap<Id, Entry<V>>,
    dirty: Vec<Id>,
    bytes: usize,
    dirty_bytes: usize,
    /// Commits so far; an entry's age is counted in them.
    round: u64,
}

struct Entry<V> {
    value: V,
    dirty: bool,
    touched: u64,
    bytes: usize,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), dirty: Vec::new(), bytes: 0, dirty_bytes: 0, round: 0 }
    }
}

impl<V: Stored> Cache<V> {
    /// Those of `ids` that are not cached, each once, in the order of their keys.
    pub(crate) fn absent<'a>(&self, ids: impl Iterator<Item = &'a Id>) -> Vec<Id> {
        let mut absent: Vec<Id> = ids.filter(|id| !self.entries.contains_key(*id)).cloned().collect();
        absent.sort_unstable();
        absent.dedup();
        absent
    }

    pub(crate) fn insert_clean(&mut self, id: Id, value: V) {
        let bytes = value.bytes();
        self.bytes += bytes;
        self.entries.insert(id, Entry { value, dirty: false, touched: self.round, bytes });
    }

    pub(crate) fn get_mut(&mut self, id: &Id) -> Option<&mut V> {
        let entry = self.entries.get_mut(id)?;
        entry.touched = self.round;
        Some(&mut entry.value)
    }

    pub(crate) fn mark_dirty(&mut self, id: &Id) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let bytes = entry.value.bytes();
        self.bytes = self.bytes + bytes - entry.bytes;
        if entry.dirty {
            self.dirty_bytes = self.dirty_bytes + bytes - entry.bytes;
        } else {
            self.dirty_bytes += bytes;
            self.dirty.push(id.clone());
            entry.dirty = true;
        }
        entry.bytes = bytes;
    }

    pub(crate) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entries that the store does not have yet, in the order of their keys.
    pub(crate) fn dirty(&mut self) -> impl Iterator<Item = (&Id, &V)> {
        self.dirty.sort_unstable();
        self.dirty.iter().filter_map(|id| Some((id, &self.entries.get(id)?.value)))
    }

    /// Everything is in the store now. Then drops the entries that were not used since the last
    /// commit, and all of them where the rest still exceeds `limit` bytes.
    pub(crate) fn settle(&mut self, limit: usize) {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.dirty = false;
            }
        }
        self.dirty_bytes = 0;
        if self.bytes > limit {
            let round = self.round;
            self.entries.retain(|_, entry| entry.touched == round);
            self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
        }
        if self.bytes > limit {
            self.clear();
        }
        self.round += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.dirty.clear();
        self.bytes = 0;
        self.dirty_bytes = 0;
    }
}
