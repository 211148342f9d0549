//! Softmax over the catalogue, by hand: loss and gradients from one pass over the logits.
//!
//! Automatic differentiation would keep the logits, their softmax and two gradients of the same
//! size. Here a block of logits (`learning.logits_bytes`, and a few times that for what
//! becomes of it) is made, turned into its own gradient, used in two products, and dropped.

use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::{Fused, one_hot};
use crate::softmax::{Asked, HIDDEN, Scores, values};

/// [`Fused::full_softmax`] in tensor operations: all but the losses and the gradient by the rows stays on the
/// device.
pub(super) fn full<B: Fused>(
    hidden: Tensor<B, 2>,
    priors: Option<Tensor<B, 2>>,
    targets: Asked<'_>,
    catalogue: &Tensor<B, 2>,
    spans: &[Range<usize>],
    block_bytes: usize,
    rows: &mut [f32],
) -> Scores<B> {
    let ([items, d], device) = (catalogue.dims(), catalogue.device());
    let k = spans.len();
    let mut by_rows = Tensor::<B, 2>::zeros([items, d], &device);
    let (mut losses, mut by_hidden, mut by_priors) = (Vec::new(), Vec::new(), Vec::new());
    let block = (block_bytes / 4 / spans.iter().map(Range::len).sum::<usize>().max(1)).max(1);
    for (nth, targets) in targets.chunks(block).enumerate() {
        let (from, n) = (nth * block, targets.len());
        let states = hidden.clone().narrow(0, from * k, n * k).reshape([n, k * d]);
        let states = |nth: usize| states.clone().narrow(1, nth * d, d);
        // By vector: its logits, where the targets are among them, and the targets' own logit.
        let (mut logits, mut at_target, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for (nth, span) in spans.iter().enumerate() {
            if span.is_empty() {
                own.push(Tensor::full([n, 1], HIDDEN, &device));
                at_target.push(None);
                continue;
            }
            let items = catalogue.clone().slice([span.clone(), 0..d]);
            let mut all = B::product(states(nth), items.transpose());
            if let Some(priors) = &priors {
                all = all + priors.clone().narrow(0, from, n).narrow(1, nth, 1);
            }
            // A device adds at indices one by one, so that they are set apart by a comparison. No column is −1.
            let place = |row: &u32| {
                if span.contains(&(*row as usize)) { *row as i32 - span.start as i32 } else { -1 }
            };
            let places: Vec<i32> = targets.rows.iter().map(place).collect();
            let silent: Vec<f32> = places.iter().map(|place| if *place < 0 { HIDDEN } else { 0.0 }).collect();
            let places = one_hot(Tensor::from_data(TensorData::new(places, [n]), &device), span.len());
            let silent = Tensor::<B, 2>::from_data(TensorData::new(silent, [n, 1]), &device);
            own.push((all.clone() * places.clone()).sum_dim(1) + silent);
            logits.push(all);
            at_target.push(Some(places));
        }
        let weights: Vec<f32> = (0..n).map(|target| targets.weight(target)).collect();
        let weights = Tensor::<B, 2>::from_data(TensorData::new(weights, [n, 1]), &device);
        let (answers, answer) = normalised(Tensor::cat(own, 1));
        let (shares, all) = normalised(Tensor::cat(logits, 1));
        losses.push((all - answer) * weights.clone());
        let mut start = 0;
        let (mut by_states, mut by_prior) = (Vec::new(), Vec::new());
        for (nth, (span, at_target)) in spans.iter().zip(at_target).enumerate() {
            let Some(at_target) = at_target else {
                by_prior.push(Tensor::zeros([n, 1], &device));
                by_states.push(Tensor::zeros([n, d], &device));
                continue;
            };
            let shares = shares.clone().narrow(1, start, span.len());
            start += span.len();
            // The softmax less the responsibility at the target.
            let errors = (shares - at_target * answers.clone().narrow(1, nth, 1)) * weights.clone();
            by_prior.push(errors.clone().sum_dim(1));
            let part = [span.clone(), 0..d];
            by_states.push(B::product(errors.clone(), catalogue.clone().slice(part.clone())));
            let by_part = by_rows.clone().slice(part.clone()) + B::over_rows(errors, states(nth));
            by_rows = by_rows.slice_assign(part, by_part);
        }
        by_priors.push(Tensor::cat(by_prior, 1));
        by_hidden.push(Tensor::cat(by_states, 1).reshape([n * k, d]));
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

/// Adds what a device summed.
pub(super) fn add<B: Backend>(to: &mut [f32], tensor: Tensor<B, 2>) {
    if let Ok(values) = tensor.into_data().as_slice::<f32>() {
        for (to, value) in to.iter_mut().zip(values) {
            *to += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;
    use burn::tensor::activation::log_softmax;

    use super::*;
    use crate::backend::{self, Inner};
    use crate::fused::checks::{Tracked, close, random};
    use crate::table::Table;

    const D: usize = 8;
    const INTERESTS: usize = 3;

    fn table(items: u32) -> Table {
        let mut table = Table::new(D, 3);
        (0..items).for_each(|item| table.grow(&item.to_be_bytes()));
        table
    }

    fn hidden(count: usize) -> Tensor<Inner, 2> {
        random([count, D], 4, 10.0)
    }

    fn priors(targets: usize) -> Tensor<Inner, 2> {
        random([targets, INTERESTS], 8, 2.0)
    }

    /// Every interest speaks for every item.
    fn all(items: usize) -> Vec<Range<usize>> {
        vec![0..items; INTERESTS]
    }

    #[test]
    fn loss_and_gradients_are_those_of_automatic_differentiation() {
        let device = backend::device().unwrap();
        let (table, states) = (table(37), hidden(11 * INTERESTS));
        let targets: Vec<u32> = (0..11).map(|n| n * 5 % 37).collect();
        let (e, priors) = (table.tensor::<Tracked>(&device), priors(11));
        let [h, g] = [states.clone(), priors.clone()].map(|tensor| Tensor::from_inner(tensor).require_grad());
        let e = e.require_grad();
        let by_interest = g.clone().reshape([11 * INTERESTS, 1]);
        let logits = (h.clone().matmul(e.clone().transpose()) + by_interest).reshape([11, INTERESTS * 37]);
        let places = targets.iter().flat_map(|row| (0..INTERESTS as i32).map(move |k| k * 37 + *row as i32));
        let places = TensorData::new(places.collect::<Vec<i32>>(), [11, INTERESTS]);
        let places = Tensor::<Tracked, 2, Int>::from_data(places, &device);
        let loss = log_softmax(logits, 1).gather(1, places).exp().sum_dim(1).log().sum().neg();
        let gradients = loss.backward();
        let by_h: Vec<f32> = h.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let by_e: Vec<f32> = e.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let by_g: Vec<f32> = g.grad(&gradients).unwrap().into_data().to_vec().unwrap();
        let expected: f32 = loss.into_scalar();
        // Blocks of four, four and three targets.
        let catalogue = table.tensor::<Inner>(&device);
        for full_softmax in [Inner::full_softmax, full::<Inner>] {
            let (mut rows, block) = (vec![0.0; 37 * D], 4 * INTERESTS * 37 * 4);
            let (states, priors) = (states.clone(), Some(priors.clone()));
            let scores =
                full_softmax(states, priors, Asked::alike(&targets), &catalogue, &all(37), block, &mut rows);
            assert!((scores.loss as f32 - expected).abs() < 1e-3, "{} and {expected}", scores.loss);
            close(&values(scores.hidden), &by_h, 1e-5);
            close(&values(scores.priors.unwrap()), &by_g, 1e-5);
            close(&rows, &by_e, 1e-4);
        }
    }

    /// One vector speaks for each item: the softmax is that of its owners' logits.
    #[test]
    fn vectors_that_speak_for_their_own_items_share_a_softmax() {
        let device = backend::device().unwrap();
        let (table, states, priors) = (table(37), hidden(11 * INTERESTS), priors(11));
        let spans = [0..5, 5..30, 30..37];
        let targets: Vec<u32> = (0..11).map(|n| n * 5 % 37).collect();
        let [h, g] = [states.clone(), priors.clone()].map(|tensor| Tensor::from_inner(tensor).require_grad());
        let e = table.tensor::<Tracked>(&device).require_grad();
        let logits = spans.iter().enumerate().map(|(nth, span)| {
            let own = h.clone().reshape([11, INTERESTS * D]).narrow(1, nth * D, D);
            own.matmul(e.clone().slice([span.clone(), 0..D]).transpose()) + g.clone().narrow(1, nth, 1)
        });
        let places = TensorData::new(targets.iter().map(|row| *row as i32).collect::<Vec<_>>(), [11, 1]);
        let places = Tensor::<Tracked, 2, Int>::from_data(places, &device);
        let loss = log_softmax(Tensor::cat(logits.collect(), 1), 1).gather(1, places).sum().neg();
        let by = loss.backward();
        let expected: f32 = loss.into_scalar();
        let catalogue = table.tensor::<Inner>(&device);
        for full_softmax in [Inner::full_softmax, full::<Inner>] {
            let (mut rows, block) = (vec![0.0; 37 * D], 4 * 37 * 4);
            let (states, priors) = (states.clone(), Some(priors.clone()));
            let asked = Asked::alike(&targets);
            let scores = full_softmax(states, priors, asked, &catalogue, &spans, block, &mut rows);
            assert!((scores.loss as f32 - expected).abs() < 1e-3, "{} and {expected}", scores.loss);
            close(&values(scores.hidden), &values(h.grad(&by).unwrap()), 1e-5);
            close(&values(scores.priors.unwrap()), &values(g.grad(&by).unwrap()), 1e-5);
            close(&rows, &values(e.grad(&by).unwrap()), 1e-4);
        }
    }

    /// A weight scales a target's share of everything: as many targets as it says give the same.
    #[test]
    fn weights_scale_losses_and_gradients() {
        let device = backend::device().unwrap();
        let (table, states) = (table(37), hidden(4 * INTERESTS));
        let (catalogue, priors) = (table.tensor::<Inner>(&device), priors(4));
        let targets = [3, 9, 9, 30];
        let alone =
            |at: usize, full_softmax: fn(_, _, _, _, &[Range<usize>], _, &mut [f32]) -> Scores<Inner>| {
                let mut rows = vec![0.0; 37 * D];
                let states = states.clone().narrow(0, at * INTERESTS, INTERESTS);
                let priors = Some(priors.clone().narrow(0, at, 1));
                let scores = full_softmax(
                    states,
                    priors,
                    Asked::alike(&targets[at..=at]),
                    &catalogue,
                    &all(37),
                    1 << 20,
                    &mut rows,
                );
                (scores, rows)
            };
        let weights = [2.0, 0.0, 1.0, 0.25];
        let asked = Asked { rows: &targets, weights: &weights };
        for full_softmax in [Inner::full_softmax, full::<Inner>] {
            let (mut rows, mut expected_rows, mut loss) = (vec![0.0; 37 * D], vec![0.0f32; 37 * D], 0.0);
            let (mut by_hidden, mut by_priors) = (Vec::new(), Vec::new());
            for (at, weight) in weights.into_iter().enumerate() {
                let (scores, rows) = alone(at, full_softmax);
                loss += scores.loss * f64::from(weight);
                by_hidden.extend(values(scores.hidden).into_iter().map(|by| by * weight));
                by_priors.extend(values(scores.priors.unwrap()).into_iter().map(|by| by * weight));
                expected_rows.iter_mut().zip(rows).for_each(|(sum, by)| *sum += by * weight);
            }
            // In blocks of three targets and one.
            let block = 3 * INTERESTS * 37 * 4;
            let scores = full_softmax(
                states.clone(),
                Some(priors.clone()),
                asked,
                &catalogue,
                &all(37),
                block,
                &mut rows,
            );
            assert!((scores.loss - loss).abs() < 1e-4 * loss, "{} and {loss}", scores.loss);
            close(&values(scores.hidden), &by_hidden, 1e-4);
            close(&values(scores.priors.unwrap()), &by_priors, 1e-4);
            close(&rows, &expected_rows, 1e-4);
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
        for spans in
            [all(items as usize), vec![0..10, 10..900, 900..1_100], vec![0..0, 0..1_100, 1_100..1_100]]
        {
            parts_come_together(&states, &priors, &targets, &catalogue, &spans);
        }
    }

    fn parts_come_together(
        states: &Tensor<Inner, 2>,
        priors: &Tensor<Inner, 2>,
        targets: &[u32],
        catalogue: &Tensor<Inner, 2>,
        spans: &[Range<usize>],
    ) {
        let items = catalogue.dims()[0];
        let run = |block: usize, threads: usize| {
            let mut rows = vec![0.5; items * D];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let block = block * spans.iter().map(Range::len).sum::<usize>() * 4;
            let (states, priors) = (states.clone(), Some(priors.clone()));
            let scores = pool.install(|| {
                Inner::full_softmax(states, priors, Asked::alike(targets), catalogue, spans, block, &mut rows)
            });
            (scores.loss, values(scores.hidden), values(scores.priors.unwrap()), rows)
        };
        let mut expected_rows = vec![0.5; items * D];
        let (whole, priors_of) = (states.clone(), Some(priors.clone()));
        let expected =
            full(whole, priors_of, Asked::alike(targets), catalogue, spans, 1 << 24, &mut expected_rows);
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
}
