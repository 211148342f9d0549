//! Ranks of a batch's examples, before it is learnt from.

use crate::prequential::{Marks, Popularity, Ranked, rank};

/// Ranks of a batch as they come.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) popularity: Popularity,
    /// Rows known before the batch.
    pub(crate) known: usize,
    pub(crate) ranked: Vec<Option<Ranked>>,
    /// Every how many examples one is ranked.
    pub(crate) stride: usize,
}

impl Evaluation {
    /// Ranks an example's target by `scores`, without the rows `seen`.
    pub(crate) fn rank(
        &mut self,
        example: usize,
        target: u32,
        scores: &[f32],
        seen: &[u32],
        marks: &mut Marks,
    ) {
        let row = target as usize;
        self.ranked[example] = Some(if row < self.known {
            let model = rank(&scores[..self.known], row, marks.distinct(seen, self.known, target));
            let popularity = self.popularity.rank(row, marks.distinct(seen, self.known, target));
            Ranked { model: Some(model), popularity: Some(popularity), served: None }
        } else {
            Ranked { model: None, popularity: None, served: None }
        });
    }
}
