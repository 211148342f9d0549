//! Softmax over the catalogue: logits, loss and gradients.

use rayon::prelude::*;

use super::{add_product, matrix, matrix_mut, set_product};
use crate::exp::exp_sum;
use crate::simd::{greatest, vectorised};
use crate::softmax::{Scores, responsibilities};

/// Vectors whose logits go through all steps together, in one thread's cache.
const PART: usize = 64;
/// Items whose rows of the gradient one thread adds up.
const ITEMS: usize = 512;

/// Some targets, with the vectors that answer for each.
struct Part<'a> {
    /// `[targets, interests, d]`.
    hidden: &'a [f32],
    targets: &'a [u32],
    interests: usize,
    catalogue: &'a [f32],
    d: usize,
}

/// [`Fused::full_softmax`](crate::fused::Fused::full_softmax).
///
/// The softmax is never written down: e^(logit) goes into both products as it is, and the rows on
/// the other side are divided instead, which are fewer numbers. The target's own −1 is added to
/// the products' results.
pub(super) fn full(
    hidden: &[f32],
    targets: &[u32],
    catalogue: &[f32],
    d: usize,
    block_bytes: usize,
    rows: &mut [f32],
) -> Scores {
    let items = catalogue.len() / d;
    let interests = hidden.len() / d / targets.len().max(1);
    let block = (block_bytes / 4 / (items * interests).max(1)).max(1).min(targets.len());
    // Targets of a part, and the sizes of a vector's and a target's stretch.
    let part = (PART / interests.max(1)).max(1);
    let mut odds = vec![0.0; block * interests * items];
    let mut shares = vec![0.0; block * interests * d];
    let mut answers = vec![0.0; block * interests];
    let mut by_hidden = vec![0.0; hidden.len()];
    let mut loss = 0.0;
    for (nth, by_hidden) in by_hidden.chunks_mut((block * interests).max(1) * d).enumerate() {
        let vectors = by_hidden.len() / d;
        let span = nth * block..nth * block + vectors / interests;
        let hidden = &hidden[span.start * interests * d..span.end * interests * d];
        let all = Part { hidden, targets: &targets[span], interests, catalogue, d };
        let (odds, shares) = (&mut odds[..vectors * items], &mut shares[..vectors * d]);
        let answers = &mut answers[..vectors];
        let losses: Vec<f64> = odds
            .par_chunks_mut(part * interests * items)
            .zip(shares.par_chunks_mut(part * interests * d))
            .zip(by_hidden.par_chunks_mut(part * interests * d))
            .zip(answers.par_chunks_mut(part * interests))
            .enumerate()
            .map(|(nth, (((odds, shares), by_hidden), answers))| {
                all.part(nth, part).by_hidden(odds, shares, by_hidden, answers)
            })
            .collect();
        loss += losses.iter().sum::<f64>();
        let (odds, shares) = (matrix(odds, items), matrix(shares, d));
        rows.par_chunks_mut(ITEMS * d).enumerate().for_each(|(nth, rows)| {
            let odds = odds.subcols(nth * ITEMS, rows.len() / d);
            add_product(matrix_mut(rows, d), odds.transpose(), shares, 1.0);
        });
        all.subtract_targets(answers, rows);
    }
    Scores { loss, hidden: by_hidden }
}

impl Part<'_> {
    /// The `nth` `size` targets.
    fn part(&self, nth: usize, size: usize) -> Self {
        let span = nth * size..((nth + 1) * size).min(self.targets.len());
        let each = self.interests * self.d;
        Self {
            hidden: &self.hidden[span.start * each..span.end * each],
            targets: &self.targets[span],
            ..*self
        }
    }

    /// Fills `odds`, the gradient by the hidden states, the hidden states divided (`shares`), and
    /// how much each vector answers for its target. Returns the summed cross-entropy.
    fn by_hidden(
        &self,
        odds: &mut [f32],
        shares: &mut [f32],
        by_hidden: &mut [f32],
        answers: &mut [f32],
    ) -> f64 {
        let (d, k) = (self.d, self.interests);
        let items = self.catalogue.len() / d;
        let catalogue = matrix(self.catalogue, d);
        set_product(matrix_mut(odds, items), matrix(self.hidden, d), catalogue.transpose(), 1.0);
        let mut loss = 0.0;
        let mut factors = vec![0.0; self.targets.len()];
        vectorised(
            #[inline(always)]
            || {
                let rows = odds.chunks_exact_mut(k * items).zip(self.targets);
                for (((row, target), factor), answers) in
                    rows.zip(&mut factors).zip(answers.chunks_exact_mut(k))
                {
                    let most = greatest(row);
                    for (answer, row) in answers.iter_mut().zip(row.chunks_exact(items)) {
                        *answer = row[*target as usize];
                    }
                    let sum = exp_sum(row, most);
                    *factor = 1.0 / sum;
                    loss += f64::from(sum.ln() + most - responsibilities(answers));
                }
            },
        );
        set_product(matrix_mut(by_hidden, d), matrix(odds, items), catalogue, 1.0);
        let rows = by_hidden.chunks_exact_mut(d).zip(shares.chunks_exact_mut(d));
        for (nth, ((by_hidden, share), hidden)) in rows.zip(self.hidden.chunks_exact(d)).enumerate() {
            let (factor, answer) = (factors[nth / k], answers[nth]);
            let own = self.catalogue[self.targets[nth / k] as usize * d..].iter();
            for (((by, share), hidden), own) in by_hidden.iter_mut().zip(share).zip(hidden).zip(own) {
                *by = *by * factor - own * answer;
                *share = hidden * factor;
            }
        }
        loss
    }

    /// What the targets' own logits add to the gradient of their rows.
    fn subtract_targets(&self, answers: &[f32], rows: &mut [f32]) {
        let d = self.d;
        for (nth, (answer, hidden)) in answers.iter().zip(self.hidden.chunks_exact(d)).enumerate() {
            let start = self.targets[nth / self.interests] as usize * d;
            for (row, hidden) in rows[start..start + d].iter_mut().zip(hidden) {
                *row -= hidden * answer;
            }
        }
    }
}
