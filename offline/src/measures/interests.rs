//! Whether related interests stay related and distinct ones distinct.

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Event};
use crate::evaluate::PerCase;
use crate::rank::Interests;

/// The categories that an interest is about, the greatest share first: as few as hold at least half
/// of its mass, at most `most`.
///
/// `weights` are those of the last `weights.len()` events of the history, oldest first; each event
/// gives its weight to its categories in equal parts. Where all weights are zero there is none.
pub fn dominant_categories(data: &Dataset, history: &[Event], weights: &[f32], most: usize) -> Vec<u32> {
    let events = &history[history.len().saturating_sub(weights.len())..];
    let weights = &weights[weights.len() - events.len()..];
    let mut mass = vec![0.0_f64; data.categories.len()];
    for (event, &weight) in events.iter().zip(weights) {
        for (category, share) in data.category_weights(event.item) {
            mass[category as usize] += f64::from(weight) * share;
        }
    }
    let total: f64 = mass.iter().sum();
    let mut order: Vec<u32> = (0..mass.len() as u32).filter(|&at| mass[at as usize] > 0.0).collect();
    order.sort_by(|&one, &other| mass[other as usize].total_cmp(&mass[one as usize]).then(one.cmp(&other)));
    let mut held = 0.0;
    let enough = order.iter().position(|&category| {
        held += mass[category as usize];
        held >= 0.5 * total
    });
    order.truncate(enough.map_or(0, |at| at + 1).min(most));
    order
}

/// Cosines between the interests of users, summed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RelatedSums {
    /// Sum over the pairs whose dominant categories overlap.
    pub related: f64,
    /// Those pairs.
    pub related_pairs: u32,
    /// Sum over the pairs whose dominant categories do not overlap.
    pub distinct: f64,
    /// Those pairs.
    pub distinct_pairs: u32,
}

impl RelatedSums {
    /// The pairs of one user; interests without a dominant category are left out.
    pub fn of(interests: &Interests) -> Self {
        let mut sums = Self::default();
        let known: Vec<_> = interests.vectors.iter().zip(&interests.dominant).collect();
        let known: Vec<_> = known.into_iter().filter(|(_, dominant)| !dominant.is_empty()).collect();
        for (at, (one, one_dominant)) in known.iter().enumerate() {
            for (other, other_dominant) in &known[..at] {
                let cosine = cosine(one, other);
                if one_dominant.iter().any(|category| other_dominant.contains(category)) {
                    sums.related += cosine;
                    sums.related_pairs += 1;
                } else {
                    sums.distinct += cosine;
                    sums.distinct_pairs += 1;
                }
            }
        }
        sums
    }
}

/// Mean cosines over all users' pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RelatedSimilarity {
    /// Mean over pairs whose dominant categories overlap.
    pub related: Option<f64>,
    /// Pairs of that kind.
    pub related_pairs: u64,
    /// Mean over pairs whose dominant categories do not overlap.
    pub distinct: Option<f64>,
    /// Pairs of that kind.
    pub distinct_pairs: u64,
}

/// The mean similarities of all cases; none where the model gave no interests.
pub fn related_similarity(answers: &PerCase) -> Option<RelatedSimilarity> {
    let sums: Vec<RelatedSums> = answers.results.iter().filter_map(|result| result.related).collect();
    let mean = |sum: f64, pairs: u64| (pairs > 0).then(|| sum / pairs as f64);
    let related_pairs = sums.iter().map(|sums| u64::from(sums.related_pairs)).sum();
    let distinct_pairs = sums.iter().map(|sums| u64::from(sums.distinct_pairs)).sum();
    (!sums.is_empty()).then(|| RelatedSimilarity {
        related: mean(sums.iter().map(|sums| sums.related).sum(), related_pairs),
        related_pairs,
        distinct: mean(sums.iter().map(|sums| sums.distinct).sum(), distinct_pairs),
        distinct_pairs,
    })
}

/// 0 where one vector is zero.
fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let norms = (dot(one, one) * dot(other, other)).sqrt();
    if norms > 0.0 { dot(one, other) / norms } else { 0.0 }
}
