//! Softmax over the catalogue, by hand: loss and gradients from one pass over the logits.
//!
//! Automatic differentiation would keep the logits, their softmax and two gradients of the same
//! size. Here a block of logits (`learning.logits_bytes`, and once more that for its copy on the
//! device) is made, turned into its own gradient in place, used in two products, and dropped.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::exp::exp_sum;
use crate::hard::hard_gradient;
use crate::random::SplitMix;
use crate::simd::vectorised;
use crate::table::Table;

/// What the loss of a batch gave.
#[derive(Debug)]
pub struct Scores {
    /// Sum of the cross-entropies, nats.
    pub loss: f64,
    /// Gradient of the sum by the hidden states, `[targets, d]`.
    pub hidden: Vec<f32>,
}

/// [`Fused::full_softmax`](crate::fused::Fused::full_softmax) on any backend.
pub(crate) fn full_softmax<B: Backend>(
    hidden: &[f32],
    targets: &[u32],
    weights: Option<&[f32]>,
    catalogue: &Tensor<B, 2>,
    block_bytes: usize,
    rows: &mut [f32],
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
                let weight = weights.map_or(1.0, |weights| weights[at * block + nth]);
                loss += into_gradient(row, *target as usize, weight);
            }
        }
        let errors = Tensor::<B, 2>::from_data(logits, &device);
        append(&mut gradient, errors.clone().matmul(catalogue.clone()));
        add(rows, errors.transpose().matmul(states));
    }
    Scores { loss, hidden: gradient }
}

/// Turns logits into `weight` times softmax minus the target's one-hot; returns the weighted
/// cross-entropy.
fn into_gradient(row: &mut [f32], target: usize, weight: f32) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let logit = row[target];
    let sum = vectorised(|| exp_sum(row, max));
    let inverse = weight / sum;
    for value in row.iter_mut() {
        *value *= inverse;
    }
    row[target] -= weight;
    f64::from(sum.ln() + max - logit) * f64::from(weight)
}

/// Gradient by the rows that a sampled softmax touched.
#[derive(Debug, Default)]
pub struct SampledRows {
    /// Rows, in the order of first touch; targets first, then negatives. A row may stand twice.
    pub rows: Vec<u32>,
    /// Their gradients, one after the other.
    pub gradients: Vec<f32>,
}

/// Cross-entropy of `hidden` `[targets, d]` against the target and `negatives` uniform rows that
/// the batch shares. The negatives' odds are corrected for how many they stand for:
/// Z ≈ e^s_y + (items − 1)/m · Σ e^s_j over the m negatives that are not the target. With a
/// `hardness` β, negatives weigh by it (REMI).
#[allow(clippy::too_many_arguments)]
pub fn sampled_softmax<B: Backend>(
    hidden: &[f32],
    targets: &[u32],
    weights: Option<&[f32]>,
    table: &Table,
    negatives: usize,
    seed: u64,
    device: &B::Device,
    hardness: Option<f32>,
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
            let weight = weights.map_or(1.0, |weights| weights[nth]);
            let (loss, error) = match hardness {
                None => sampled_gradient(row, &drawn, *target, logit, items),
                Some(beta) => {
                    // An accidental hit is no negative.
                    let hits = row.iter_mut().zip(&drawn).filter(|(_, negative)| *negative == target);
                    hits.for_each(|(value, _)| *value = f32::NEG_INFINITY);
                    hard_gradient(row, logit, beta, items - 1)
                }
            };
            row.iter_mut().for_each(|value| *value *= weight);
            scores.loss += loss * f64::from(weight);
            errors.push(error * weight);
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
    let mut sum = vectorised(|| exp_sum(row, max)) * weight;
    sum += own;
    for (value, negative) in row.iter_mut().zip(drawn) {
        *value = if *negative == target { 0.0 } else { *value * weight / sum };
    }
    (f64::from(sum.ln() + max - logit), own / sum - 1.0)
}

pub(crate) fn append<B: Backend>(to: &mut Vec<f32>, tensor: Tensor<B, 2>) {
    if let Ok(values) = tensor.into_data().as_slice::<f32>() {
        to.extend_from_slice(values);
    }
}

pub(crate) fn add<B: Backend>(to: &mut [f32], tensor: Tensor<B, 2>) {
    if let Ok(values) = tensor.into_data().as_slice::<f32>() {
        for (to, value) in to.iter_mut().zip(values) {
            *to += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::tensor::activation::log_softmax;
    use burn::tensor::{Int, Tensor};

    use super::*;
    use crate::backend::{self, Inner};
    use crate::fused::Fused;

    const D: usize = 8;

    fn table(items: u32) -> Table {
        let mut table = Table::new(D, 3);
        (0..items).for_each(|item| table.grow(&item.to_be_bytes()));
        table
    }

    fn hidden(count: usize) -> Vec<f32> {
        let mut random = SplitMix::new(4);
        (0..count * D).map(|_| random.symmetric(20.0)).collect()
    }

    /// Within `tolerance`, relative above 1 and absolute below.
    fn close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= tolerance * expected.abs().max(1.0),
                "{at}: {found} and {expected}"
            );
        }
    }

    #[test]
    fn loss_and_gradients_are_those_of_automatic_differentiation() {
        let device = backend::device().unwrap();
        let (table, states) = (table(37), hidden(11));
        let targets: Vec<u32> = (0..11).map(|n| n * 5 % 37).collect();
        let h = Tensor::<Autodiff<Inner>, 2>::from_data(TensorData::new(states.clone(), [11, D]), &device);
        let e = table.tensor::<Autodiff<Inner>>(&device);
        let (h, e) = (h.require_grad(), e.require_grad());
        let wanted: Vec<i32> = targets.iter().map(|target| *target as i32).collect();
        let wanted = Tensor::<Autodiff<Inner>, 2, Int>::from_data(TensorData::new(wanted, [11, 1]), &device);
        let loss = log_softmax(h.clone().matmul(e.clone().transpose()), 1).gather(1, wanted).sum().neg();
        let gradients = loss.backward();
        let by_h: Vec<f32> = h.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let by_e: Vec<f32> = e.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let expected: f32 = loss.into_scalar();
        // Blocks of four, four and three targets.
        let catalogue = table.tensor::<Inner>(&device);
        for full_softmax in [Inner::full_softmax, full_softmax::<Inner>] {
            let mut rows = vec![0.0; 37 * D];
            let scores = full_softmax(&states, &targets, None, &catalogue, 4 * 37 * 4, &mut rows);
            assert!((scores.loss as f32 - expected).abs() < 1e-3, "{} and {expected}", scores.loss);
            close(&scores.hidden, &by_h, 1e-6);
            close(&rows, &by_e, 1e-4);
        }
    }

    /// More targets than one thread takes at once, and more items than one thread adds up.
    #[test]
    fn parts_of_a_block_come_together() {
        let (items, targets) = (1_100u32, 150u32);
        let device = backend::device().unwrap();
        let (table, states) = (table(items), hidden(targets as usize));
        let targets: Vec<u32> = (0..targets).map(|n| n * 31 % items).collect();
        let weights: Vec<f32> = (0..targets.len()).map(|n| (n % 3) as f32).collect();
        let catalogue = table.tensor::<Inner>(&device);
        let run = |block: usize, threads: usize| {
            let mut rows = vec![0.5; items as usize * D];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let block = block * items as usize * 4;
            let scores = pool.install(|| {
                Inner::full_softmax(&states, &targets, Some(&weights), &catalogue, block, &mut rows)
            });
            (scores, rows)
        };
        let mut expected_rows = vec![0.5; items as usize * D];
        let weighted = Some(weights.as_slice());
        let expected = full_softmax(&states, &targets, weighted, &catalogue, 1 << 24, &mut expected_rows);
        for block in [1, 64, 100, 1_000] {
            let (scores, rows) = run(block, 1);
            assert!((scores.loss - expected.loss).abs() < 1e-5 * expected.loss, "{block}");
            close(&scores.hidden, &expected.hidden, 1e-5);
            close(&rows, &expected_rows, 1e-4);
            let (again, same) = run(block, 3);
            assert_eq!(again.hidden, scores.hidden);
            assert_eq!(same, rows);
        }
    }

    #[test]
    fn a_target_of_weight_two_counts_twice() {
        let device = backend::device().unwrap();
        let (table, states) = (table(9), hidden(2));
        let catalogue = table.tensor::<Inner>(&device);
        let twice: Vec<f32> = [&states[..D], &states[..D], &states[D..]].concat();
        let loss = |states: &[f32], targets: &[u32], weights: Option<&[f32]>| {
            let mut rows = vec![0.0; 9 * D];
            let scores = Inner::full_softmax(states, targets, weights, &catalogue, 1 << 16, &mut rows);
            (scores.loss as f32, rows)
        };
        let (expected, by_rows) = loss(&twice, &[3, 3, 5], None);
        let (found, rows) = loss(&states, &[3, 5], Some(&[2.0, 1.0]));
        close(&[found], &[expected], 1e-5);
        close(&rows, &by_rows, 1e-5);
    }

    #[test]
    fn many_samples_come_near_the_full_softmax() {
        let device = backend::device().unwrap();
        let (table, states) = (table(50), hidden(6));
        let targets = [3, 9, 3, 44, 0, 49];
        let mut rows = vec![0.0; 50 * D];
        let catalogue = table.tensor::<Inner>(&device);
        let full = Inner::full_softmax(&states, &targets, None, &catalogue, 1 << 20, &mut rows);
        let (sampled, touched) =
            sampled_softmax::<Inner>(&states, &targets, None, &table, 400_000, 1, &device, None);
        assert!((full.loss - sampled.loss).abs() < 0.01 * full.loss, "{} and {}", full.loss, sampled.loss);
        close(&sampled.hidden, &full.hidden, 5e-3);
        let mut summed = vec![0.0; 50 * D];
        for (row, gradient) in touched.rows.iter().zip(touched.gradients.chunks(D)) {
            for (sum, value) in summed[*row as usize * D..].iter_mut().zip(gradient) {
                *sum += value;
            }
        }
        // Each row is drawn 8,000 times, give or take 90: its gradient is off by about 1 %.
        close(&summed, &rows, 0.05);
    }
}
