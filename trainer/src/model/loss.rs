//! Softmax over the catalogue, by hand: loss, gradients and scores from one pass over the logits.
//!
//! Automatic differentiation would keep the logits, their softmax and two gradients of the same
//! size, and evaluation would compute them once more. Here a block of logits
//! (`learning.logits_bytes`, and once more that for its copy on the device) is made, looked at,
//! turned into its own gradient in place, used in two products, and dropped.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::exp::exp_sum;
use crate::random::SplitMix;
use crate::table::Table;

/// What the loss of a batch gave.
#[derive(Debug)]
pub(crate) struct Scores {
    /// Sum of the cross-entropies, nats.
    pub(crate) loss: f64,
    /// Gradient of the sum by the hidden states, `[targets, d]`.
    pub(crate) hidden: Vec<f32>,
}

/// Full cross-entropy of `hidden` `[targets, d]` against all rows of `catalogue` (the table's
/// weights `[items, d]`; `targets` are rows). Adds the gradient by the rows to `rows`
/// `[items, d]`, and shows every target's logits to `look` before they are used up.
pub(crate) fn full_softmax<B: Backend>(
    hidden: &[f32],
    targets: &[u32],
    catalogue: &Tensor<B, 2>,
    block_bytes: usize,
    rows: &mut [f32],
    mut look: impl FnMut(usize, &[f32]),
) -> Scores {
    let [items, d] = catalogue.dims();
    let device = catalogue.device();
    let mut loss = 0.0;
    let mut gradient = Vec::with_capacity(hidden.len());
    let block = (block_bytes / 4 / items.max(1)).max(1);
    for (at, (states, targets)) in hidden.chunks(block * d).zip(targets.chunks(block)).enumerate() {
        let count = targets.len();
        let states = Tensor::<B, 2>::from_data(TensorData::new(states.to_vec(), [count, d]), &device);
        let mut logits = states.clone().matmul(catalogue.clone().transpose()).into_data();
        if let Ok(values) = logits.as_mut_slice::<f32>() {
            for (nth, (row, target)) in values.chunks_exact_mut(items).zip(targets).enumerate() {
                look(at * block + nth, row);
                loss += into_gradient(row, *target as usize);
            }
        }
        let errors = Tensor::<B, 2>::from_data(logits, &device);
        append(&mut gradient, errors.clone().matmul(catalogue.clone()));
        add(rows, errors.transpose().matmul(states));
    }
    Scores { loss, hidden: gradient }
}

/// Turns logits into softmax minus the target's one-hot; returns the cross-entropy.
fn into_gradient(row: &mut [f32], target: usize) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let logit = row[target];
    let sum = exp_sum(row, max);
    let inverse = 1.0 / sum;
    for value in row.iter_mut() {
        *value *= inverse;
    }
    row[target] -= 1.0;
    f64::from(sum.ln() + max - logit)
}

/// Gradient by the rows that a sampled softmax touched.
#[derive(Debug, Default)]
pub(crate) struct SampledRows {
    /// Rows, in the order of first touch; targets first, then negatives. A row may stand twice.
    pub(crate) rows: Vec<u32>,
    /// Their gradients, one after the other.
    pub(crate) gradients: Vec<f32>,
}

/// Cross-entropy of `hidden` `[targets, d]` against the target and `negatives` uniform rows that
/// the batch shares. The negatives' odds are corrected for how many they stand for:
/// Z ≈ e^s_y + (items − 1)/m · Σ e^s_j over the m negatives that are not the target.
pub(crate) fn sampled_softmax<B: Backend>(
    hidden: &[f32],
    targets: &[u32],
    table: &Table,
    negatives: usize,
    seed: u64,
    device: &B::Device,
) -> (Scores, SampledRows) {
    let items = table.len();
    let d = hidden.len() / targets.len().max(1);
    let mut random = SplitMix::new(seed);
    let drawn: Vec<u32> = (0..negatives).map(|_| random.below(items as u32)).collect();
    let data = TensorData::new(table.gather(drawn.iter().copied()), [negatives, d]);
    let others = Tensor::<B, 2>::from_data(data, device);
    let own = table.gather(targets.iter().copied());
    let states = Tensor::<B, 2>::from_data(TensorData::new(hidden.to_vec(), [targets.len(), d]), device);
    let mut logits = states.clone().matmul(others.clone().transpose()).into_data();
    let mut scores = Scores { loss: 0.0, hidden: Vec::with_capacity(hidden.len()) };
    let mut touched = SampledRows { rows: targets.to_vec(), gradients: Vec::with_capacity(hidden.len()) };
    let mut errors = Vec::with_capacity(targets.len());
    if let Ok(values) = logits.as_mut_slice::<f32>() {
        for (nth, (row, target)) in values.chunks_exact_mut(negatives).zip(targets).enumerate() {
            let span = nth * d..(nth + 1) * d;
            let logit = hidden[span.clone()].iter().zip(&own[span]).map(|(h, e)| h * e).sum();
            let (loss, error) = sampled_gradient(row, &drawn, *target, logit, items);
            scores.loss += loss;
            errors.push(error);
        }
    }
    let errors_by_row = Tensor::<B, 2>::from_data(logits, device);
    append(&mut scores.hidden, errors_by_row.clone().matmul(others));
    for (nth, error) in errors.iter().enumerate() {
        for at in nth * d..(nth + 1) * d {
            scores.hidden[at] += error * own[at];
            touched.gradients.push(error * hidden[at]);
        }
    }
    touched.rows.extend(&drawn);
    append(&mut touched.gradients, errors_by_row.transpose().matmul(states));
    (scores, touched)
}

/// Turns the negatives' logits into their gradients; returns the cross-entropy and the gradient
/// by the target's own logit.
fn sampled_gradient(row: &mut [f32], drawn: &[u32], target: u32, logit: f32, items: usize) -> (f64, f32) {
    let mut counted = 0usize;
    let mut max = logit;
    for (value, negative) in row.iter_mut().zip(drawn) {
        if *negative == target {
            // An accidental hit is no negative.
            *value = f32::NEG_INFINITY;
        } else {
            counted += 1;
            max = max.max(*value);
        }
    }
    let weight = if counted == 0 { 0.0 } else { (items - 1) as f32 / counted as f32 };
    let own = (logit - max).exp();
    let mut sum = exp_sum(row, max) * weight;
    sum += own;
    for (value, negative) in row.iter_mut().zip(drawn) {
        *value = if *negative == target { 0.0 } else { *value * weight / sum };
    }
    (f64::from(sum.ln() + max - logit), own / sum - 1.0)
}

fn append<B: Backend>(to: &mut Vec<f32>, tensor: Tensor<B, 2>) {
    if let Ok(values) = tensor.into_data().as_slice::<f32>() {
        to.extend_from_slice(values);
    }
}

fn add<B: Backend>(to: &mut [f32], tensor: Tensor<B, 2>) {
    if let Ok(values) = tensor.into_data().as_slice::<f32>() {
        for (to, value) in to.iter_mut().zip(values) {
            *to += value;
        }
    }
}
