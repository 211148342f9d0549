//! The k-core of a data set.

use std::collections::HashMap;

use super::{Dataset, Event};
use crate::error::{Error, Result};

impl Dataset {
    /// Leaves out users and items with fewer than `least` events, again and again until every one
    /// that is left has as many.
    ///
    /// # Errors
    /// Where nothing is left.
    pub fn core(mut self, least: usize) -> Result<Self> {
        let (users, items, events) = (self.users.len(), self.items.len(), self.len());
        loop {
            let before = self.len();
            let mut counts = vec![0_usize; items];
            self.events.iter().flatten().for_each(|event| counts[event.item as usize] += 1);
            for events in &mut self.events {
                events.retain(|event| counts[event.item as usize] >= least);
                if events.len() < least {
                    events.clear();
                }
            }
            if self.len() == before {
                break;
            }
        }
        if self.is_empty() {
            return Err(Error::Data {
                name: self.name,
                problem: format!("no user and no item is left with at least {least} events each"),
                remedy: "use a lower core, or none".to_owned(),
            });
        }
        self.renumber();
        self.notes.filtered_users += (users - self.users.len()) as u64;
        self.notes.filtered_items += (items - self.items.len()) as u64;
        self.notes.filtered_events += (events - self.len()) as u64;
        Ok(self)
    }

    /// Drops users and items without events, and categories without items; the order stays.
    fn renumber(&mut self) {
        let mut kept = vec![false; self.items.len()];
        self.events.iter().flatten().for_each(|event| kept[event.item as usize] = true);
        let mut next = 0;
        let mut new_items = Vec::with_capacity(kept.len());
        for &kept in &kept {
            new_items.push(next);
            next += u32::from(kept);
        }
        retain_by(&mut self.items, |at| kept[at]);
        retain_by(&mut self.item_categories, |at| kept[at]);
        let with_events: Vec<bool> = self.events.iter().map(|events| !events.is_empty()).collect();
        retain_by(&mut self.users, |at| with_events[at]);
        self.events.retain(|events| !events.is_empty());
        for event in self.events.iter_mut().flatten() {
            *event = Event { item: new_items[event.item as usize], ..*event };
        }
        let mut used: Vec<u32> = self.item_categories.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        let new_categories: HashMap<u32, u32> = used.iter().copied().zip(0..).collect();
        retain_by(&mut self.categories, |at| new_categories.contains_key(&(at as u32)));
        for category in self.item_categories.iter_mut().flatten() {
            *category = new_categories[category];
        }
    }
}

fn retain_by<T>(values: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut at = 0;
    values.retain(|_| {
        at += 1;
        keep(at - 1)
    });
}
