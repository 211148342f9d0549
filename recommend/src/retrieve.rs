//! Sources of candidates: from a user's vectors to a few hundred items.

use hmisr_model::dot::dot;

use crate::fitted::Embeddings;

/// Items that each of a user's vectors retrieves, at least.
pub const RETRIEVED: usize = 100;

/// A source of candidates.
pub trait Source {
    /// For each of the user's `vectors`, `[K, d]`, its `most` best items among those that are allowed; their
    /// union, ascending.
    fn candidates(&self, vectors: &[f32], most: usize, allowed: &dyn Fn(u32) -> bool) -> Vec<u32>;
}

/// By the inner product with every item: exact, and linear in the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Exhaustive<'a> {
    /// The items.
    pub items: &'a dyn Embeddings,
    /// Width of embeddings, d.
    pub width: usize,
}

impl Source for Exhaustive<'_> {
    fn candidates(&self, vectors: &[f32], most: usize, allowed: &dyn Fn(u32) -> bool) -> Vec<u32> {
        let rows: Vec<u32> = (0..self.items.len() as u32).filter(|row| allowed(*row)).collect();
        let mut union = Vec::new();
        for vector in vectors.chunks_exact(self.width) {
            let scores: Vec<f32> = rows.iter().map(|row| dot(vector, self.items.row(*row))).collect();
            union.extend(best(&scores, most).into_iter().map(|at| rows[at as usize]));
        }
        union.sort_unstable();
        union.dedup();
        union
    }
}

/// Places of the `most` greatest scores, in no order; of equals the first.
pub fn best(scores: &[f32], most: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let by_score = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    if order.len() > most && most > 0 {
        order.select_nth_unstable_by(most - 1, by_score);
    }
    order.truncate(most);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;

    #[test]
    fn each_vector_retrieves_its_own_and_the_union_is_of_allowed_items() {
        let weights = vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9, 0.5, 0.5];
        let items = Rows { width: 2, weights };
        let source = Exhaustive { items: &items, width: 2 };
        let vectors = [1.0, 0.0, 0.0, 1.0];
        assert_eq!(source.candidates(&vectors, 1, &|_| true), [0, 2]);
        assert_eq!(source.candidates(&vectors, 2, &|row| row != 0), [1, 2, 3, 4]);
        assert_eq!(source.candidates(&vectors, 9, &|row| row > 2), [3, 4]);
        assert!(source.candidates(&vectors, 0, &|_| true).is_empty());
    }

    #[test]
    fn of_equals_the_first_are_taken() {
        let mut found = best(&[1.0, 2.0, 1.0, 1.0], 3);
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2]);
    }
}
