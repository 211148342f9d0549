//! Layer norm.

use rayon::prelude::*;

use super::{group, sum_groups};
use crate::fused::NORM_EPSILON;
use crate::simd::{dot, dot3, spread, sum, vectorised};

/// Mean and 1/√(variance + ε) of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let share = 1.0 / row.len() as f32;
    let mean = sum(row) * share;
    let variance = spread(row, mean) * share;
    (mean, 1.0 / (variance + NORM_EPSILON as f32).sqrt())
}

/// Normalises the rows of `x`; `scale` and `shift` are as wide as a row.
pub(super) fn forward(x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let d = scale.len();
    let mut output = vec![0.0; x.len()];
    let rows = group(x.len() / d);
    output.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d)).for_each(|(output, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (output, row) in output.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                    let (mean, inverse) = moments(row);
                    for (((y, x), a), b) in output.iter_mut().zip(row).zip(scale).zip(shift) {
                        *y = (x - mean) * inverse * a + b;
                    }
                }
            },
        );
    });
    output
}

/// Gradients by `x`, scale and shift.
pub(super) fn backward(by_output: &[f32], x: &[f32], scale: &[f32]) -> [Vec<f32>; 3] {
    let d = scale.len();
    let mut by_x = vec![0.0; x.len()];
    let rows = group(x.len() / d);
    let groups = by_x.par_chunks_mut(rows * d).zip(x.par_chunks(rows * d));
    let sums: Vec<(Vec<f32>, Vec<f32>)> = groups
        .zip(by_output.par_chunks(rows * d))
        .map(|((by_x, x), by_output)| {
            let (mut by_scale, mut by_shift) = (vec![0.0; d], vec![0.0; d]);
            vectorised(
                #[inline(always)]
                || {
                    let rows = by_x.chunks_exact_mut(d).zip(x.chunks_exact(d));
                    for ((by_x, x), by_y) in rows.zip(by_output.chunks_exact(d)) {
                        row_backward(by_x, x, by_y, scale, &mut by_scale, &mut by_shift);
                    }
                },
            );
            (by_scale, by_shift)
        })
        .collect();
    let (by_scale, by_shift): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    [by_x, sum_groups(by_scale, d), sum_groups(by_shift, d)]
}

/// With u the normalised row and g the gradient by it: (g − mean(g) − u · mean(g ⊙ u)) / spread.
#[inline(always)]
fn row_backward(
    by_x: &mut [f32],
    x: &[f32],
    by_y: &[f32],
    scale: &[f32],
    by_scale: &mut [f32],
    by_shift: &mut [f32],
) {
    let (mean, inverse) = moments(x);
    for ((((by_x, x), by_y), by_scale), by_shift) in
        by_x.iter_mut().zip(x).zip(by_y).zip(by_scale).zip(by_shift)
    {
        let unit = (x - mean) * inverse;
        *by_x = unit;
        *by_scale += by_y * unit;
        *by_shift += by_y;
    }
    // g ⊙ u is (by_y ⊙ scale) ⊙ u; by_x still holds u.
    let share = 1.0 / x.len() as f32;
    let flat = dot(by_y, scale) * share;
    let along = dot3(by_y, scale, by_x) * share;
    for ((by_x, by_y), scale) in by_x.iter_mut().zip(by_y).zip(scale) {
        *by_x = (by_y * scale - flat - *by_x * along) * inverse;
    }
}
