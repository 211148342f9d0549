//! Which of a user's vectors speaks for an item: that of the interest that the item itself is of.
//!
//! So an item is scored by one vector: a softmax over the catalogue costs what it costs with one vector a user, the best
//! of all items are the best of each interest's own, and an answer needs no sum over interests.

use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::dot::dot;
use crate::fused::Fused;
use crate::softmax::{Asked, Scores};

/// What tells an item's interest.
#[derive(Debug, Clone, PartialEq)]
pub struct Owners {
    /// The interests' directions, `[K, width]`.
    basis: Vec<f32>,
    interests: usize,
    /// Components of an embedding that tell what an item is about: the last one is its bias.
    width: usize,
}

/// A catalogue's rows in the order of their interests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Groups {
    /// The rows, those of one interest after those of another, ascending within.
    pub(crate) order: Vec<u32>,
    /// Where each row stands in that order.
    pub(crate) places: Vec<u32>,
    /// Each interest's stretch of it.
    pub(crate) spans: Vec<Range<usize>>,
}

impl Owners {
    /// By the inner product with each of `basis`, `[interests, width]`, of the first `width` components.
    pub(crate) fn new(basis: Vec<f32>, interests: usize) -> Self {
        let width = basis.len() / interests.max(1);
        Self { basis, interests, width }
    }

    /// The interest of an item of this embedding; of equals the first.
    pub fn of(&self, item: &[f32]) -> usize {
        best(&self.basis, &item[..self.width])
    }

    /// The first `items` rows of a table by their interests.
    pub(crate) fn group<'w>(&self, items: usize, weights: impl Fn(u32) -> &'w [f32]) -> Groups {
        let mut members = vec![Vec::new(); self.interests];
        for row in 0..items as u32 {
            members[self.of(weights(row))].push(row);
        }
        let mut groups =
            Groups { order: Vec::with_capacity(items), places: vec![0; items], spans: Vec::new() };
        for rows in members {
            let start = groups.order.len();
            groups.order.extend(rows);
            groups.spans.push(start..groups.order.len());
        }
        for (place, row) in groups.order.iter().enumerate() {
            groups.places[*row as usize] = place as u32;
        }
        groups
    }
}

impl Groups {
    /// The rows of an interest's items among those of `catalogue` `[items, d]`.
    pub(crate) fn rows<B: Backend>(&self, interest: usize, catalogue: &Tensor<B, 2>) -> Tensor<B, 2> {
        select(catalogue, &self.order[self.spans[interest].clone()])
    }

    /// [`Fused::full_softmax`] where an item's interest alone speaks for it.
    pub(crate) fn softmax<B: Fused>(
        &self,
        hidden: Tensor<B, 2>,
        priors: Option<Tensor<B, 2>>,
        targets: Asked<'_>,
        catalogue: &Tensor<B, 2>,
        block_bytes: usize,
        rows: &mut [f32],
    ) -> Scores<B> {
        let d = catalogue.dims()[1];
        let ordered = select(catalogue, &self.order);
        let places: Vec<u32> = targets.rows.iter().map(|row| self.places[*row as usize]).collect();
        let asked = Asked { rows: &places, weights: targets.weights };
        let mut by_ordered = vec![0.0; rows.len()];
        let scores =
            B::full_softmax(hidden, priors, asked, &ordered, &self.spans, block_bytes, &mut by_ordered);
        for (row, by) in self.order.iter().zip(by_ordered.chunks_exact(d)) {
            let to = &mut rows[*row as usize * d..(*row as usize + 1) * d];
            to.iter_mut().zip(by).for_each(|(to, by)| *to += by);
        }
        scores
    }
}

fn select<B: Backend>(catalogue: &Tensor<B, 2>, rows: &[u32]) -> Tensor<B, 2> {
    let count = rows.len();
    let rows = TensorData::new(rows.iter().map(|row| *row as i32).collect::<Vec<_>>(), [count]);
    catalogue.clone().select(0, Tensor::<B, 1, Int>::from_data(rows, &catalogue.device()))
}

/// Which of `vectors` has the greatest inner product with `item`; of equals the first.
pub(crate) fn best(vectors: &[f32], item: &[f32]) -> usize {
    let scores = vectors.chunks_exact(item.len()).map(|vector| dot(vector, item));
    let best = scores.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(k, _)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_vector_answers() {
        assert_eq!(best(&[1.0, 0.0, 0.0, 2.0, 3.0, 0.0], &[1.0, 1.0]), 2);
        assert_eq!(best(&[1.0, 1.0, 1.0, 1.0], &[1.0, 0.0]), 0);
    }

    #[test]
    fn rows_stand_by_their_interests_each_once() {
        let owners = Owners::new(vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0], 3);
        // The last component is no part of what they are about.
        let items = [[0.0, 2.0, 9.0], [1.0, 0.5, -9.0], [0.1, 0.9, 0.0], [3.0, 0.0, 1.0]];
        let groups = owners.group(4, |row| &items[row as usize]);
        assert_eq!(groups.order, [1, 3, 0, 2]);
        assert_eq!(groups.places, [2, 0, 3, 1]);
        assert_eq!(groups.spans, [0..2, 2..4, 4..4]);
    }
}
