//! Counting alone: what a network must bring more than.
//!
//! A score is z_y = Σ_s w_s φ_s(y) over up to eight [`Source`]s, each of which counts something else in the
//! training part. φ_s(y) = ln(1 + p_s(y)/ε), with p_s(y) the item's share of what the source says of all candidates
//! and ε a hundredth of an even share: a logarithm that is 0 where a source says nothing. The weights, none below
//! 0, are those under which the softmax of z over the candidates gives validation's targets the greatest
//! likelihood. The counts are those of the training part, whoever is asked about and whenever.

mod likelihood;
mod log;
mod neighbours;
mod rows;
mod sources;
#[cfg(test)]
mod tests;
mod transitions;

use rayon::prelude::*;

use self::likelihood::{Example, fit};
use self::sources::{Source, Sources};
use super::{Query, Scorer};
use crate::error::Result;
use crate::split::{Case, Split};

/// Validation cases that the weights are fitted to, at most, evenly spaced.
const CASES: usize = 1_000;
/// As many of them at least, however large the catalogue.
const LEAST_CASES: usize = 32;
/// What their values may take in memory otherwise: 4 bytes a case, source and candidate.
const VALUE_BYTES: usize = 256 << 20;

/// Scores an item by a weighted sum of what counts say of it: popularity, trend, what came after the last visits
/// within 5, 20 and 100 events, what users have who have the same, the user's categories and, where items may come
/// again, the user's own.
///
/// Memory: 8 bytes an entry of a row, for pairs that occur. An item has three rows of transitions: whole ones on up
/// to 4,096 items, and at most 2²⁴ / items entries each on more, but 1,024 from 16,384 items on. It has one row
/// more, of up to 200 neighbours. So an item takes 100 kB at most among 4,096 items, and 27 kB among a million.
#[derive(Debug, Clone)]
pub struct Counts {
    sources: Sources,
    weights: Vec<(Source, f32)>,
}

impl Counts {
    /// Counts the training part and weighs its sources by the validation cases whose target is a candidate.
    pub fn fit(split: &Split) -> Self {
        let sources = Sources::count(split);
        let all = sources.all();
        let asked: Vec<Case> =
            split.validation.iter().copied().filter(|&case| may_hit(split, case)).collect();
        let bytes = 4 * all.len() * split.data.items.len();
        let most = (VALUE_BYTES / bytes).clamp(LEAST_CASES, CASES);
        let examples: Vec<Example> = asked
            .par_iter()
            .step_by(asked.len().div_ceil(most).max(1))
            .filter_map(|&case| example(&sources, &all, split, case))
            .collect();
        let weights = fit(&examples, all.len());
        Self { sources, weights: all.into_iter().zip(weights).collect() }
    }

    /// The sources by name with their weights; one of weight 0 is not read.
    pub fn weights(&self) -> impl Iterator<Item = (String, f32)> {
        self.weights.iter().map(|(source, weight)| (source.name(), *weight))
    }

    /// Scores `[items]`, all minus infinity, get those of the candidates.
    fn put_scores(&self, query: &Query<'_>, scores: &mut [f32]) {
        let candidates = self.sources.candidates(query);
        candidates.iter().for_each(|&item| scores[item as usize] = 0.0);
        for &(source, weight) in self.weights.iter().filter(|(_, weight)| *weight > 0.0) {
            let values = self.sources.values(source, query, &candidates);
            candidates.iter().zip(values).for_each(|(&item, value)| scores[item as usize] += weight * value);
        }
    }
}

/// Whether a model of the training part's items can be right.
fn may_hit(split: &Split, case: Case) -> bool {
    let (query, target) = (split.query(case), split.target(case).item);
    let seen = || query.history.iter().any(|event| event.item == target);
    !(split.is_cold(target) || split.filter_seen && seen())
}

/// What each source says of each candidate of a case; none where the target is no candidate.
fn example(sources: &Sources, all: &[Source], split: &Split, case: Case) -> Option<Example> {
    let query = split.query(case);
    let candidates = sources.candidates(&query);
    let target = candidates.binary_search(&split.target(case).item).ok()?;
    let values = all.iter().flat_map(|&source| sources.values(source, &query, &candidates)).collect();
    Some(Example { values, target })
}

impl Scorer for Counts {
    fn name(&self) -> &str {
        "counts"
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let items = self.sources.items();
        let mut scores = vec![f32::NEG_INFINITY; queries.len() * items];
        let rows = scores.par_chunks_exact_mut(items).zip(queries);
        rows.for_each(|(row, query)| self.put_scores(query, row));
        Ok(scores)
    }

    fn gives_likelihoods(&self) -> bool {
        true
    }
}
