//! Re-ranking a list of candidates for diversity.

use serde::{Deserialize, Serialize};

/// Candidates that a list is picked from, the best by relevance.
pub const POOL: usize = 100;

/// An item that may be shown, and how well it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The item.
    pub item: u32,
    /// Its score, higher is better, on any scale. Not NaN.
    pub relevance: f32,
}

/// What a list is built for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998; design, section 3.6.4 "Re-ranking"):
    /// relevance scaled linearly to 0 … 1 over the candidates, and the distance from the most similar item
    /// picked.
    Mmr,
    /// The same relevance, and the mean distance from all that are picked: the greedy search of max-sum
    /// diversification (Gollapudi and Sharma, WWW 2009). It raises what intra-list diversity measures, the
    /// mean over pairs, for less relevance.
    MaxSum,
    /// Max-sum diversification with the probability of an item among the candidates for relevance: scores
    /// are log-likelihoods up to a constant, as those of networks that learn by cross-entropy. A linear
    /// scale takes as much from a user whose choice is foreseen as from one who may take anything; and between
    /// the hundredth item and the tenth it sees a loss where next to none is expected. It gives the most
    /// diverse lists at equal accuracy on MovieLens-1M, by the distance of categories (docs/results).
    #[default]
    Likely,
}

impl Objective {
    /// What is weighed against the distance, for each of the candidates.
    pub fn relevance(self, candidates: &[Candidate]) -> Vec<f32> {
        match self {
            Self::Mmr | Self::MaxSum => scaled(candidates),
            Self::Likely => likely(candidates),
        }
    }
}

/// An item as likely as this is as relevant as one that has nothing in common with those picked is distant.
const CERTAIN: f32 = 0.1;

/// Re-ranks for diversity: the first `k` candidates' indices, best first.
///
/// The first pick is the most relevant. Each next one has the greatest
/// (1 − λ)·relevance + λ·distance, with the distance of one pair 1 − sim(i, j). Ties go to the greater score,
/// then to the smaller item. `similarity` takes two items and gives 0 to 1. λ is clamped to 0 … 1; at 0 the order is that of
/// relevance.
///
/// Costs n·k similarities for n candidates.
///
/// ```
/// use hmisr_recommend::rerank::{Candidate, Objective, rerank};
///
/// let candidate = |item, relevance| Candidate { item, relevance };
/// let candidates = [candidate(1, 3.0), candidate(2, 2.9), candidate(10, 2.0)];
/// let same_tens = |one: u32, other: u32| if one / 10 == other / 10 { 1.0 } else { 0.0 };
/// assert_eq!(rerank(&candidates, 0.0, 3, Objective::Mmr, same_tens), [0, 1, 2]);
/// assert_eq!(rerank(&candidates, 0.5, 3, Objective::Mmr, same_tens), [0, 2, 1]);
/// ```
pub fn rerank(
    candidates: &[Candidate],
    lambda: f32,
    k: usize,
    objective: Objective,
    mut similarity: impl FnMut(u32, u32) -> f32,
) -> Vec<usize> {
    let lambda = lambda.clamp(0.0, 1.0);
    let relevance = objective.relevance(candidates);
    let nearest = objective == Objective::Mmr;
    // Before the first pick the distance is the same for all, so relevance decides.
    // The least, or the sum.
    let mut distance = vec![0.0_f32; candidates.len()];
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut picked: Vec<usize> = Vec::with_capacity(k.min(candidates.len()));
    while picked.len() < k && !left.is_empty() {
        let first = picked.is_empty();
        let divisor = if nearest { 1.0 } else { picked.len() as f32 };
        let value = |at: usize| match first {
            true => relevance[at],
            false => (1.0 - lambda) * relevance[at] + lambda * (distance[at] / divisor),
        };
        let mut best = 0;
        for next in 1..left.len() {
            let (one, other) = (left[next], left[best]);
            let by_value = value(one).total_cmp(&value(other));
            let by_score = || candidates[one].relevance.total_cmp(&candidates[other].relevance);
            let by_item = || candidates[other].item.cmp(&candidates[one].item);
            if by_value.then_with(by_score).then_with(by_item).is_gt() {
                best = next;
            }
        }
        let pick = left.swap_remove(best);
        for &at in &left {
            let apart = 1.0 - similarity(candidates[at].item, candidates[pick].item);
            distance[at] = match nearest {
                true if !first => distance[at].min(apart),
                true => apart,
                false => distance[at] + apart,
            };
        }
        picked.push(pick);
    }
    picked
}

fn range(candidates: &[Candidate]) -> (f32, f32) {
    let all = || candidates.iter().map(|candidate| candidate.relevance);
    (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max))
}

/// Relevance from 0, the least, to 1, the greatest; 1 for all where all are alike.
fn scaled(candidates: &[Candidate]) -> Vec<f32> {
    let (least, greatest) = range(candidates);
    let range = greatest - least;
    let scale = |relevance: f32| if range > 0.0 { (relevance - least) / range } else { 1.0 };
    candidates.iter().map(|candidate| scale(candidate.relevance)).collect()
}

/// The probability of each among the candidates, in units of [`CERTAIN`].
fn likely(candidates: &[Candidate]) -> Vec<f32> {
    let (_, greatest) = range(candidates);
    let odds: Vec<f32> = candidates.iter().map(|candidate| (candidate.relevance - greatest).exp()).collect();
    let all: f32 = odds.iter().sum();
    odds.iter().map(|odds| odds / (all * CERTAIN)).collect()
}
