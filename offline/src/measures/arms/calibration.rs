//! Calibrated recommendations (Steck, RecSys 2018): a list has the categories in the shares of the user's history.
//!
//! A list is as good as (1 − λ)·Σ relevance − λ·KL(p ‖ q̃), with p the shares in the history, q those in the list and
//! q̃ = (1 − α)q + αp, so that a category that the list lacks costs much, but not all (equations 2 to 6).

use super::best;
use crate::data::Dataset;

/// α.
const SMOOTHING: f64 = 0.01;
/// Places that are filled so; the others keep their order.
const PLACES: usize = 20;

/// Shares of the categories among items, by ascending category.
pub(super) fn shares(data: &Dataset, items: impl Iterator<Item = u32>) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> = items.flat_map(|item| data.category_weights(item)).collect();
    all.sort_by_key(|(category, _)| *category);
    let total: f64 = all.iter().map(|(_, weight)| weight).sum();
    all.chunk_by(|one, other| one.0 == other.0)
        .map(|group| (group[0].0, group.iter().map(|(_, weight)| weight).sum::<f64>() / total))
        .collect()
}

/// The order of all items, of which `weights` gives the categories; `wanted` are the user's shares.
pub(super) fn calibrated<I: Iterator<Item = (u32, f64)>>(
    relevance: &[f64],
    lambda: f64,
    wanted: &[(u32, f64)],
    weights: impl Fn(usize) -> I,
) -> Vec<usize> {
    let mut left: Vec<usize> = (0..relevance.len()).collect();
    left.sort_by(|one, other| relevance[*other].total_cmp(&relevance[*one]));
    // Each item's part of each wanted category.
    let place = |category: u32| wanted.binary_search_by_key(&category, |(wanted, _)| *wanted).ok();
    let parts: Vec<Vec<(usize, f64)>> = (0..relevance.len())
        .map(|at| weights(at).filter_map(|(category, weight)| Some((place(category)?, weight))).collect())
        .collect();
    let mut held = vec![0.0; wanted.len()];
    let mut picked = Vec::with_capacity(relevance.len());
    while picked.len() < PLACES && lambda > 0.0 && !wanted.is_empty() {
        let count = (picked.len() + 1) as f64;
        let cost = |place: usize, held: f64| {
            let share = wanted[place].1;
            let shown = (1.0 - SMOOTHING) * held / count + SMOOTHING * share;
            share * (share / shown).ln()
        };
        // Of the list with one item more, but for the item's own categories.
        let before: f64 = held.iter().enumerate().map(|(place, held)| cost(place, *held)).sum();
        let divergence = |at: usize| {
            let own = parts[at]
                .iter()
                .map(|(place, part)| cost(*place, held[*place] + part) - cost(*place, held[*place]));
            before + own.sum::<f64>()
        };
        let value = |at: usize| (1.0 - lambda) * relevance[at] - lambda * divergence(at);
        let Some(place) = best(&left, value) else { break };
        let pick = left.remove(place);
        parts[pick].iter().for_each(|(place, part)| held[*place] += part);
        picked.push(pick);
    }
    picked.extend(left);
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(relevance: &[f64], lambda: f64, wanted: &[(u32, f64)], of: &[u32]) -> Vec<usize> {
        calibrated(relevance, lambda, wanted, |at| std::iter::once((of[at], 1.0)))
    }

    #[test]
    fn a_list_has_the_users_shares() {
        let relevance: Vec<f64> = (0..12).map(|at| -f64::from(at) / 100.0).collect();
        // Eight of one category, then four of another, which the user wants half of the time.
        let of: Vec<u32> = (0..12).map(|at| if at < 8 { 3 } else { 7 }).collect();
        let wanted = [(3, 0.5), (7, 0.5)];
        assert_eq!(order(&relevance, 0.0, &wanted, &of), (0..12).collect::<Vec<usize>>());
        let half = order(&relevance, 0.9, &wanted, &of);
        assert_eq!(half[..6].iter().filter(|at| of[**at] == 7).count(), 3, "{half:?}");
        // What the user never chose is no part of it, nor what nobody is known to want.
        let one = order(&relevance, 0.9, &[(7, 1.0)], &of);
        assert_eq!(one[..4], [8, 9, 10, 11]);
        assert_eq!(order(&relevance, 0.9, &[], &of), (0..12).collect::<Vec<usize>>());
    }

    #[test]
    fn each_pick_has_the_least_divergence() {
        let wanted = [(0, 0.6), (1, 0.3), (2, 0.1)];
        let of = [2, 1, 0, 0, 1, 2, 0, 0];
        let found = order(&[0.0; 8], 1.0, &wanted, &of);
        let divergence = |list: &[usize]| -> f64 {
            let share = |category: u32| {
                list.iter().filter(|at| of[**at] == category).count() as f64 / list.len() as f64
            };
            wanted.iter().map(|(category, p)| p * (p / (0.99 * share(*category) + 0.01 * p)).ln()).sum()
        };
        for k in 0..6 {
            let with = |next: usize| divergence(&[&found[..k], &[next]].concat());
            let others = (0..8).filter(|at| !found[..=k].contains(at));
            others.for_each(|other| assert!(with(found[k]) <= with(other) + 1e-12, "{k} {found:?}"));
        }
    }
}
