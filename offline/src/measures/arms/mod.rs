//! How lists are re-ranked: the ways that a server knows, and others that they are held against.

mod calibration;
mod determinant;

use hmisr_recommend::rerank::{self, Candidate, Objective};
use serde::{Deserialize, Serialize};

use self::calibration::calibrated;
use self::determinant::determinantal;
use crate::data::Event;
use crate::split::Split;

/// A way to re-rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Maximal marginal relevance, [`Objective::Mmr`].
    Mmr,
    /// Max-sum diversification, [`Objective::MaxSum`].
    MaxSum,
    /// The same with probabilities, [`Objective::Likely`].
    Likely,
    /// The greedy determinant of relevance and similarity (Chen, Zhang and Zhou, NeurIPS 2018).
    Determinant,
    /// The user's own shares of categories (Steck, RecSys 2018).
    Calibrated,
}

impl Arm {
    /// Those that answers can be re-ranked by, of which scores may be log-likelihoods.
    pub fn of(likelihoods: bool) -> &'static [Self] {
        match likelihoods {
            true => &[Self::Mmr, Self::MaxSum, Self::Likely, Self::Determinant, Self::Calibrated],
            false => &[Self::Mmr, Self::MaxSum, Self::Determinant, Self::Calibrated],
        }
    }

    /// What a model's name gets where it is re-ranked.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Mmr => "mmr",
            Self::MaxSum => "msd",
            Self::Likely => "msd-p",
            Self::Determinant => "dpp",
            Self::Calibrated => "calibrated",
        }
    }

    /// The candidates' indices in the new order. `likelihoods`: the scores are log-likelihoods up to a constant.
    pub(super) fn order(
        self,
        split: &Split,
        history: &[Event],
        candidates: &[Candidate],
        likelihoods: bool,
        lambda: f32,
    ) -> Vec<usize> {
        let similarity = |one: u32, other: u32| split.data.category_cosine(one, other) as f32;
        let by = |objective| rerank::rerank(candidates, lambda, candidates.len(), objective, similarity);
        // What is weighed against a determinant or a divergence, which are logarithms themselves.
        let relevance = || -> Vec<f64> {
            match likelihoods {
                true => candidates.iter().map(|candidate| f64::from(candidate.relevance)).collect(),
                false => Objective::MaxSum.relevance(candidates).into_iter().map(f64::from).collect(),
            }
        };
        let lambda = f64::from(lambda.clamp(0.0, 1.0));
        match self {
            Self::Mmr => by(Objective::Mmr),
            Self::MaxSum => by(Objective::MaxSum),
            Self::Likely => by(Objective::Likely),
            Self::Determinant => {
                let alike = |one: usize, other: usize| {
                    split.data.category_cosine(candidates[one].item, candidates[other].item)
                };
                determinantal(&relevance(), lambda, alike)
            }
            Self::Calibrated => {
                let chosen = history.iter().filter(|event| split.data.is_choice(event));
                let wanted = calibration::shares(&split.data, chosen.map(|event| event.item));
                let of = |at: usize| split.data.category_weights(candidates[at].item);
                calibrated(&relevance(), lambda, &wanted, of)
            }
        }
    }
}

/// The greatest by value; ties go to the first.
fn best(left: &[usize], value: impl Fn(usize) -> f64) -> Option<usize> {
    let mut found: Option<(usize, f64)> = None;
    for (place, &at) in left.iter().enumerate() {
        let value = value(at);
        if found.is_none_or(|(_, best)| value > best) {
            found = Some((place, value));
        }
    }
    found.map(|(place, _)| place)
}
