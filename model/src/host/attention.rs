//! Attention, one head of one sequence after the other: its scores never leave the cache.

use faer::reborrow::ReborrowMut;
use rayon::prelude::*;

use super::{add_product, matrix, matrix_mut, set_product, sum_groups};
use crate::exp::exp_sum;
use crate::simd::{dot, greatest, vectorised};
use crate::softmax::HIDDEN;
use crate::time::BUCKETS;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) len: usize,
    /// Width of a head.
    pub(super) each: usize,
}

impl Sizes {
    fn width(self) -> usize {
        self.heads * self.each
    }

    /// Scores of a sequence.
    fn scores(self) -> usize {
        self.heads * self.len * self.len
    }

    /// First column of a head's queries (`part` 0), keys (1) or values (2).
    fn column(self, part: usize, head: usize) -> usize {
        part * self.width() + head * self.each
    }

    fn scale(self) -> f32 {
        1.0 / (self.each as f32).sqrt()
    }
}

/// Causal attention of [`Fused::attend`](crate::fused::Fused::attend), and the weights after the
/// softmax.
pub(super) fn forward(
    mixed: &[f32],
    time_bias: &[f32],
    buckets: &[i32],
    sizes: Sizes,
) -> (Vec<f32>, Vec<f32>) {
    let Sizes { len, each, .. } = sizes;
    let width = sizes.width();
    let tables: Vec<Table> = time_bias.chunks_exact(BUCKETS).map(table).collect();
    let mut weights = vec![0.0; sizes.heads * buckets.len()];
    let mut output = vec![0.0; mixed.len() / 3];
    output
        .par_chunks_mut(len * width)
        .zip(weights.par_chunks_mut(sizes.scores()))
        .zip(mixed.par_chunks(3 * len * width))
        .zip(buckets.par_chunks(len * len))
        .for_each(|(((output, weights), mixed), buckets)| {
            let (mixed, mut output) = (matrix(mixed, 3 * width), matrix_mut(output, width));
            for (head, weights) in weights.chunks_exact_mut(len * len).enumerate() {
                let part = |part| mixed.subcols(sizes.column(part, head), each);
                for (weight, bucket) in weights.iter_mut().zip(buckets) {
                    *weight = tables[head][*bucket as usize];
                }
                add_product(matrix_mut(weights, len), part(0), part(1).transpose(), sizes.scale());
                softmax(weights, len);
                let output = output.rb_mut().subcols_mut(head * each, each);
                set_product(output, matrix(weights, len), part(2), 1.0);
            }
        });
    (output, weights)
}

/// What is added to a score, by bucket; the last hides what comes later.
type Table = [f32; BUCKETS + 1];

fn table(time_bias: &[f32]) -> Table {
    let mut table = [HIDDEN; BUCKETS + 1];
    table[..BUCKETS].copy_from_slice(time_bias);
    table
}

/// Softmax of every row.
fn softmax(scores: &mut [f32], len: usize) {
    vectorised(
        #[inline(always)]
        || {
            for row in scores.chunks_exact_mut(len) {
                let inverse = 1.0 / exp_sum(row, greatest(row));
                for weight in row {
                    *weight *= inverse;
                }
            }
        },
    );
}

/// Gradients by `mixed` and by the time bias.
pub(super) fn backward(
    by_output: &[f32],
    mixed: &[f32],
    weights: &[f32],
    buckets: &[i32],
    sizes: Sizes,
) -> [Vec<f32>; 2] {
    let Sizes { heads, len, each } = sizes;
    let (width, scale) = (sizes.width(), sizes.scale());
    let mut by_mixed = vec![0.0; mixed.len()];
    let tables: Vec<Vec<Table>> = by_mixed
        .par_chunks_mut(3 * len * width)
        .zip(weights.par_chunks(sizes.scores()))
        .zip(mixed.par_chunks(3 * len * width))
        .zip(by_output.par_chunks(len * width))
        .zip(buckets.par_chunks(len * len))
        .map(|((((by_mixed, weights), mixed), by_output), buckets)| {
            let (mixed, mut by_mixed) = (matrix(mixed, 3 * width), matrix_mut(by_mixed, 3 * width));
            let by_output = matrix(by_output, width);
            let mut by_scores = vec![0.0; len * len];
            let mut tables = vec![[0.0; BUCKETS + 1]; heads];
            for (head, (weights, table)) in weights.chunks_exact(len * len).zip(&mut tables).enumerate() {
                let part = |part| mixed.subcols(sizes.column(part, head), each);
                let mut by_part = |part, left, right, factor| {
                    let to = by_mixed.rb_mut().subcols_mut(sizes.column(part, head), each);
                    set_product(to, left, right, factor);
                };
                let by_context = by_output.subcols(head * each, each);
                by_part(2, matrix(weights, len).transpose(), by_context, 1.0);
                set_product(matrix_mut(&mut by_scores, len), by_context, part(2).transpose(), 1.0);
                softmax_backward(&mut by_scores, weights, len);
                for (by, bucket) in by_scores.iter().zip(buckets) {
                    table[*bucket as usize] += by;
                }
                let by_scores = matrix(&by_scores, len);
                by_part(0, by_scores, part(1), scale);
                by_part(1, by_scores.transpose(), part(0), scale);
            }
            tables
        })
        .collect();
    let tables =
        tables.iter().map(|tables| tables.iter().flat_map(|table| &table[..BUCKETS]).copied().collect());
    [by_mixed, sum_groups(tables, heads * BUCKETS)]
}

/// Turns gradients by the weights into gradients by the scores.
fn softmax_backward(by_weights: &mut [f32], weights: &[f32], len: usize) {
    vectorised(
        #[inline(always)]
        || {
            for (by, weights) in by_weights.chunks_exact_mut(len).zip(weights.chunks_exact(len)) {
                let along = dot(by, weights);
                for (by, weight) in by.iter_mut().zip(weights) {
                    *by = (*by - along) * weight;
                }
            }
        },
    );
}
