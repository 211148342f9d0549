//! What a step reports.

use std::time::Duration;

use hmisr_recommend::counts::SOURCES;

use crate::prequential::Ranked;

/// What a step did.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    /// Examples learnt from.
    pub examples: usize,
    /// Steps taken in all, this one included.
    pub step: u64,
    /// Mean cross-entropy of the batch before learning from it, nats.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Ranks of the examples, in their order.
    pub ranked: Vec<Ranked>,
    /// Examples that were not ranked.
    pub not_ranked: usize,
    /// Tokens encoded, without padding.
    pub tokens: usize,
    /// Tokens of padding.
    pub padding: usize,
    /// Passes through the encoder.
    pub passes: usize,
    /// Labels of the DiversityScore that came.
    pub labels: usize,
    /// Histories longer than the model reads; their oldest events were left out.
    pub truncated: usize,
    /// Items of the catalogue after the step.
    pub items: usize,
    /// What is counted beside the network: bytes of the pairs, and what the network and each source weigh; none
    /// where nothing is.
    pub counts: Option<(usize, [f64; SOURCES.len()])>,
    /// Time of each part.
    pub times: StepTimes,
}

/// Where a step's time went.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTimes {
    /// Merging, cutting, admitting items, gathering rows.
    pub prepare: Duration,
    /// Ranking a sample as it would have been served.
    pub served: Duration,
    /// The encoder's forward pass.
    pub forward: Duration,
    /// Logits, ranks, loss and its gradients.
    pub loss: Duration,
    /// The encoder's backward pass.
    pub backward: Duration,
    /// The optimizer.
    pub update: Duration,
}

impl StepTimes {
    /// Adds another step's.
    pub fn add(&mut self, other: &Self) {
        self.prepare += other.prepare;
        self.served += other.served;
        self.forward += other.forward;
        self.loss += other.loss;
        self.backward += other.backward;
        self.update += other.update;
    }
}
