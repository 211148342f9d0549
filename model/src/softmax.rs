//! What a loss over the catalogue gives, and what its ways of computing do alike: over all items or over
//! sampled ones (`fused`), and over slices (`host`).

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

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

/// Gradient by the rows that a sampled softmax touched.
#[derive(Debug, Default)]
pub struct SampledRows {
    /// Rows, in the order of touch; targets first, then negatives. A row may stand twice.
    pub rows: Vec<u32>,
    /// Their gradients, one after the other.
    pub gradients: Vec<f32>,
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

/// A tensor's values on the host.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap_or_default()
}
