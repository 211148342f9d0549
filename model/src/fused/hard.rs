//! Softmax against interest-aware hard negatives (REMI, Xie et al., RecSys 2023, eq. 7–9).
//!
//! −ln(e^s_y / (e^s_y + Σ_j w_j e^s_j)) with w_j = N·e^{β·s_j} / Σ_l e^{β·s_l} over the N negatives
//! j: of mean 1, heavier the nearer a negative comes to the interest that answers. The paper
//! estimates both sums from uniform samples; against the whole catalogue they are exact, and N is
//! its size less one. β = 0 would be the plain softmax. The weights are part of what is
//! differentiated, as in the authors' code.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::softmax::add;
use crate::exp::exp_sum;
use crate::softmax::{Asked, Scores};

/// The loss of `hidden` `[targets, d]` against all rows of `catalogue` `[items, d]` at hardness
/// `beta` > 0; arguments and result as those of the plain softmax.
pub(crate) fn hard_softmax<B: Backend>(
    hidden: Tensor<B, 2>,
    targets: Asked<'_>,
    catalogue: &Tensor<B, 2>,
    block_bytes: usize,
    rows: &mut [f32],
    beta: f32,
) -> Scores<B> {
    let items = catalogue.dims()[0];
    let device = catalogue.device();
    let (mut loss, mut by_hidden) = (0.0, Vec::new());
    let block = (block_bytes / 4 / items.max(1)).max(1);
    for (nth, targets) in targets.chunks(block).enumerate() {
        let states = hidden.clone().narrow(0, nth * block, targets.len());
        let mut logits = states.clone().matmul(catalogue.clone().transpose()).into_data();
        if let Ok(values) = logits.as_mut_slice::<f32>() {
            for (nth, (row, target)) in values.chunks_exact_mut(items).zip(targets.rows).enumerate() {
                let own = std::mem::replace(&mut row[*target as usize], f32::NEG_INFINITY);
                let (part, error) = hard_gradient(row, own, beta, items - 1);
                row[*target as usize] = error;
                let weight = targets.weight(nth);
                loss += part * f64::from(weight);
                row.iter_mut().for_each(|error| *error *= weight);
            }
        }
        let errors = Tensor::<B, 2>::from_data(logits, &device);
        by_hidden.push(errors.clone().matmul(catalogue.clone()));
        add(rows, errors.transpose().matmul(states));
    }
    Scores { loss, hidden: Tensor::cat(by_hidden, 0), priors: None }
}

/// Turns the logits of negatives, −∞ where one does not count, into their gradients; returns the
/// loss and the gradient by the target's logit `own`. The negatives stand for `number`.
pub(super) fn hard_gradient(row: &mut [f32], own: f32, beta: f32, number: usize) -> (f64, f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        row.fill(0.0);
        return (0.0, 0.0);
    }
    // b = e^{β(s − max)}, and a = e^{(1 + β)(s − max)}.
    let mut b: Vec<f32> = row.iter().map(|logit| beta * logit).collect();
    let sum_b = exp_sum(&mut b, beta * max);
    exp_sum(row, max);
    let mut sum_a = 0.0;
    for (value, b) in row.iter_mut().zip(&b) {
        *value *= b;
        sum_a += *value;
    }
    // ln Σ w e^s, against the target's logit.
    let excess = max + (number as f32 * sum_a / sum_b).ln() - own;
    let share = 1.0 / (1.0 + (-excess).exp());
    for (value, b) in row.iter_mut().zip(&b) {
        *value = share * ((1.0 + beta) * *value / sum_a - beta * b / sum_b);
    }
    // ln(1 + e^excess) without overflow.
    let loss = excess.max(0.0) + (-excess.abs()).exp().ln_1p();
    (f64::from(loss), -share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(logits: &[f32], own: f32, beta: f32) -> f64 {
        hard_gradient(&mut logits.to_vec(), own, beta, logits.len()).0
    }

    #[test]
    fn the_weights_are_those_of_the_definition() {
        let (logits, own, beta) = ([0.5f64, -1.0, 2.0], 1.5f64, 0.7);
        let all: f64 = logits.iter().map(|s| (beta * s).exp()).sum();
        let hard: f64 = logits.iter().map(|s| 3.0 * (beta * s).exp() / all * s.exp()).sum();
        let expected = -(own.exp() / (own.exp() + hard)).ln();
        let found = loss(&logits.map(|s| s as f32), own as f32, beta as f32);
        assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
    }

    #[test]
    fn nearly_no_hardness_is_the_plain_softmax_and_more_costs_more() {
        let (logits, own) = ([0.5f32, -1.0, 2.0, 0.1], 1.0f32);
        let plain = logits.iter().map(|s| s.exp()).sum::<f32>() + own.exp();
        let plain = f64::from(plain.ln() - own);
        assert!((loss(&logits, own, 1e-6) - plain).abs() < 1e-4);
        assert!(loss(&logits, own, 1.0) > plain && loss(&logits, own, 10.0) > loss(&logits, own, 1.0));
    }

    #[test]
    fn great_logits_and_no_negatives_stay_finite() {
        let mut row = [900.0, f32::NEG_INFINITY, 880.0];
        let (loss, error) = hard_gradient(&mut row, -900.0, 10.0, 2);
        assert!((loss - 1_800.0).abs() < 1.0 && error == -1.0, "{loss} {error}");
        assert!(row.iter().all(|value| value.is_finite()), "{row:?}");
        let mut row = [f32::NEG_INFINITY; 2];
        assert_eq!(hard_gradient(&mut row, 1.0, 1.0, 0), (0.0, 0.0));
        assert_eq!(row, [0.0; 2]);
    }
}
