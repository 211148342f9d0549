//! Softmax over the catalogue: logits, loss and gradients.

use std::ops::Range;

use rayon::prelude::*;

use super::{add_product, matrix, matrix_mut, set_product};
use crate::exp::exp_sum;
use crate::simd::{greatest, vectorised};
use crate::softmax::{Asked, of_target, responsibilities};

/// Vectors whose logits go through all steps together, in one thread's cache.
const PART: usize = 64;
/// Items whose rows of the gradient one thread adds up.
const ITEMS: usize = 512;

/// Which items each of a target's vectors speaks for: all, or those of its own interest.
#[derive(Debug, Clone)]
struct Spans {
    items: Vec<Range<usize>>,
    /// Where each vector's logits begin among a target's.
    starts: Vec<usize>,
    /// A target's logits.
    width: usize,
}

impl Spans {
    fn new(items: Vec<Range<usize>>) -> Self {
        let mut width = 0;
        let starts = items
            .iter()
            .map(|span| {
                width += span.len();
                width - span.len()
            })
            .collect();
        Self { items, starts, width }
    }

    /// Each vector's items, and where its logits are among a target's.
    fn each(&self) -> impl Iterator<Item = (&Range<usize>, Range<usize>)> {
        self.items.iter().zip(&self.starts).map(|(items, start)| (items, *start..start + items.len()))
    }

    /// Where the logits of each vector with this item are; none where it does not speak for it.
    fn of(&self, item: usize) -> impl Iterator<Item = Option<usize>> + '_ {
        let of = move |(items, start): (&Range<usize>, &usize)| {
            items.contains(&item).then(|| start + item - items.start)
        };
        self.items.iter().zip(&self.starts).map(of)
    }
}

/// Some targets, with the vectors that answer for each.
struct Part<'a> {
    /// `[targets, interests, d]`.
    hidden: &'a [f32],
    /// `[targets, interests]`, or none.
    priors: &'a [f32],
    targets: Asked<'a>,
    spans: &'a Spans,
    catalogue: &'a [f32],
    d: usize,
}

/// [`Fused::full_softmax`](crate::fused::Fused::full_softmax): the loss, and the gradients by the hidden
/// states and by the priors.
///
/// The softmax is never written down: e^(logit) goes into both products as it is, and the rows on
/// the other side are divided instead, which are fewer numbers. The target's own −1 is added to
/// the products' results.
#[expect(clippy::too_many_arguments, reason = "a loss, its sizes and where its gradient goes")]
pub(super) fn full(
    hidden: &[f32],
    priors: &[f32],
    targets: Asked<'_>,
    catalogue: &[f32],
    spans: &[Range<usize>],
    d: usize,
    block_bytes: usize,
    rows: &mut [f32],
) -> (f64, Vec<f32>, Vec<f32>) {
    let interests = spans.len();
    let spans = Spans::new(spans.to_vec());
    let width = spans.width;
    let block = (block_bytes / 4 / width.max(1)).max(1).min(targets.len());
    // Targets of a part, and the sizes of a vector's and a target's stretch.
    let part = (PART / interests.max(1)).max(1);
    let mut odds = vec![0.0; block * width];
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
        let all = Part { hidden, priors, targets: targets.part(span), spans: &spans, catalogue, d };
        let (odds, shares) = (&mut odds[..vectors / interests * width], &mut shares[..vectors * d]);
        let answers = &mut answers[..vectors];
        let parts: Vec<(f64, Vec<f32>)> = odds
            .par_chunks_mut((part * width).max(1))
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
        let (odds, shares) = (matrix(odds, width), matrix(shares, interests * d));
        rows.par_chunks_mut(ITEMS * d).enumerate().for_each(|(nth, rows)| {
            let these = nth * ITEMS..nth * ITEMS + rows.len() / d;
            for (k, (items, logits)) in spans.each().enumerate() {
                let both = items.start.max(these.start)..items.end.min(these.end);
                if both.is_empty() {
                    continue;
                }
                let odds = odds.subcols(logits.start + both.start - items.start, both.len());
                let rows = &mut rows[(both.start - these.start) * d..(both.end - these.start) * d];
                add_product(matrix_mut(rows, d), odds.transpose(), shares.subcols(k * d, d), 1.0);
            }
        });
        all.subtract_targets(answers, rows);
    }
    (loss, by_hidden, by_priors)
}

impl Part<'_> {
    fn interests(&self) -> usize {
        self.spans.items.len()
    }

    /// The `nth` `size` targets.
    fn part(&self, nth: usize, size: usize) -> Self {
        let span = nth * size..((nth + 1) * size).min(self.targets.len());
        let interests = self.interests();
        let each = interests * self.d;
        Self {
            hidden: &self.hidden[span.start * each..span.end * each],
            priors: self.priors.get(span.start * interests..span.end * interests).unwrap_or_default(),
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
        let (d, k, width) = (self.d, self.interests(), self.spans.width);
        let (catalogue, hidden) = (matrix(self.catalogue, d), matrix(self.hidden, k * d));
        for (nth, (items, logits)) in
            self.spans.each().enumerate().filter(|(_, (items, _))| !items.is_empty())
        {
            let items = catalogue.subrows(items.start, items.len()).transpose();
            let logits = matrix_mut(odds, width).subcols_mut(logits.start, logits.len());
            set_product(logits, hidden.subcols(nth * d, d), items, 1.0);
        }
        let mut loss = 0.0;
        let mut factors = vec![0.0; self.targets.len()];
        let mut by_priors = vec![0.0; self.priors.len()];
        vectorised(
            #[inline(always)]
            || {
                let rows = odds.chunks_exact_mut(width.max(1)).zip(self.targets.rows);
                let rows = rows.zip(&mut factors).zip(answers.chunks_exact_mut(k)).enumerate();
                for (nth, (((row, target), factor), answers)) in rows {
                    for ((_, logits), prior) in self.spans.each().zip(of_target(self.priors, nth, k)) {
                        row[logits].iter_mut().for_each(|logit| *logit += prior);
                    }
                    let most = greatest(row);
                    for (answer, place) in answers.iter_mut().zip(self.spans.of(*target as usize)) {
                        *answer = place.map_or(f32::NEG_INFINITY, |place| row[place]);
                    }
                    let sum = match self.priors.is_empty() {
                        true => exp_sum(row, most),
                        false => {
                            let sums = &mut by_priors[nth * k..(nth + 1) * k];
                            for (sum, (_, logits)) in sums.iter_mut().zip(self.spans.each()) {
                                *sum = exp_sum(&mut row[logits], most);
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
        by_hidden.fill(0.0);
        for (nth, (items, logits)) in
            self.spans.each().enumerate().filter(|(_, (items, _))| !items.is_empty())
        {
            let by = matrix_mut(by_hidden, k * d).subcols_mut(nth * d, d);
            let odds = matrix(odds, width).subcols(logits.start, logits.len());
            set_product(by, odds, catalogue.subrows(items.start, items.len()), 1.0);
        }
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
        let answering = answers.iter().zip(self.hidden.chunks_exact(d)).enumerate();
        for (nth, (answer, hidden)) in answering.filter(|(_, (answer, _))| **answer != 0.0) {
            let start = self.targets.rows[nth / self.interests()] as usize * d;
            for (row, hidden) in rows[start..start + d].iter_mut().zip(hidden) {
                *row -= hidden * answer;
            }
        }
    }
}
