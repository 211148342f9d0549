//! Softmax over the catalogue, by hand: loss and gradients from one pass over the logits.
//!
//! Automatic differentiation would keep the logits, their softmax and two gradients of the same
//! size. Here a block of logits (`learning.logits_bytes`, and a few times that for what
//! becomes of it) is made, turned into its own gradient, used in two products, and dropped.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::dot::dot;
use crate::exp::exp_sum;
use crate::fused::{Fused, one_hot};
use crate::hard::hard_gradient;
use crate::random::SplitMix;
use crate::simd::vectorised;
use crate::table::Table;

/// What the loss of a batch gave.
#[derive(Debug)]
pub struct Scores<B: Backend> {
    /// Sum of the cross-entropies, nats.
    pub loss: f64,
    /// Gradient of the sum by the hidden states, `[targets · interests, d]`.
    pub hidden: Tensor<B, 2>,
    /// Gradient of the sum by the priors, `[targets, interests]`; none where there are none.
    pub priors: Option<Tensor<B, 2>>,
}

/// [`Fused::full_softmax`](crate::fused::Fused::full_softmax) in tensor operations: all but the losses and
/// the gradient by the rows stays on the device.
pub(crate) fn full_softmax<B: Fused>(
    hidden: Tensor<B, 2>,
    priors: Option<Tensor<B, 2>>,
    targets: &[u32],
    catalogue: &Tensor<B, 2>,
    block_bytes: usize,
    rows: &mut [f32],
) -> Scores<B> {
    let ([items, d], device) = (catalogue.dims(), catalogue.device());
    let k = hidden.dims()[0] / targets.len().max(1);
    let mut by_rows = Tensor::<B, 2>::zeros([items, d], &device);
    let (mut losses, mut by_hidden, mut by_priors) = (Vec::new(), Vec::new(), Vec::new());
    let block = (block_bytes / 4 / (items * k).max(1)).max(1);
    for (nth, targets) in targets.chunks(block).enumerate() {
        let (from, n) = (nth * block, targets.len());
        let states = hidden.clone().narrow(0, from * k, n * k);
        let mut logits = B::product(states.clone(), catalogue.clone().transpose()).reshape([n, k, items]);
        if let Some(priors) = &priors {
            logits = logits + priors.clone().narrow(0, from, n).reshape([n, k, 1]);
        }
        let places: Vec<i32> = targets.iter().map(|target| *target as i32).collect();
        let places = Tensor::<B, 1, Int>::from_data(TensorData::new(places, [n]), &device);
        let own = logits.clone().gather(2, places.clone().reshape([n, 1, 1]).expand([n, k, 1]));
        let (answers, answer) = normalised(own.reshape([n, k]));
        let (shares, all) = normalised(logits.reshape([n, k * items]));
        losses.push(all - answer);
        // The softmax less the responsibilities at the target. A device adds at indices one by one, so that
        // they are set apart by a comparison.
        let at_target = one_hot(places, items).reshape([n, 1, items]);
        let errors = shares.reshape([n, k, items]) - at_target * answers.clone().reshape([n, k, 1]);
        let errors = errors.reshape([n * k, items]);
        if priors.is_some() {
            by_priors.push(errors.clone().sum_dim(1).reshape([n, k]));
        }
        by_hidden.push(B::product(errors.clone(), catalogue.clone()));
        by_rows = by_rows + B::over_rows(errors, states);
    }
    add(rows, by_rows);
    let loss = losses.into_iter().flat_map(values);
    Scores {
        loss: loss.map(f64::from).sum(),
        hidden: Tensor::cat(by_hidden, 0),
        priors: priors.map(|_| Tensor::cat(by_priors, 0)),
    }
}

/// The softmax of rows, and ln Σ e^score `[rows, 1]`.
fn normalised<B: Backend>(scores: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let max = scores.clone().max_dim(1);
    let parts = (scores - max.clone()).exp();
    let sum = parts.clone().sum_dim(1);
    (parts / sum.clone(), sum.log() + max)
}

/// A target's priors; empty where there are none.
pub(crate) fn of_target(priors: &[f32], target: usize, interests: usize) -> &[f32] {
    priors.get(target * interests..(target + 1) * interests).unwrap_or_default()
}

/// Adds its prior to each interest's logits, `[interests, items]`.
pub(crate) fn add_priors(logits: &mut [f32], priors: &[f32]) {
    if !priors.is_empty() {
        let items = logits.len() / priors.len();
        for (row, prior) in logits.chunks_exact_mut(items.max(1)).zip(priors) {
            row.iter_mut().for_each(|logit| *logit += prior);
        }
    }
}

/// Turns scores into their softmax; returns ln Σ e^score.
pub(crate) fn responsibilities(scores: &mut [f32]) -> f32 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    sum.ln() + max
}

/// Gradient by the rows that a sampled softmax touched.
#[derive(Debug, Default)]
pub struct SampledRows {
    /// Rows, in the order of touch; targets first, then negatives. A row may stand twice.
    pub rows: Vec<u32>,
    /// Their gradients, one after the other.
    pub gradients: Vec<f32>,
}

/// Cross-entropy of `hidden` `[targets · interests, d]`, as of [`Fused::full_softmax`], against the
/// target and `negatives` uniform rows that the batch shares. The negatives' odds are corrected for
/// how many they stand for: Z ≈ Σ_k (e^s_ky + (items − 1)/m · Σ e^s_kj over the m negatives that are
/// not the target). With a `hardness` β, negatives weigh by it (REMI, one vector a target).
///
/// [`Fused::full_softmax`]: crate::fused::Fused::full_softmax
pub fn sampled_softmax<B: Backend>(
    hidden: Tensor<B, 2>,
    priors: Option<Tensor<B, 2>>,
    targets: &[u32],
    table: &Table,
    negatives: usize,
    seed: u64,
    hardness: Option<f32>,
) -> (Scores<B>, SampledRows) {
    let (items, d, device) = (table.len(), table.width(), &hidden.device());
    let vectors = hidden.dims()[0];
    let interests = vectors / targets.len().max(1);
    let states = hidden.clone();
    let (hidden, priors) = (values(hidden), priors.map(values).unwrap_or_default());
    let mut random = SplitMix::new(seed);
    let drawn: Vec<u32> = (0..negatives).map(|_| random.below(items as u32)).collect();
    let data = TensorData::new(table.gather(drawn.iter().copied()), [negatives, d]);
    let others = Tensor::<B, 2>::from_data(data, device);
    let mut logits = states.clone().matmul(others.clone().transpose()).into_data();
    let (mut loss, mut by_priors) = (0.0, Vec::with_capacity(priors.len()));
    let mut errors = Vec::with_capacity(vectors);
    if let Ok(values) = logits.as_mut_slice::<f32>() {
        let rows = values.chunks_exact_mut((negatives * interests).max(1)).zip(targets);
        for (nth, ((rows, target), hidden)) in
            rows.zip(hidden.chunks_exact((interests * d).max(1))).enumerate()
        {
            let priors = of_target(&priors, nth, interests);
            add_priors(rows, priors);
            let own = table.weights(*target);
            let mut logits: Vec<f32> = hidden.chunks_exact(d).map(|vector| dot(vector, own)).collect();
            logits.iter_mut().zip(priors).for_each(|(logit, prior)| *logit += prior);
            // An accidental hit is no negative.
            let hits: Vec<usize> = (0..negatives).filter(|at| drawn[*at] == *target).collect();
            for row in rows.chunks_exact_mut(negatives.max(1)) {
                hits.iter().for_each(|at| row[*at] = f32::NEG_INFINITY);
            }
            loss += match (hardness, logits.as_mut_slice()) {
                (Some(beta), [logit]) => {
                    let (loss, error) = hard_gradient(rows, *logit, beta, items - 1);
                    *logit = error;
                    loss
                }
                (_, logits) => sampled_gradient(rows, logits, negatives - hits.len(), items),
            };
            if !priors.is_empty() {
                let sums = rows.chunks_exact(negatives.max(1)).map(|row| row.iter().sum::<f32>());
                by_priors.extend(sums.zip(&logits).map(|(sum, own)| sum + own));
            }
            errors.extend(logits);
        }
    }
    let errors_by_row = Tensor::<B, 2>::from_data(logits, device);
    let mut by_hidden = values(errors_by_row.clone().matmul(others));
    let mut touched = SampledRows::default();
    for (nth, error) in errors.iter().enumerate() {
        let target = targets[nth / interests];
        let span = nth * d..(nth + 1) * d;
        for (by, own) in by_hidden[span.clone()].iter_mut().zip(table.weights(target)) {
            *by += error * own;
        }
        touched.rows.push(target);
        touched.gradients.extend(hidden[span].iter().map(|hidden| error * hidden));
    }
    touched.rows.extend(&drawn);
    touched.gradients.extend(values(errors_by_row.transpose().matmul(states)));
    let by_priors = (!priors.is_empty()).then(|| TensorData::new(by_priors, [targets.len(), interests]));
    let scores = Scores {
        loss,
        hidden: Tensor::from_data(TensorData::new(by_hidden, [vectors, d]), device),
        priors: by_priors.map(|by_priors| Tensor::from_data(by_priors, device)),
    };
    (scores, touched)
}

/// Turns the negatives' logits `[interests, negatives]` (minus infinity: an accidental hit) into
/// their gradients, and the target's own `[interests]` too; returns the cross-entropy.
fn sampled_gradient(row: &mut [f32], own: &mut [f32], counted: usize, items: usize) -> f64 {
    let max = row.iter().chain(own.iter()).copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = if counted == 0 { 0.0 } else { (items - 1) as f32 / counted as f32 };
    let logits = own.to_vec();
    let answer = responsibilities(own);
    let mut sum = vectorised(|| exp_sum(row, max)) * weight;
    sum += (answer - max).exp();
    for value in row.iter_mut() {
        *value *= weight / sum;
    }
    for (responsibility, logit) in own.iter_mut().zip(logits) {
        *responsibility = (logit - max).exp() / sum - *responsibility;
    }
    f64::from(sum.ln() + max - answer)
}

/// A tensor's values on the host.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap_or_default()
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

    use super::*;
    use crate::backend::{self, Inner};

    const D: usize = 8;
    const INTERESTS: usize = 3;

    fn table(items: u32) -> Table {
        let mut table = Table::new(D, 3);
        (0..items).for_each(|item| table.grow(&item.to_be_bytes()));
        table
    }

    fn random(shape: [usize; 2], seed: u64, bound: f32) -> Tensor<Inner, 2> {
        let mut random = SplitMix::new(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.symmetric(bound)).collect();
        Tensor::from_data(TensorData::new(values, shape), &backend::device().unwrap())
    }

    fn hidden(count: usize) -> Tensor<Inner, 2> {
        random([count, D], 4, 10.0)
    }

    fn priors(targets: usize) -> Tensor<Inner, 2> {
        random([targets, INTERESTS], 8, 2.0)
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
        let (table, states) = (table(37), hidden(11 * INTERESTS));
        let targets: Vec<u32> = (0..11).map(|n| n * 5 % 37).collect();
        let (e, priors) = (table.tensor::<Autodiff<Inner>>(&device), priors(11));
        let [h, g] = [states.clone(), priors.clone()].map(|tensor| Tensor::from_inner(tensor).require_grad());
        let e = e.require_grad();
        let by_interest = g.clone().reshape([11 * INTERESTS, 1]);
        let logits = (h.clone().matmul(e.clone().transpose()) + by_interest).reshape([11, INTERESTS * 37]);
        let places = targets.iter().flat_map(|row| (0..INTERESTS as i32).map(move |k| k * 37 + *row as i32));
        let places = TensorData::new(places.collect::<Vec<i32>>(), [11, INTERESTS]);
        let places = Tensor::<Autodiff<Inner>, 2, Int>::from_data(places, &device);
        let loss = log_softmax(logits, 1).gather(1, places).exp().sum_dim(1).log().sum().neg();
        let gradients = loss.backward();
        let by_h: Vec<f32> = h.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let by_e: Vec<f32> = e.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let by_g: Vec<f32> = g.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let expected: f32 = loss.into_scalar();
        // Blocks of four, four and three targets.
        let catalogue = table.tensor::<Inner>(&device);
        for full_softmax in [Inner::full_softmax, full_softmax::<Inner>] {
            let (mut rows, block) = (vec![0.0; 37 * D], 4 * INTERESTS * 37 * 4);
            let (states, priors) = (states.clone(), Some(priors.clone()));
            let scores = full_softmax(states, priors, &targets, &catalogue, block, &mut rows);
            assert!((scores.loss as f32 - expected).abs() < 1e-3, "{} and {expected}", scores.loss);
            close(&values(scores.hidden), &by_h, 1e-5);
            close(&values(scores.priors.unwrap()), &by_g, 1e-5);
            close(&rows, &by_e, 1e-4);
        }
    }

    /// More targets than one thread takes at once, and more items than one thread adds up.
    #[test]
    fn parts_of_a_block_come_together() {
        let (items, targets) = (1_100u32, 150u32);
        let device = backend::device().unwrap();
        let (table, states) = (table(items), hidden(INTERESTS * targets as usize));
        let priors = priors(targets as usize);
        let targets: Vec<u32> = (0..targets).map(|n| n * 31 % items).collect();
        let catalogue = table.tensor::<Inner>(&device);
        let run = |block: usize, threads: usize| {
            let mut rows = vec![0.5; items as usize * D];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let block = block * INTERESTS * items as usize * 4;
            let (states, priors) = (states.clone(), Some(priors.clone()));
            let scores =
                pool.install(|| Inner::full_softmax(states, priors, &targets, &catalogue, block, &mut rows));
            (scores.loss, values(scores.hidden), values(scores.priors.unwrap()), rows)
        };
        let mut expected_rows = vec![0.5; items as usize * D];
        let (whole, priors_of) = (states.clone(), Some(priors.clone()));
        let expected = full_softmax(whole, priors_of, &targets, &catalogue, 1 << 24, &mut expected_rows);
        let (by_hidden, by_priors) = (values(expected.hidden), values(expected.priors.unwrap()));
        for block in [1, 64, 100, 1_000] {
            let (loss, hidden, priors, rows) = run(block, 1);
            assert!((loss - expected.loss).abs() < 1e-5 * expected.loss, "{block}");
            close(&hidden, &by_hidden, 1e-5);
            close(&priors, &by_priors, 1e-5);
            close(&rows, &expected_rows, 1e-4);
            assert_eq!(run(block, 3), (loss, hidden, priors, rows));
        }
    }

    #[test]
    fn many_samples_come_near_the_full_softmax() {
        let device = backend::device().unwrap();
        let (table, states) = (table(50), hidden(6 * INTERESTS));
        let priors = priors(6);
        let targets = [3, 9, 3, 44, 0, 49];
        let mut rows = vec![0.0; 50 * D];
        let catalogue = table.tensor::<Inner>(&device);
        let (whole, priors_of) = (states.clone(), Some(priors.clone()));
        let full = Inner::full_softmax(whole, priors_of, &targets, &catalogue, 1 << 20, &mut rows);
        let (sampled, touched) =
            sampled_softmax::<Inner>(states, Some(priors), &targets, &table, 400_000, 1, None);
        assert!((full.loss - sampled.loss).abs() < 0.01 * full.loss, "{} and {}", full.loss, sampled.loss);
        close(&values(sampled.hidden), &values(full.hidden), 5e-3);
        close(&values(sampled.priors.unwrap()), &values(full.priors.unwrap()), 5e-3);
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
