//! What only training gives, for losses beside that of the next item.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::diversity::Habits;
use super::losses::Plan;

/// Interactions that the ranking losses look at in a pass, at most: their cost grows with the square.
pub const SAMPLED: usize = 256;

/// What a training step gives beside the histories.
#[derive(Debug)]
pub struct Training<B: Backend> {
    /// Stage and weights.
    pub plan: Plan,
    /// Embeddings of the samples' targets, then of the negatives, `[targets + negatives, d]`.
    pub candidates: Tensor<B, 2>,
    /// What the ranking losses look at.
    pub samples: Samples,
}

/// Interactions that the ranking losses look at, at most a few a history.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Flat positions.
    pub positions: Vec<usize>,
    /// The item row after each.
    pub targets: Vec<u32>,
    /// Uniform item rows, shared.
    pub negatives: Vec<u32>,
    /// Items of the catalogue.
    pub items: usize,
    /// The user's habits at each position.
    pub habits: Vec<Habits>,
    /// How far back the other prefix of the stability loss ends, positions.
    pub back: usize,
    /// Seed of the contrast's views.
    pub seed: u64,
}
