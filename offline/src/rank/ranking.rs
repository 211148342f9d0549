//! From scores to a rank and a list.

use std::cmp::Ordering;

/// The answer of a model to one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The target's rank from 1, the mean of the ranks that its ties share; none where the target
    /// is no candidate.
    pub rank: Option<f64>,
    /// The best candidates, best first, ties by item; with their scores.
    pub top: Vec<(u32, f32)>,
}

/// Ranks all items but the `excluded` ones; `scores` `[items]` holds no NaN.
///
/// Items that the model scored minus infinity do not enter the list, but they count in the rank,
/// below all others.
pub fn rank(scores: &[f32], excluded: &[bool], target: u32, depth: usize) -> Ranked {
    let own = scores[target as usize];
    let (mut above, mut equal) = (0_usize, 0_usize);
    let mut candidates = Vec::with_capacity(scores.len());
    for (item, (&score, &excluded)) in scores.iter().zip(excluded).enumerate() {
        if excluded {
            continue;
        }
        above += usize::from(score > own);
        equal += usize::from(score == own);
        if score > f32::NEG_INFINITY {
            candidates.push((item as u32, score));
        }
    }
    let rank = (!excluded[target as usize]).then(|| above as f64 + (equal as f64 + 1.0) / 2.0);
    let better = |one: &(u32, f32), other: &(u32, f32)| -> Ordering {
        other.1.total_cmp(&one.1).then(one.0.cmp(&other.0))
    };
    if depth == 0 {
        candidates.clear();
    } else if candidates.len() > depth {
        candidates.select_nth_unstable_by(depth - 1, better);
        candidates.truncate(depth);
    }
    candidates.sort_unstable_by(better);
    // The room for the whole catalogue would be kept for every case.
    candidates.shrink_to_fit();
    Ranked { rank, top: candidates }
}
