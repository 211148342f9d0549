//! Re-ranking a list of candidates for diversity.

/// An item that may be shown, and how well it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The item.
    pub item: u32,
    /// Its score, higher is better, on any scale. Not NaN.
    pub relevance: f32,
}

/// Maximal marginal relevance (Carbonell and Goldstein, 1998; seed, "re-ranking"): the first `k`
/// candidates' indices, best first.
///
/// The first pick is the most relevant. Each next one has the greatest
/// (1 − λ)·relevance + λ·min over the picked j of (1 − sim(i, j)), with relevance scaled linearly to
/// 0 … 1 over the candidates. Ties go to the smaller item. `similarity` takes two items and gives 0
/// to 1. λ is clamped to 0 … 1; at 0 the order is that of relevance.
///
/// Costs n·k similarities for n candidates.
///
/// ```
/// use hmisr_model::rerank::{Candidate, mmr};
///
/// let candidate = |item, relevance| Candidate { item, relevance };
/// let candidates = [candidate(1, 3.0), candidate(2, 2.9), candidate(10, 2.0)];
/// let same_tens = |one: u32, other: u32| if one / 10 == other / 10 { 1.0 } else { 0.0 };
/// assert_eq!(mmr(&candidates, 0.0, 3, same_tens), [0, 1, 2]);
/// assert_eq!(mmr(&candidates, 0.5, 3, same_tens), [0, 2, 1]);
/// ```
pub fn mmr(
    candidates: &[Candidate],
    lambda: f32,
    k: usize,
    mut similarity: impl FnMut(u32, u32) -> f32,
) -> Vec<usize> {
    let lambda = lambda.clamp(0.0, 1.0);
    let relevance = scaled(candidates);
    // Before the first pick the distance is the same for all, so relevance decides.
    let mut distance = vec![0.0_f32; candidates.len()];
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut picked: Vec<usize> = Vec::with_capacity(k.min(candidates.len()));
    while picked.len() < k && !left.is_empty() {
        let first = picked.is_empty();
        let value = |at: usize| {
            if first { relevance[at] } else { (1.0 - lambda) * relevance[at] + lambda * distance[at] }
        };
        let mut best = 0;
        for next in 1..left.len() {
            let (one, other) = (left[next], left[best]);
            let by_value = value(one).total_cmp(&value(other));
            if by_value.is_gt() || by_value.is_eq() && candidates[one].item < candidates[other].item {
                best = next;
            }
        }
        let pick = left.swap_remove(best);
        for &at in &left {
            let apart = 1.0 - similarity(candidates[at].item, candidates[pick].item);
            distance[at] = if first { apart } else { distance[at].min(apart) };
        }
        picked.push(pick);
    }
    picked
}

/// Relevance from 0, the least, to 1, the greatest; 1 for all where all are alike.
fn scaled(candidates: &[Candidate]) -> Vec<f32> {
    let all = || candidates.iter().map(|candidate| candidate.relevance);
    let (least, greatest) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
    let range = greatest - least;
    all().map(|relevance| if range > 0.0 { (relevance - least) / range } else { 1.0 }).collect()
}
