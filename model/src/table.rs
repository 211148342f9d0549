//! The embedding table: rows that grow with the catalogue, with their optimizer state beside them.
//!
//! A row's weights, both Adam moments and step count lie together, so that an update touches one
//! stretch of memory. The same row is an item's input embedding and its class in the softmax.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::adam::{Adam, Step};
use crate::random::SplitMix;

/// Half-width of the uniform initial weights: a standard deviation of 0.02.
const INITIAL: f32 = 0.034_64;

/// Embedding rows.
#[derive(Debug, Clone)]
pub struct Table {
    width: usize,
    seed: u64,
    /// Per row: weights, first moment, second moment, `width` each.
    rows: Vec<f32>,
    steps: Vec<u32>,
}

impl Table {
    /// An empty table of rows of `width` weights.
    pub fn new(width: usize, seed: u64) -> Self {
        Self { width, seed, rows: Vec::new(), steps: Vec::new() }
    }

    /// A table from its parts: weights and moments `[rows, width]` each, and each row's steps;
    /// none where their lengths do not agree.
    pub fn from_parts(
        width: usize,
        seed: u64,
        weights: &[f32],
        first: &[f32],
        second: &[f32],
        steps: Vec<u32>,
    ) -> Option<Self> {
        let size = steps.len() * width;
        if [weights.len(), first.len(), second.len()] != [size; 3] {
            return None;
        }
        let mut rows = Vec::with_capacity(3 * size);
        for row in 0..steps.len() {
            for part in [weights, first, second] {
                rows.extend_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        Some(Self { width, seed, rows, steps })
    }

    /// Weights of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Appends a row for `key`. Its weights come from the key alone, so that a replay or a second
    /// admission begins with the same.
    pub fn grow(&mut self, key: &[u8]) {
        let mut random = SplitMix::keyed(self.seed, key);
        self.rows.extend((0..self.width).map(|_| random.symmetric(INITIAL)));
        self.rows.extend(std::iter::repeat_n(0.0, 2 * self.width));
        self.steps.push(0);
    }

    /// A row's weights.
    pub fn weights(&self, row: u32) -> &[f32] {
        let start = row as usize * 3 * self.width;
        &self.rows[start..start + self.width]
    }

    /// The weights of `rows`, one after the other.
    pub fn gather(&self, rows: impl Iterator<Item = u32>) -> Vec<f32> {
        let mut gathered = Vec::with_capacity(rows.size_hint().0 * self.width);
        for row in rows {
            gathered.extend_from_slice(self.weights(row));
        }
        gathered
    }

    /// All weights, `[rows, width]`.
    pub fn tensor<B: Backend>(&self, device: &B::Device) -> Tensor<B, 2> {
        let all = self.gather(0..self.len() as u32);
        Tensor::from_data(TensorData::new(all, [self.len(), self.width]), device)
    }

    /// One part of all rows: 0 the weights, 1 and 2 the moments; `[rows, width]`.
    pub fn part(&self, part: usize) -> Vec<f32> {
        let mut all = Vec::with_capacity(self.len() * self.width);
        for row in self.rows.chunks_exact(3 * self.width) {
            all.extend_from_slice(&row[part * self.width..(part + 1) * self.width]);
        }
        all
    }

    /// Updates of each row so far.
    pub fn steps(&self) -> &[u32] {
        &self.steps
    }

    /// One update of `row`; `gradient` is multiplied by `scale` first.
    pub fn update(&mut self, adam: &Adam, rate: f32, row: u32, scale: f32, gradient: &[f32]) {
        let at = row as usize;
        self.steps[at] = self.steps[at].saturating_add(1);
        let start = at * 3 * self.width;
        let (weights, moments) = self.rows[start..start + 3 * self.width].split_at_mut(self.width);
        let (first, second) = moments.split_at_mut(self.width);
        let step = Step { rate, scale, number: u64::from(self.steps[at]) };
        adam.update(step, gradient, weights, [first, second]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(4, 7);
        for id in 0..3u32 {
            table.grow(&id.to_be_bytes());
        }
        table
    }

    #[test]
    fn a_row_depends_on_its_id_alone() {
        let mut other = Table::new(4, 7);
        other.grow(&2u32.to_be_bytes());
        assert_eq!(other.weights(0), table().weights(2));
        assert_ne!(table().weights(0), table().weights(1));
    }

    #[test]
    fn an_update_touches_one_row() {
        let mut updated = table();
        updated.update(&Adam::new([0.9, 0.99], 0.0), 0.01, 1, 1.0, &[1.0, -1.0, 0.0, 2.0]);
        assert_eq!(updated.weights(0), table().weights(0));
        assert_eq!(updated.weights(2), table().weights(2));
        assert!(updated.weights(1)[0] < table().weights(1)[0]);
        assert_eq!(updated.steps(), [0, 1, 0]);
        let back =
            Table::from_parts(4, 7, &updated.part(0), &updated.part(1), &updated.part(2), vec![0, 1, 0])
                .unwrap();
        assert_eq!(back.rows, updated.rows);
        assert!(Table::from_parts(4, 7, &[0.0; 4], &[0.0; 4], &[0.0; 8], vec![0]).is_none());
    }
}
