//! What a loss over the catalogue gives, and what its ways of computing do alike: over all items or over
//! sampled ones (`fused`), and over slices (`host`).

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Added to the score of a pair that must not be seen: its weight after the softmax is exactly 0.
pub(crate) const HIDDEN: f32 = -1e9;

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

/// What a loss asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The targets' rows.
    pub rows: &'a [u32],
    /// How much each one's cross-entropy counts; empty: all alike, 1.
    pub weights: &'a [f32],
}

impl<'a> Asked<'a> {
    /// Targets that count alike.
    pub fn alike(rows: &'a [u32]) -> Self {
        Self { rows, weights: &[] }
    }

    pub(crate) fn len(self) -> usize {
        self.rows.len()
    }

    pub(crate) fn weight(self, target: usize) -> f32 {
        self.weights.get(target).copied().unwrap_or(1.0)
    }

    /// Those of a stretch.
    pub(crate) fn part(self, span: std::ops::Range<usize>) -> Self {
        Self { rows: &self.rows[span.clone()], weights: self.weights.get(span).unwrap_or_default() }
    }

    /// Stretches of `size` targets.
    pub(crate) fn chunks(self, size: usize) -> impl Iterator<Item = Self> {
        (0..self.len()).step_by(size.max(1)).map(move |at| self.part(at..(at + size).min(self.len())))
    }
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
