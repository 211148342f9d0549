//! Asking a model about every case, and keeping its answers.

mod stored;

use std::collections::BTreeMap;
use std::time::Instant;

use hmisr_recommend::rerank::POOL;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::measures::RelatedSums;
use crate::rank::{Query, Scorer, rank};
use crate::split::{Case, CaseSet, Split};

/// The scores of a batch take at most this many bytes.
const SCORE_BYTES: usize = 64 << 20;

/// How a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Candidates that are kept of each case: the list, and what a re-ranking chooses from, as a server does.
    pub depth: usize,
    /// Queries in one call of the model, at most; fewer where the catalogue is large.
    pub batch: usize,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { depth: POOL, batch: 256 }
    }
}

/// A model's answer to one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// The target's rank from 1, ties by average; none, a miss, where the target is cold or left
    /// out as seen.
    pub rank: Option<f64>,
    /// The best candidates with their scores, best first.
    pub top: Vec<(u32, f32)>,
    /// The model's diversity score of the user.
    pub diversity: Option<f32>,
    /// Similarities between the interests that the model sees in the user.
    pub related: Option<RelatedSums>,
}

/// A model's answers to all cases: enough for every measure, without the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerCase {
    /// The model.
    pub model: String,
    /// Whether its scores are log-likelihoods up to a constant.
    pub likelihoods: bool,
    /// Wall time of the evaluation.
    pub seconds: f64,
    /// The answers, in the order of the cases.
    #[serde(skip)]
    pub results: Vec<CaseResult>,
}

/// The answers of a model with a seed to a set of cases, as they are stored and reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// The set.
    pub set: CaseSet,
    /// The seed that the model was fitted with.
    pub seed: u64,
    /// [`Split::fingerprint`] of the split that was asked about.
    pub split: String,
    /// Wall time of fitting the model.
    pub fit_seconds: f64,
    /// Its trainable parameters.
    pub parameters: Option<usize>,
    /// What its sources weigh, where it is a sum of some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, f32>,
    /// The answers.
    #[serde(flatten)]
    pub per_case: PerCase,
}

/// Asks the model about each case and ranks the whole catalogue.
///
/// Items of the history are no candidates where [`Split::filter_seen`] says so. `progress` gets the
/// cases done and the cases in all.
///
/// # Errors
/// The model's, and [`Error::Scores`] where it gives NaN or a wrong number of scores.
pub fn evaluate(
    split: &Split,
    cases: &[Case],
    model: &mut dyn Scorer,
    options: EvaluateOptions,
    mut progress: impl FnMut(usize, usize),
) -> Result<PerCase> {
    let begun = Instant::now();
    let items = split.data.items.len();
    let batch = (SCORE_BYTES / (4 * items)).clamp(1, options.batch.max(1));
    let name = model.name().to_owned();
    let mut results = Vec::with_capacity(cases.len());
    for cases_now in cases.chunks(batch) {
        let queries: Vec<Query<'_>> = cases_now.iter().map(|&case| split.query(case)).collect();
        let scores = model.score(&queries)?;
        let expected = queries.len() * items;
        if scores.len() != expected {
            let problem = format!("{} scores, expected {expected} (queries × items)", scores.len());
            return Err(Error::Scores { model: name, problem });
        }
        let diversity = model.diversity(&queries)?;
        let interests = model.interests(&queries)?;
        let found: Vec<Result<CaseResult>> = (0..queries.len())
            .into_par_iter()
            .map(|at| {
                let case = cases_now[at];
                let scores = &scores[at * items..(at + 1) * items];
                if scores.iter().any(|score| score.is_nan()) {
                    let user = &split.data.users[case.user as usize];
                    let problem = format!("a score of user {user}, event {}, is NaN", case.at);
                    return Err(Error::Scores { model: name.clone(), problem });
                }
                let mut excluded = vec![false; items];
                if split.filter_seen {
                    queries[at].history.iter().for_each(|event| excluded[event.item as usize] = true);
                }
                let target = split.target(case).item;
                let ranked = rank(scores, &excluded, target, options.depth);
                Ok(CaseResult {
                    case,
                    rank: ranked.rank.filter(|_| !split.is_cold(target)),
                    top: ranked.top,
                    diversity: diversity.as_ref().and_then(|all| all.get(at)).copied(),
                    related: interests.as_ref().and_then(|all| all.get(at)).map(RelatedSums::of),
                })
            })
            .collect();
        // Of several errors the first case's, whichever thread came first.
        for result in found {
            results.push(result?);
        }
        progress(results.len(), cases.len());
    }
    Ok(PerCase {
        model: name,
        likelihoods: model.gives_likelihoods(),
        seconds: begun.elapsed().as_secs_f64(),
        results,
    })
}
