//! Softmax over the catalogue: logits, loss and gradients.

use rayon::prelude::*;

use super::{add_product, matrix, matrix_mut, set_product};
use crate::exp::exp_sum;
use crate::simd::{greatest, vectorised};
use crate::softmax::{Asked, add_priors, of_target, responsibilities};

/// Vectors whose logits go through all steps together, in one thread's cache.
const PART: usize = 64;
/// Items whose rows of the gradient one thread adds up.
const ITEMS: usize = 512;

/// Some targets, with the vectors that answer for each.
struct Part<'a> {
    /// `[targets, interests, d]`.
    hidden: &'a [f32],
    /// `[targets, interests]`, or none.
    priors: &'a [f32],
    targets: Asked<'a>,
    interests: usize,
    catalogue: &'a [f32],
    d: usize,
}

/// [`Fused::full_softmax`](crate::fused::Fused::full_softmax): the loss, and the gradients by the hidden
/// states and by the priors.
///
/// The softmax is never written down: e^(logit) goes into both products as it is, and the rows on
/// the other side are divided instead, which are fewer numbers. The target's own −1 is added to
/// the products' results.
pub(super) fn full(
    hidden: &[f32],
    priors: &[f32],
    targets: Asked<'_>,
    catalogue: &[f32],
    d: usize,
    block_bytes: usize,
    rows: &mut [f32],
) -> (f64, Vec<f32>, Vec<f32>) {
    let items = catalogue.len() / d;
    let interests = hidden.len() / d / targets.len().max(1);
    let block = (block_bytes / 4 / (items * interests).max(1)).max(1).min(targets.len());
    // Targets of a part, and the sizes of a vector's and a target's stretch.
    let part = (PART / interests.max(1)).max(1);
    let mut odds = vec![0.0; block * interests * items];
    let mut shares = vec![0.0; block * interests * d];
    let mut answers = vec![0.0; block * interests];
    let mut by_hidden = vec![0.0; hidden.len()];
    let mut by_priors = Vec::with_capacity(priors.len());
    let mut loss = 0.0;
    for (nth, by_hidden) in by_hidden.chunks_mut((block * interests).max(1) * d).enumerate() {
        let vectors = by_hidden.len() / d;
        let span = nth * block..nth * block + vectors / interests;
        let hidden = &hidden[span.start * interests * d..span.end * interests * d];
        let priors = priors.get(span.start * interests..span.end * interests).unwrap_or_default();
        let all = Part { hidden, priors, targets: targets.part(span), interests, catalogue, d };
        let (odds, shares) = (&mut odds[..vectors * items], &mut shares[..vectors * d]);
        let answers = &mut answers[..vectors];
        let parts: Vec<(f64, Vec<f32>)> = odds
            .par_chunks_mut(part * interests * items)
            .zip(shares.par_chunks_mut(part * interests * d))
            .zip(by_hidden.par_chunks_mut(part * interests * d))
            .zip(answers.par_chunks_mut(part * interests))
            .enumerate()
            .map(|(nth, (((odds, shares), by_hidden), answers))| {
                all.part(nth, part).by_hidden(odds, shares, by_hidden, answers)
            })
            .collect();
        for (part, by) in parts {
            loss += part;
            by_priors.extend(by);
        }
        let (odds, shares) = (matrix(odds, items), matrix(shares, d));
        rows.par_chunks_mut(ITEMS * d).enumerate().for_each(|(nth, rows)| {
            let odds = odds.subcols(nth * ITEMS, rows.len() / d);
            add_product(matrix_mut(rows, d), odds.transpose(), shares, 1.0);
        });
        all.subtract_targets(answers, rows);
    }
    (loss, by_hidden, by_priors)
}

impl Part<'_> {
    /// The `nth` `size` targets.
    fn part(&self, nth: usize, size: usize) -> Self {
        let span = nth * size..((nth + 1) * size).min(self.targets.len());
        let each = self.interests * self.d;
        Self {
            hidden: &self.hidden[span.start * each..span.end * each],
            priors: self
                .priors
                .get(span.start * self.interests..span.end * self.interests)
                .unwrap_or_default(),
            targets: self.targets.part(span),
            ..*self
        }
    }

    /// Fills `odds`, the gradient by the hidden states, the hidden states divided (`shares`), and
    /// how much each vector answers for its target. Returns the summed cross-entropy, and the
    /// gradient by the priors.
    fn by_hidden(
        &self,
        odds: &mut [f32],
        shares: &mut [f32],
        by_hidden: &mut [f32],
        answers: &mut [f32],
    ) -> (f64, Vec<f32>) {
        let (d, k) = (self.d, self.interests);
        let items = self.catalogue.len() / d;
        let catalogue = matrix(self.catalogue, d);
        set_product(matrix_mut(odds, items), matrix(self.hidden, d), catalogue.transpose(), 1.0);
        let mut loss = 0.0;
        let mut factors = vec![0.0; self.targets.len()];
        let mut by_priors = vec![0.0; self.priors.len()];
        vectorised(
            #[inline(always)]
            || {
                let rows = odds.chunks_exact_mut(k * items).zip(self.targets.rows);
                let rows = rows.zip(&mut factors).zip(answers.chunks_exact_mut(k)).enumerate();
                for (nth, (((row, target), factor), answers)) in rows {
                    add_priors(row, of_target(self.priors, nth, k));
                    let most = greatest(row);
                    for (answer, row) in answers.iter_mut().zip(row.chunks_exact(items)) {
                        *answer = row[*target as usize];
                    }
                    let sum = match self.priors.is_empty() {
                        true => exp_sum(row, most),
                        false => {
                            let sums = &mut by_priors[nth * k..(nth + 1) * k];
                            for (sum, row) in sums.iter_mut().zip(row.chunks_exact_mut(items)) {
                                *sum = exp_sum(row, most);
                            }
                            sums.iter().sum::<f32>()
                        }
                    };
                    let weight = self.targets.weight(nth);
                    *factor = weight / sum;
                    loss += f64::from(weight) * f64::from(sum.ln() + most - responsibilities(answers));
                    answers.iter_mut().for_each(|answer| *answer *= weight);
                }
            },
        );
        for (nth, by) in by_priors.iter_mut().enumerate() {
            *by = *by * factors[nth / k] - answers[nth];
        }
        set_product(matrix_mut(by_hidden, d), matrix(odds, items), catalogue, 1.0);
        let rows = by_hidden.chunks_exact_mut(d).zip(shares.chunks_exact_mut(d));
        for (nth, ((by_hidden, share), hidden)) in rows.zip(self.hidden.chunks_exact(d)).enumerate() {
            let (factor, answer) = (factors[nth / k], answers[nth]);
            let own = self.catalogue[self.targets.rows[nth / k] as usize * d..].iter();
            for (((by, share), hidden), own) in by_hidden.iter_mut().zip(share).zip(hidden).zip(own) {
                *by = *by * factor - own * answer;
                *share = hidden * factor;
            }
        }
        (loss, by_priors)
    }

    /// What the targets' own logits add to the gradient of their rows.
    fn subtract_targets(&self, answers: &[f32], rows: &mut [f32]) {
        let d = self.d;
        for (nth, (answer, hidden)) in answers.iter().zip(self.hidden.chunks_exact(d)).enumerate() {
            let start = self.targets.rows[nth / self.interests] as usize * d;
            for (row, hidden) in rows[start..start + d].iter_mut().zip(hidden) {
                *row -= hidden * answer;
            }
        }
    }
}
