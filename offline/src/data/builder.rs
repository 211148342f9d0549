//! A data set that is being collected row by row.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;

use hmisr_datasets::Summary;
use hmisr_features::Id;

use super::{Dataset, Event, Notes, UNKNOWN_CATEGORY};
use crate::error::Result;

/// A row: an event and the index of its behaviour.
type Row = (Event, u32);

/// Collects rows and item categories.
#[derive(Default)]
pub(super) struct Builder {
    users: Distinct<Id>,
    items: Distinct<Id>,
    behaviours: Distinct<Vec<u8>>,
    rows: Vec<Vec<Row>>,
    categories: Distinct<String>,
    item_categories: HashMap<Id, Vec<u32>>,
    notes: Notes,
}

impl Builder {
    /// Adds an event; `behaviour` only tells duplicates from events of one second.
    pub(super) fn push(&mut self, user: Id, item: Id, ts_ms: i64, behaviour: &[u8]) {
        let user = self.users.index(user) as usize;
        let event = Event { item: self.items.index(item), ts_ms };
        let behaviour = self.behaviours.index_of(behaviour);
        if user == self.rows.len() {
            self.rows.push(Vec::new());
        }
        let rows = &mut self.rows[user];
        self.notes.rows += 1;
        if rows.last().is_some_and(|(last, _)| last.ts_ms > ts_ms) {
            self.notes.out_of_order += 1;
        }
        rows.push((event, behaviour));
    }

    /// Adds categories to an item, which need not occur in an event.
    pub(super) fn categorise(&mut self, item: &Id, names: &[Id]) {
        for name in names {
            let category = self.categories.index(name.to_string());
            if !self.item_categories.contains_key(item) {
                self.item_categories.insert(item.clone(), Vec::new());
            }
            if let Some(categories) = self.item_categories.get_mut(item)
                && !categories.contains(&category)
            {
                categories.push(category);
            }
        }
    }

    /// The data set; an error where there is no event.
    pub(super) fn finish(mut self, path: &Path, name: String, reading: Summary) -> Result<Dataset> {
        if self.rows.is_empty() {
            return Err(hmisr_datasets::Error::Empty { path: path.to_owned() }.into());
        }
        let mut notes = self.notes;
        let mut repeats = false;
        let mut events = Vec::with_capacity(self.rows.len());
        for mut rows in std::mem::take(&mut self.rows) {
            rows.sort_by_key(|(event, _)| event.ts_ms);
            let before = rows.len();
            without_duplicates(&mut rows);
            notes.duplicates += (before - rows.len()) as u64;
            notes.single_event_users += u64::from(rows.len() == 1);
            let mut seen = HashSet::with_capacity(rows.len());
            repeats |= !rows.iter().all(|(event, _)| seen.insert(event.item));
            events.push(rows.into_iter().map(|(event, _)| event).collect());
        }
        let mut item_categories = Vec::with_capacity(self.items.values.len());
        for item in &self.items.values {
            item_categories.push(match self.item_categories.remove(item) {
                Some(categories) => categories,
                None => {
                    notes.items_without_category += 1;
                    vec![self.categories.index_of(UNKNOWN_CATEGORY)]
                }
            });
        }
        Ok(Dataset {
            name,
            users: self.users.values,
            items: self.items.values,
            events,
            item_categories,
            categories: self.categories.values,
            repeats,
            notes,
            reading,
        })
    }
}

/// Leaves out rows that equal an earlier one; `rows` are sorted by time.
fn without_duplicates(rows: &mut Vec<Row>) {
    let mut now = i64::MIN;
    let mut seen = HashSet::new();
    rows.retain(|&(event, behaviour)| {
        if event.ts_ms != now {
            now = event.ts_ms;
            seen.clear();
        }
        seen.insert((event.item, behaviour))
    });
}

/// A list without repeats, in the order of first appearance.
struct Distinct<T> {
    values: Vec<T>,
    indices: HashMap<T, u32>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), indices: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    fn index(&mut self, value: T) -> u32 {
        if let Some(&index) = self.indices.get(&value) {
            return index;
        }
        // 2³² values would not fit into memory.
        let index = self.values.len() as u32;
        self.values.push(value.clone());
        self.indices.insert(value, index);
        index
    }

    /// The same for a borrowed form, which is copied only where it is new.
    fn index_of<B: ?Sized + Eq + Hash + ToOwned<Owned = T>>(&mut self, value: &B) -> u32
    where
        T: std::borrow::Borrow<B>,
    {
        match self.indices.get(value) {
            Some(&index) => index,
            None => self.index(value.to_owned()),
        }
    }
}
