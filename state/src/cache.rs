//! A write-back cache: values as decoded, with those that are not yet in the store marked.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use hmisr_features::{FeatureSettings, Id, ItemCount, UserState};

use crate::codec::{decode_item, encode_item};

/// Column family of users.
pub(crate) const USERS: &str = "users";
/// Column family of item counts.
pub(crate) const ITEMS: &str = "items";
/// Where an entry lies that is not cached.
const NOWHERE: u32 = u32::MAX;

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
        self.write(out);
    }

    fn decode(settings: &FeatureSettings, bytes: &[u8]) -> Option<Self> {
        Self::read(settings, bytes)
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn bytes(&self) -> usize {
        Self::bytes(self) + ENTRY_BYTES
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
        size_of::<Self>() + ENTRY_BYTES
    }
}

/// What an entry takes besides its value: id, marks, and its place in the index.
const ENTRY_BYTES: usize = 96;

/// Entries lie in a slab, so that a record finds its user and its item once and then works by
/// place. Places hold until the next [`Cache::settle`] or [`Cache::clear`].
pub(crate) struct Cache<V> {
    places: HashMap<Id, u32, RandomState>,
    entries: Vec<Entry<V>>,
    dirty: Vec<u32>,
    bytes: usize,
    dirty_bytes: usize,
    /// Commits so far; an entry's age is counted in them.
    round: u32,
}

struct Entry<V> {
    id: Id,
    value: V,
    dirty: bool,
    touched: u32,
    bytes: usize,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self {
            places: HashMap::default(),
            entries: Vec::new(),
            dirty: Vec::new(),
            bytes: 0,
            dirty_bytes: 0,
            round: 0,
        }
    }
}

impl<V: Stored> Cache<V> {
    /// Where the entry lies, if it is cached.
    pub(crate) fn place(&self, id: &Id) -> Option<u32> {
        self.places.get(id).copied()
    }

    /// The places of `ids`; those that are not cached are put in by `load`, which is given them
    /// once each, in the order of their keys.
    pub(crate) fn places<'a, E>(
        &mut self,
        ids: impl Iterator<Item = &'a Id> + Clone,
        load: impl FnOnce(&mut Self, Vec<&'a Id>) -> Result<(), E>,
    ) -> Result<Vec<u32>, E> {
        let find = |cache: &Self, id| cache.place(id).unwrap_or(NOWHERE);
        let mut places: Vec<u32> = ids.clone().map(|id| find(self, id)).collect();
        let mut absent: Vec<&Id> =
            ids.clone().zip(&places).filter(|(_, place)| **place == NOWHERE).map(|(id, _)| id).collect();
        if absent.is_empty() {
            return Ok(places);
        }
        absent.sort_unstable();
        absent.dedup();
        load(self, absent)?;
        for (id, place) in ids.zip(&mut places).filter(|(_, place)| **place == NOWHERE) {
            *place = find(self, id);
        }
        Ok(places)
    }

    pub(crate) fn insert_clean(&mut self, id: Id, value: V) {
        let bytes = value.bytes();
        self.bytes += bytes;
        self.places.insert(id.clone(), self.entries.len() as u32);
        self.entries.push(Entry { id, value, dirty: false, touched: self.round, bytes });
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> &mut V {
        let entry = &mut self.entries[place as usize];
        entry.touched = self.round;
        &mut entry.value
    }

    pub(crate) fn mark_dirty(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        let bytes = entry.value.bytes();
        self.bytes = self.bytes + bytes - entry.bytes;
        if entry.dirty {
            self.dirty_bytes = self.dirty_bytes + bytes - entry.bytes;
        } else {
            self.dirty_bytes += bytes;
            self.dirty.push(place);
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
        let Self { dirty, entries, .. } = self;
        dirty.sort_unstable_by(|a, b| entries[*a as usize].id.cmp(&entries[*b as usize].id));
        dirty.iter().map(|place| &entries[*place as usize]).map(|entry| (&entry.id, &entry.value))
    }

    /// Everything is in the store now. Where the cache exceeds `limit` bytes, drops what was not
    /// used for the longest time, down to three quarters of it.
    pub(crate) fn settle(&mut self, limit: usize) {
        for place in self.dirty.drain(..) {
            self.entries[place as usize].dirty = false;
        }
        self.dirty_bytes = 0;
        if self.bytes > limit {
            self.shrink(limit / 4 * 3);
        }
        self.round = self.round.wrapping_add(1);
    }

    fn shrink(&mut self, limit: usize) {
        let age = |entry: &Entry<V>, round: u32| round.wrapping_sub(entry.touched);
        let round = self.round;
        self.entries.sort_unstable_by_key(|entry| age(entry, round));
        let mut kept = 0;
        self.entries.retain(|entry| {
            kept += entry.bytes;
            kept <= limit
        });
        self.entries.shrink_to_fit();
        self.bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        self.places =
            self.entries.iter().enumerate().map(|(at, entry)| (entry.id.clone(), at as u32)).collect();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { round: self.round, ..Self::default() };
    }
}
