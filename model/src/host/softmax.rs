//! Softmax over the catalogue: logits, loss and gradients.

use rayon::prelude::*;

use super::{add_product, matrix, matrix_mut, set_product};
use crate::exp::exp_sum;
use crate::simd::{greatest, vectorised};
use crate::softmax::Scores;

/// Targets whose logits go through all steps together, in one thread's cache.
const PART: usize = 64;
/// Items whose rows of the gradient one thread adds up.
const ITEMS: usize = 512;

/// A block's unnormalised softmax: e^(logit − the target's greatest), and what each target's is to
/// be divided by, times its weight.
struct Part<'a> {
    hidden: &'a [f32],
    targets: &'a [u32],
    weights: Option<&'a [f32]>,
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
    weights: Option<&[f32]>,
    catalogue: &[f32],
    d: usize,
    block_bytes: usize,
    rows: &mut [f32],
) -> Scores {
    let items = catalogue.len() / d;
    let block = (block_bytes / 4 / items.max(1)).max(1).min(targets.len());
    let mut odds = vec![0.0; block * items];
    let mut shares = vec![0.0; block * d];
    let mut by_hidden = vec![0.0; hidden.len()];
    let mut loss = 0.0;
    for (nth, by_hidden) in by_hidden.chunks_mut(block.max(1) * d).enumerate() {
        let count = by_hidden.len() / d;
        let span = nth * block..nth * block + count;
        let all = Part {
            hidden: &hidden[span.start * d..span.end * d],
            targets: &targets[span.clone()],
            weights: weights.map(|weights| &weights[span]),
            catalogue,
            d,
        };
        let (odds, shares) = (&mut odds[..count * items], &mut shares[..count * d]);
        let losses: Vec<f64> = odds
            .par_chunks_mut(PART * items)
            .zip(shares.par_chunks_mut(PART * d))
            .zip(by_hidden.par_chunks_mut(PART * d))
            .enumerate()
            .map(|(nth, ((odds, shares), by_hidden))| all.part(nth).by_hidden(odds, shares, by_hidden))
            .collect();
        loss += losses.iter().sum::<f64>();
        let (odds, shares) = (matrix(odds, items), matrix(shares, d));
        rows.par_chunks_mut(ITEMS * d).enumerate().for_each(|(nth, rows)| {
            let odds = odds.subcols(nth * ITEMS, rows.len() / d);
            add_product(matrix_mut(rows, d), odds.transpose(), shares, 1.0);
        });
        all.subtract_targets(rows);
    }
    Scores { loss, hidden: by_hidden }
}

impl Part<'_> {
    /// The `nth` [`PART`] targets.
    fn part(&self, nth: usize) -> Self {
        let span = nth * PART..((nth + 1) * PART).min(self.targets.len());
        Self {
            hidden: &self.hidden[span.start * self.d..span.end * self.d],
            targets: &self.targets[span.clone()],
            weights: self.weights.map(|weights| &weights[span]),
            ..*self
        }
    }

    fn weight(&self, nth: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[nth])
    }

    /// Fills `odds`, the gradient by the hidden states, and the hidden states divided (`shares`).
    /// Returns the summed cross-entropy.
    fn by_hidden(&self, odds: &mut [f32], shares: &mut [f32], by_hidden: &mut [f32]) -> f64 {
        let d = self.d;
        let items = self.catalogue.len() / d;
        let catalogue = matrix(self.catalogue, d);
        set_product(matrix_mut(odds, items), matrix(self.hidden, d), catalogue.transpose(), 1.0);
        let mut loss = 0.0;
        let mut factors = [0.0; PART];
        vectorised(
            #[inline(always)]
            || {
                let rows = odds.chunks_exact_mut(items).zip(self.targets).zip(&mut factors);
                for (nth, ((row, target), factor)) in rows.enumerate() {
                    let (most, own, weight) = (greatest(row), row[*target as usize], self.weight(nth));
                    let sum = exp_sum(row, most);
                    *factor = weight / sum;
                    loss += f64::from(sum.ln() + most - own) * f64::from(weight);
                }
            },
        );
        set_product(matrix_mut(by_hidden, d), matrix(odds, items), catalogue, 1.0);
        let rows = by_hidden.chunks_exact_mut(d).zip(shares.chunks_exact_mut(d));
        for (nth, ((by_hidden, share), hidden)) in rows.zip(self.hidden.chunks_exact(d)).enumerate() {
            let (factor, weight) = (factors[nth], self.weight(nth));
            let own = self.catalogue[self.targets[nth] as usize * d..].iter();
            for (((by, share), hidden), own) in by_hidden.iter_mut().zip(share).zip(hidden).zip(own) {
                *by = *by * factor - own * weight;
                *share = hidden * factor;
            }
        }
        loss
    }

    /// What the targets' own −1 adds to the gradient of their rows.
    fn subtract_targets(&self, rows: &mut [f32]) {
        let d = self.d;
        for (nth, (target, hidden)) in self.targets.iter().zip(self.hidden.chunks_exact(d)).enumerate() {
            let weight = self.weight(nth);
            let start = *target as usize * d;
            for (row, hidden) in rows[start..start + d].iter_mut().zip(hidden) {
                *row -= hidden * weight;
            }
        }
    }
}
