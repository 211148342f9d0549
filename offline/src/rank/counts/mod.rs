//! Counting alone: what a network must bring more than.
//!
//! A score is z_y = Σ_s w_s φ_s(y) over up to eight [`Source`]s, each of which counts something else in the
//! training part. φ_s(y) = ln(1 + p_s(y)/ε), with p_s(y) the item's share of what the source says of all candidates
//! and ε a hundredth of an even share: a logarithm that is 0 where a source says nothing. The weights, none below
//! 0, are those under which the softmax of z over the candidates gives validation's targets the greatest
//! likelihood. The counts are those of the training part, whoever is asked about and whenever.

mod log;
mod neighbours;
mod rows;
mod sources;
#[cfg(test)]
mod tests;
mod transitions;

use rayon::prelude::*;

use self::sources::{Source, Sources};
use super::{Query, Scorer};
use crate::error::Result;
use crate::split::{Case, Split};
use hmisr_recommend::counts::likelihood::{Example, fit};

/// Validation cases that the weights are fitted to, at most, evenly spaced.
const CASES: usize = 1_000;
/// As many of them at least, however large the catalogue.
const LEAST_CASES: usize = 32;
/// Cases that a network is asked about at once.
const BLOCK: usize = 64;
/// What their values may take in memory otherwise: 4 bytes a case, source and candidate.
const VALUE_BYTES: usize = 256 << 20;

/// Scores an item by a weighted sum of what counts say of it: popularity, trend, what came after the last visits
/// within 5, 20 and 100 events, what users have who have the same, the user's categories and, where items may come
/// again, the user's own; and, where there is one, what a network says.
///
/// Memory: 8 bytes an entry of a row, for pairs that occur. An item has three rows of transitions: whole ones on up
/// to 4,096 items, and at most 2²⁴ / items entries each on more, but 1,024 from 16,384 items on. It has one row
/// more, of up to 200 neighbours. So an item takes 100 kB at most among 4,096 items, and 27 kB among a million.
pub struct Counts<'a> {
    name: String,
    sources: Sources,
    network: Option<Network<'a>>,
    weights: Vec<(Source, f32)>,
}

/// A network whose scores, log-likelihoods up to a constant, are one source more.
struct Network<'a> {
    scorer: Box<dyn Scorer + 'a>,
    weight: f32,
}

impl Counts<'static> {
    /// Counts the training part and weighs its sources by the validation cases whose target is a candidate.
    pub fn fit(split: &Split) -> Self {
        let sources = Sources::count(split);
        let all = sources.all();
        let cases = cases(split, all.len());
        let examples: Vec<Example> =
            cases.par_iter().filter_map(|&case| example(&sources, &all, split, case, None)).collect();
        let weights = fit(&examples, all.len());
        Self {
            name: "counts".to_owned(),
            sources,
            network: None,
            weights: all.into_iter().zip(weights).collect(),
        }
    }
}

impl<'a> Counts<'a> {
    /// The same beside a network that was fitted to the training part: all are weighed together.
    ///
    /// # Errors
    /// The network's.
    pub fn beside(split: &Split, mut network: Box<dyn Scorer + 'a>) -> Result<Self> {
        let sources = Sources::count(split);
        let all = sources.all();
        let mut examples = Vec::new();
        for cases in cases(split, all.len() + 1).chunks(BLOCK) {
            let queries: Vec<Query<'_>> = cases.iter().map(|&case| split.query(case)).collect();
            let scores = network.score(&queries)?;
            let told = cases.par_iter().zip(scores.par_chunks_exact(sources.items()));
            examples.par_extend(
                told.filter_map(|(&case, scores)| example(&sources, &all, split, case, Some(scores))),
            );
        }
        let mut weights = fit(&examples, all.len() + 1);
        let weight = weights.pop().unwrap_or(0.0);
        let name = format!("{}+counts", network.name());
        let network = Some(Network { scorer: network, weight });
        Ok(Self { name, sources, network, weights: all.into_iter().zip(weights).collect() })
    }

    /// The sources by name with their weights; one of weight 0 is not read.
    pub fn weights(&self) -> impl Iterator<Item = (String, f32)> {
        let network = self.network.iter().map(|network| ("network".to_owned(), network.weight));
        self.weights.iter().map(|(source, weight)| (source.name(), *weight)).chain(network)
    }
}

impl std::fmt::Debug for Counts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts")
            .field("name", &self.name)
            .field("weights", &self.weights)
            .finish_non_exhaustive()
    }
}

/// The validation cases that weights of so many sources are fitted to.
fn cases(split: &Split, sources: usize) -> Vec<Case> {
    let asked: Vec<Case> = split.validation.iter().copied().filter(|&case| may_hit(split, case)).collect();
    let bytes = 4 * sources * split.data.items.len();
    let most = (VALUE_BYTES / bytes).clamp(LEAST_CASES, CASES);
    let every = asked.len().div_ceil(most).max(1);
    asked.into_iter().step_by(every).collect()
}

/// Whether a model of the training part's items can be right.
fn may_hit(split: &Split, case: Case) -> bool {
    let (query, target) = (split.query(case), split.target(case).item);
    let seen = || query.history.iter().any(|event| event.item == target);
    !(split.is_cold(target) || split.filter_seen && seen())
}

/// What each source says of each candidate of a case, and last a network that scores all items; none where the
/// target is no candidate.
fn example(
    sources: &Sources,
    all: &[Source],
    split: &Split,
    case: Case,
    told: Option<&[f32]>,
) -> Option<Example> {
    let query = split.query(case);
    let candidates = sources.candidates(&query);
    let target = candidates.binary_search(&split.target(case).item).ok()?;
    let mut values: Vec<f32> =
        all.iter().flat_map(|&source| sources.values(source, &query, &candidates)).collect();
    if let Some(told) = told {
        values.extend(candidates.iter().map(|&item| told[item as usize]));
    }
    Some(Example { values, target, stands_for: 1.0 })
}

/// Scores `[items]`, all minus infinity, get those of the candidates; `told` is a network's with its weight.
fn put_scores(
    sources: &Sources,
    weights: &[(Source, f32)],
    told: Option<(&[f32], f32)>,
    query: &Query<'_>,
    scores: &mut [f32],
) {
    let candidates = sources.candidates(query);
    for &item in &candidates {
        scores[item as usize] = told.map_or(0.0, |(told, weight)| weight * told[item as usize]);
    }
    for &(source, weight) in weights.iter().filter(|(_, weight)| *weight > 0.0) {
        let values = sources.values(source, query, &candidates);
        candidates.iter().zip(values).for_each(|(&item, value)| scores[item as usize] += weight * value);
    }
}

impl Scorer for Counts<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let Self { sources, weights, network, .. } = self;
        let items = sources.items();
        let told = match network {
            Some(Network { scorer, weight }) if *weight > 0.0 => Some((scorer.score(queries)?, *weight)),
            _ => None,
        };
        let told = |nth: usize| {
            let row = nth * items..(nth + 1) * items;
            told.as_ref().map(|(all, weight)| (&all[row], *weight))
        };
        let mut scores = vec![f32::NEG_INFINITY; queries.len() * items];
        let rows = scores.par_chunks_exact_mut(items).zip(queries).enumerate();
        rows.for_each(|(nth, (row, query))| put_scores(sources, weights, told(nth), query, row));
        Ok(scores)
    }

    fn gives_likelihoods(&self) -> bool {
        true
    }
}
