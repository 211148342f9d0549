//! Accuracy against diversity, by re-ranking.

pub use hmisr_recommend::Lambda;
use hmisr_recommend::rerank::Candidate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Arm, LIST, UserTable};
use crate::evaluate::{CaseResult, PerCase};
use crate::split::Split;

/// Re-ranks the candidates of every case with the category cosine for similarity.
///
/// A target among the candidates gets its place in the new order for a rank; any other keeps its
/// rank, which is beyond the candidates. The new list's scores are the old ones, item by item.
pub fn rerank(split: &Split, answers: &PerCase, arm: Arm, lambda: Lambda) -> PerCase {
    let rerank = |result: &CaseResult| {
        let lambda = lambda.of(result.diversity);
        let candidates: Vec<Candidate> =
            result.top.iter().map(|&(item, relevance)| Candidate { item, relevance }).collect();
        let history = split.query(result.case).history;
        let order = arm.order(split, history, &candidates, answers.likelihoods, lambda);
        let top: Vec<(u32, f32)> = order.into_iter().map(|at| result.top[at]).collect();
        let target = split.target(result.case).item;
        let place = top.iter().position(|&(item, _)| item == target).map(|at| (at + 1) as f64);
        CaseResult { rank: result.rank.map(|old| place.unwrap_or(old)), top, ..result.clone() }
    };
    let results = answers.results.par_iter().map(rerank).collect();
    let model = format!("{}+{}", answers.model, arm.suffix());
    PerCase { model, likelihoods: answers.likelihoods, seconds: answers.seconds, results }
}

/// A curve of accuracy against diversity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// How the lists were re-ranked.
    pub objective: Arm,
    /// λ is multiplied with the model's diversity score of the user.
    pub personal: bool,
    /// One point a λ.
    pub points: Vec<ParetoPoint>,
}

impl Curve {
    /// What tells it from the model's other curves.
    pub fn name(&self, model: &str) -> String {
        let personal = if self.personal { ", personal λ" } else { "" };
        format!("{model}+{}{personal}", self.objective.suffix())
    }
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParetoPoint {
    /// λ, or λ_max where it is personal.
    pub lambda: f32,
    /// HR@10.
    pub hr: f64,
    /// NDCG@10.
    pub ndcg: f64,
    /// ILD@10.
    pub ild: f64,
}

/// The curve over these values of λ; `personal` multiplies each with the model's diversity score.
pub fn pareto(
    split: &Split,
    tail: &[bool],
    answers: &PerCase,
    lambdas: &[f32],
    arm: Arm,
    personal: bool,
) -> Curve {
    let point = |&lambda: &f32| {
        let kind = if personal { Lambda::Personal { most: lambda } } else { Lambda::Fixed(lambda) };
        let table = UserTable::new(&split.data, tail, &rerank(split, answers, arm, kind));
        let mean = |measure: &str| {
            table.column(&format!("{measure}@{LIST}")).map_or(f64::NAN, |column| table.mean(column))
        };
        ParetoPoint { lambda, hr: mean("HR"), ndcg: mean("NDCG"), ild: mean("ILD") }
    };
    Curve { objective: arm, personal, points: lambdas.iter().map(point).collect() }
}

/// The greatest ILD@10 that a curve reaches at this NDCG@10 or a higher one, linear between its
/// points; none where it does not reach it. It compares models at equal accuracy.
pub fn ild_at_ndcg(curve: &[ParetoPoint], ndcg: f64) -> Option<f64> {
    let points = curve.iter().filter(|point| point.ndcg >= ndcg).map(|point| point.ild);
    let crossings = curve.windows(2).filter_map(|two| {
        let (high, low) = if two[0].ndcg >= two[1].ndcg { (two[0], two[1]) } else { (two[1], two[0]) };
        (high.ndcg > ndcg && ndcg > low.ndcg)
            .then(|| low.ild + (high.ild - low.ild) * (ndcg - low.ndcg) / (high.ndcg - low.ndcg))
    });
    points.chain(crossings).reduce(f64::max)
}

/// The point with the greatest ILD@10 among those whose NDCG@10 is at least (1 − `loss`) times the
/// first point's; to be asked of a curve on validation cases. None of an empty curve.
pub fn select_lambda(curve: &[ParetoPoint], loss: f64) -> Option<ParetoPoint> {
    let least = curve.first()?.ndcg * (1.0 - loss);
    let fit = curve.iter().copied().filter(|point| point.ndcg >= least);
    fit.reduce(|best, next| if next.ild > best.ild { next } else { best })
}
