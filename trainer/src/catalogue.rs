//! The items that the model knows, in the order of their first sight.

use std::collections::HashMap;

use hmisr_stream::contract::Id;
use serde::{Deserialize, Serialize};

/// An item of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, as it first came.
    pub id: Id,
    /// Its category, as it first came.
    pub category: Id,
    /// Examples whose target it was.
    pub count: u64,
}

/// Item ids and their rows. A row is given at first sight and never moves.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    items: Vec<Item>,
    rows: HashMap<Id, u32>,
}

impl Catalogue {
    /// The catalogue with these items, in row order; none where an id stands twice.
    pub fn from_items(items: Vec<Item>) -> Option<Self> {
        let rows: HashMap<Id, u32> =
            items.iter().enumerate().map(|(row, item)| (item.id.clone(), row as u32)).collect();
        (rows.len() == items.len()).then_some(Self { items, rows })
    }

    /// The item's row, given now if it has none.
    pub fn admit(&mut self, id: &Id, category: impl FnOnce() -> Id) -> u32 {
        if let Some(row) = self.rows.get(id) {
            return *row;
        }
        let row = self.items.len() as u32;
        self.items.push(Item { id: id.clone(), category: category(), count: 0 });
        self.rows.insert(id.clone(), row);
        row
    }

    /// Counts an example with this target.
    pub fn count(&mut self, row: u32) {
        if let Some(item) = self.items.get_mut(row as usize) {
            item.count += 1;
        }
    }

    /// The item's row.
    pub fn row(&self, id: &Id) -> Option<u32> {
        self.rows.get(id).copied()
    }

    /// All items, in row order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
