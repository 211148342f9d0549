//! Values that are held once, and stood for by their index.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// A list without repeats, in the order of first appearance.
#[derive(Debug)]
pub struct Distinct<T> {
    values: Vec<T>,
    indices: HashMap<T, u32>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), indices: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    /// The value's index; it is added where it is new. 2³² values would not fit into memory.
    pub fn index(&mut self, value: T) -> u32 {
        if let Some(&index) = self.indices.get(&value) {
            return index;
        }
        let index = self.values.len() as u32;
        self.values.push(value.clone());
        self.indices.insert(value, index);
        index
    }

    /// The same for a borrowed form, which is copied only where it is new.
    pub fn index_of<B: ?Sized + Eq + Hash + ToOwned<Owned = T>>(&mut self, value: &B) -> u32
    where
        T: Borrow<B>,
    {
        match self.indices.get(value) {
            Some(&index) => index,
            None => self.index(value.to_owned()),
        }
    }
}

impl<T> Distinct<T> {
    /// The values, by their index.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The same, without the means to find an index.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
}
