//! A data set that is being collected row by row.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use hmisr_datasets::{Distinct, Summary};
use hmisr_features::{Id, MAX_CATEGORIES};

use super::{Dataset, Event, Notes, UNKNOWN_CATEGORY};
use crate::error::Result;

/// Collects rows and item categories.
#[derive(Default)]
pub(super) struct Builder {
    users: Distinct<Id>,
    items: Distinct<Id>,
    actions: Distinct<String>,
    rows: Vec<Vec<Event>>,
    categories: Distinct<String>,
    listed: HashMap<Id, Vec<u32>>,
    item_categories: HashMap<Id, Vec<u32>>,
    notes: Notes,
}

impl Builder {
    /// Adds an event.
    pub(super) fn push(&mut self, user: Id, item: Id, ts_ms: i64, action: &str, weight: Option<f32>) {
        let user = self.users.index(user) as usize;
        // More kinds of events than these are one.
        let action = u16::try_from(self.actions.index_of(action)).unwrap_or(u16::MAX);
        let event = Event { item: self.items.index(item), action, ts_ms, weight };
        if user == self.rows.len() {
            self.rows.push(Vec::new());
        }
        let rows = &mut self.rows[user];
        self.notes.rows += 1;
        if rows.last().is_some_and(|last| last.ts_ms > ts_ms) {
            self.notes.out_of_order += 1;
        }
        rows.push(event);
    }

    /// Says what a list of items tells of one, which need not occur in an event. It holds where the
    /// item's events tell nothing, as in the stream.
    pub(super) fn list(&mut self, item: &Id, names: &[Id]) {
        add(&mut self.categories, self.listed.entry(item.clone()).or_default(), names);
    }

    /// Adds categories that an event tells to its item.
    pub(super) fn categorise(&mut self, item: &Id, names: &[Id]) {
        if names.is_empty() {
            return;
        }
        if !self.item_categories.contains_key(item) {
            self.item_categories.insert(item.clone(), Vec::new());
        }
        if let Some(known) = self.item_categories.get_mut(item) {
            add(&mut self.categories, known, names);
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
            rows.sort_by_key(|event| event.ts_ms);
            let before = rows.len();
            without_duplicates(&mut rows);
            notes.duplicates += (before - rows.len()) as u64;
            notes.single_event_users += u64::from(rows.len() == 1);
            let mut seen = HashSet::with_capacity(rows.len());
            repeats |= !rows.iter().all(|event| seen.insert(event.item));
            events.push(rows);
        }
        let mut item_categories = Vec::with_capacity(self.items.values().len());
        for item in self.items.values() {
            let told = self.item_categories.remove(item).or_else(|| self.listed.remove(item));
            item_categories.push(match told {
                Some(categories) if !categories.is_empty() => categories,
                _ => {
                    notes.items_without_category += 1;
                    vec![self.categories.index_of(UNKNOWN_CATEGORY)]
                }
            });
        }
        Ok(Dataset {
            name,
            users: self.users.into_values(),
            items: self.items.into_values(),
            events,
            item_categories,
            categories: self.categories.into_values(),
            actions: self.actions.into_values().into_iter().take(usize::from(u16::MAX) + 1).collect(),
            repeats,
            notes,
            reading,
        })
    }
}

/// Adds names to an item's categories: each once, and no more than an event may have.
fn add(categories: &mut Distinct<String>, known: &mut Vec<u32>, names: &[Id]) {
    for name in names {
        let category = categories.index(name.to_string());
        if !known.contains(&category) && known.len() < MAX_CATEGORIES {
            known.push(category);
        }
    }
}

/// Leaves out rows that equal an earlier one; `rows` are sorted by time.
fn without_duplicates(rows: &mut Vec<Event>) {
    let mut now = i64::MIN;
    let mut seen = HashSet::new();
    rows.retain(|event| {
        if event.ts_ms != now {
            now = event.ts_ms;
            seen.clear();
        }
        seen.insert((event.item, event.action))
    });
}
