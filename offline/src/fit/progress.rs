//! How far a fit has come.

use hmisr_model::hmisr::Stage;
use serde::{Deserialize, Serialize};

/// The state of a fit after a whole epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done, over all stages.
    pub epoch: usize,
    /// Index of the stage in the schedule.
    pub stage: usize,
    /// Epochs done of it.
    pub stage_epoch: usize,
    /// Steps done.
    pub step: u64,
    /// Whether the fit has come to its end.
    pub done: bool,
    /// After each epoch.
    pub evaluations: Vec<Evaluation>,
    /// Epoch of the best validation NDCG@10, counted from 1; 0 before the first.
    pub best_epoch: usize,
    /// Wall time of training and validation, seconds.
    pub seconds: f64,
}

/// An epoch and its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Its stage.
    pub stage: Stage,
    /// Mean cross-entropy of the next item in training, nats.
    pub loss: f64,
    /// Means of the further losses, unweighted.
    pub auxiliary: Vec<(String, f64)>,
    /// Validation HR@10.
    pub hr: f64,
    /// Validation NDCG@10.
    pub ndcg: f64,
    /// Wall time so far, seconds.
    pub seconds: f64,
}

impl Progress {
    /// The best evaluation so far.
    pub fn best(&self) -> Option<&Evaluation> {
        self.evaluations.iter().find(|evaluation| evaluation.epoch == self.best_epoch)
    }
}
