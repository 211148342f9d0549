//! Whether lists are as diverse as what the users do next.

use serde::{Deserialize, Serialize};

use super::{LIST, intra_list_diversity, line, list_entropy, spearman};
use crate::evaluate::{CaseResult, PerCase};
use crate::split::{FutureDiversity, Split};

/// How one quantity follows the diversity of the future.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// R² of the least-squares line on the future diversity.
    pub r2: f64,
    /// Spearman's rank correlation with it.
    pub spearman: f64,
    /// Slope of that line.
    pub slope: f64,
}

impl Fit {
    /// `y` against the future `x`; none where one of them does not vary.
    pub fn new(x: &[f64], y: &[f64]) -> Option<Self> {
        let fit = line(x, y)?;
        Some(Self { r2: fit.r2, spearman: spearman(x, y)?, slope: fit.slope })
    }
}

/// Diversity adaptation (design, section 5.3 "Measures"): the fits over all cases whose future is long
/// enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adaptation {
    /// Cases with a future.
    pub cases: usize,
    /// ILD@10 of the lists.
    pub list_ild: Option<Fit>,
    /// Category entropy of the lists' first ten.
    pub list_entropy: Option<Fit>,
    /// The model's own diversity score.
    pub score: Option<Fit>,
    /// R² of that score taken as it is for a prediction: 1 − Σ(y − ŷ)² / Σ(y − ȳ)². Below 0 it is worse
    /// than the mean.
    pub score_prediction_r2: Option<f64>,
    /// The diversity of the user's last 20 choices, for comparison: what persists by itself.
    pub history: Option<Fit>,
    /// R² of that taken for a prediction.
    #[serde(default)]
    pub history_prediction_r2: Option<f64>,
}

/// Measures the answers to [`Split::adaptation`] (or any cases; those without a future are left out).
pub fn adaptation(split: &Split, answers: &PerCase) -> Adaptation {
    let future = FutureDiversity::new(&split.data);
    let cases: Vec<_> = answers
        .results
        .iter()
        .filter_map(|result| Some((future.of(split.future(result.case).iter())?, result)))
        .collect();
    let x: Vec<f64> = cases.iter().map(|(x, _)| *x).collect();
    let column = |y: Vec<f64>| Fit::new(&x, &y);
    let scores: Option<Vec<f64>> = cases.iter().map(|(_, result)| result.diversity.map(f64::from)).collect();
    let last = |result: &CaseResult| future.first(split.query(result.case).history.iter().rev()).1;
    let history: Vec<f64> = cases.iter().map(|(_, result)| last(result)).collect();
    Adaptation {
        cases: cases.len(),
        list_ild: column(
            cases.iter().map(|(_, r)| intra_list_diversity(&split.data, &r.top, LIST)).collect(),
        ),
        list_entropy: column(cases.iter().map(|(_, r)| list_entropy(&split.data, &r.top, LIST)).collect()),
        score_prediction_r2: scores.as_ref().and_then(|scores| prediction_r2(&x, scores)),
        score: scores.and_then(column),
        history_prediction_r2: prediction_r2(&x, &history),
        history: column(history),
    }
}

fn prediction_r2(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let spread: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
    let error: f64 = truth.iter().zip(predicted).map(|(y, p)| (y - p).powi(2)).sum();
    (spread > 0.0).then(|| 1.0 - error / spread)
}
