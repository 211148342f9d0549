//! The items that the model knows, in the order of their first sight.

use std::collections::HashMap;

use hmisr_features::Id;
use serde::{Deserialize, Serialize};

/// An item of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, as it first came.
    pub id: Id,
    /// Its categories, at least one, as they first came; the first is the primary one.
    pub categories: Vec<Id>,
    /// Examples whose target it was.
    pub count: u64,
}

/// Item ids and their rows. A row is given at first sight and never moves.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    items: Vec<Item>,
    rows: HashMap<Id, u32>,
    categories: HashMap<Id, u32>,
    /// Numbers of each item's categories, by first sight.
    categories_of: Vec<Vec<u32>>,
}

impl Catalogue {
    /// The catalogue with these items, in row order; none where an id stands twice or an item has no category.
    pub fn from_items(items: Vec<Item>) -> Option<Self> {
        let count = items.len();
        if items.iter().any(|item| item.categories.is_empty()) {
            return None;
        }
        let mut catalogue = Self::default();
        for item in items {
            catalogue.push(item);
        }
        (catalogue.rows.len() == count).then_some(catalogue)
    }

    fn push(&mut self, item: Item) {
        let mut number = |category: &Id| {
            let next = self.categories.len() as u32;
            *self.categories.entry(category.clone()).or_insert(next)
        };
        let mut numbers: Vec<u32> = Vec::with_capacity(item.categories.len());
        for category in &item.categories {
            let number = number(category);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        self.categories_of.push(numbers);
        self.rows.insert(item.id.clone(), self.items.len() as u32);
        self.items.push(item);
    }

    /// The item's row, given now if it has none.
    pub fn admit(&mut self, id: &Id, categories: impl FnOnce() -> Vec<Id>) -> u32 {
        if let Some(row) = self.rows.get(id) {
            return *row;
        }
        let row = self.items.len() as u32;
        self.push(Item { id: id.clone(), categories: categories(), count: 0 });
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

    /// The numbers of an item's categories, at least one.
    pub(crate) fn categories_of(&self, row: u32) -> &[u32] {
        &self.categories_of[row as usize]
    }

    /// The number of an item's primary category, counted by first sight.
    pub fn category(&self, row: u32) -> u32 {
        self.categories_of[row as usize][0]
    }

    /// Cosine of two items' category vectors, 0 to 1: n₁₂ / √(n₁ n₂) with n₁₂ shared ones. What lists are
    /// diverse by.
    pub fn similarity(&self, one: u32, other: u32) -> f32 {
        let (one, other) = (&self.categories_of[one as usize], &self.categories_of[other as usize]);
        let shared = one.iter().filter(|category| other.contains(category)).count();
        (shared as f64 / ((one.len() * other.len()) as f64).sqrt()) as f32
    }

    /// How many categories there are.
    pub fn categories(&self) -> usize {
        self.categories.len()
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
