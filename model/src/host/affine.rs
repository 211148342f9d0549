//! x·W + b, with or without a rectifier behind it.

use rayon::prelude::*;

use super::{add_product, group, matrix, matrix_mut, set_product, sum_groups};
use crate::simd::vectorised;

/// Rows that go through the product and what follows it together.
const ROWS: usize = 128;

/// `x` `[rows, inputs]` · `weight` `[inputs, outputs]` + `bias`; `rectify`: nothing below 0.
pub(super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], rectify: bool) -> Vec<f32> {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let mut output = vec![0.0; x.len() / inputs * outputs];
    output.par_chunks_mut(ROWS * outputs).zip(x.par_chunks(ROWS * inputs)).for_each(|(output, x)| {
        for row in output.chunks_exact_mut(outputs) {
            row.copy_from_slice(bias);
        }
        add_product(matrix_mut(output, outputs), matrix(x, inputs), matrix(weight, outputs), 1.0);
        if rectify {
            vectorised(
                #[inline(always)]
                || output.iter_mut().for_each(|y| *y = y.max(0.0)),
            );
        }
    });
    output
}

/// Gradients by `x`, weight and bias. `rectified` is the output where a rectifier made it.
pub(super) fn backward(
    by_output: &[f32],
    x: &[f32],
    weight: &[f32],
    rectified: Option<&[f32]>,
    outputs: usize,
) -> [Vec<f32>; 3] {
    let inputs = weight.len() / outputs;
    let mut by_x = vec![0.0; x.len()];
    let rows = group(x.len() / inputs);
    let groups = by_x.par_chunks_mut(rows * inputs).zip(x.par_chunks(rows * inputs)).enumerate();
    let sums: Vec<(Vec<f32>, Vec<f32>)> = groups
        .map(|(nth, (by_x, x))| {
            let (mut by_weight, mut by_bias) = (vec![0.0; weight.len()], vec![0.0; outputs]);
            let mut masked = Vec::new();
            let parts = by_x.chunks_mut(ROWS * inputs).zip(x.chunks(ROWS * inputs)).enumerate();
            for (part, (by_x, x)) in parts {
                let start = nth * rows * outputs + part * ROWS * outputs;
                let span = start..start + x.len() / inputs * outputs;
                let mut by_output = &by_output[span.clone()];
                if let Some(rectified) = rectified {
                    mask(&mut masked, by_output, &rectified[span]);
                    by_output = &masked;
                }
                add_rows(&mut by_bias, by_output);
                let by_output = matrix(by_output, outputs);
                set_product(matrix_mut(by_x, inputs), by_output, matrix(weight, outputs).transpose(), 1.0);
                add_product(
                    matrix_mut(&mut by_weight, outputs),
                    matrix(x, inputs).transpose(),
                    by_output,
                    1.0,
                );
            }
            (by_weight, by_bias)
        })
        .collect();
    let (by_weight, by_bias): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
    [by_x, sum_groups(by_weight, weight.len()), sum_groups(by_bias, outputs)]
}

/// The gradient where the rectifier let something through.
fn mask(masked: &mut Vec<f32>, by_output: &[f32], rectified: &[f32]) {
    masked.resize(by_output.len(), 0.0);
    vectorised(
        #[inline(always)]
        || {
            for ((masked, by), y) in masked.iter_mut().zip(by_output).zip(rectified) {
                *masked = if *y > 0.0 { *by } else { 0.0 };
            }
        },
    );
}

/// Adds the rows to `sum`.
fn add_rows(sum: &mut [f32], rows: &[f32]) {
    vectorised(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sum.len()) {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
}
