//! The compound operations over host slices: what the CPU backend computes with.
//!
//! A tensor operation of its own for every sum and product walks the same numbers a dozen times,
//! most of them on one thread. Here every operation takes a few rows after the other through all
//! of its steps while they lie in the cache, and the rows' groups share the threads. How rows are
//! grouped depends on sizes alone and groups are summed in order, so that results are the same
//! for any number of threads.

mod affine;
mod attention;
mod averages;
mod flex;
mod members;
mod norm;
mod softmax;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `to` += `factor` · `left` · `right`, on this thread.
fn add_product(to: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>, factor: f32) {
    matmul(to, Accum::Add, left, right, factor, Par::Seq);
}

/// `to` = `factor` · `left` · `right`, on this thread.
fn set_product(to: MatMut<'_, f32>, left: MatRef<'_, f32>, right: MatRef<'_, f32>, factor: f32) {
    matmul(to, Accum::Replace, left, right, factor, Par::Seq);
}

/// Row-major `values` of `columns` columns.
fn matrix(values: &[f32], columns: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, values.len() / columns.max(1), columns)
}

/// Row-major `values` of `columns` columns.
fn matrix_mut(values: &mut [f32], columns: usize) -> MatMut<'_, f32> {
    let rows = values.len() / columns.max(1);
    MatMut::from_row_major_slice_mut(values, rows, columns)
}

/// Rows of a group whose sums are kept: few enough groups that their sums are small beside the
/// rows, and enough for the threads.
fn group(rows: usize) -> usize {
    const LEAST: usize = 128;
    const GROUPS: usize = 16;
    rows.div_ceil(GROUPS).max(LEAST)
}

/// The groups' sums of `size` values each, added in order.
fn sum_groups(groups: impl IntoIterator<Item = Vec<f32>>, size: usize) -> Vec<f32> {
    let mut total = vec![0.0; size];
    for group in groups {
        for (total, value) in total.iter_mut().zip(&group) {
            *total += value;
        }
    }
    total
}
