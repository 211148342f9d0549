//! How the lists of all cases use the catalogue.

use crate::split::Split;

/// How often each of `items` items stands in the first `k` of the lists.
pub fn exposure<'a>(lists: impl Iterator<Item = &'a [(u32, f32)]>, items: usize, k: usize) -> Vec<u64> {
    let mut counts = vec![0; items];
    lists.flat_map(|list| list.iter().take(k)).for_each(|&(item, _)| counts[item as usize] += 1);
    counts
}

/// Share of the catalogue that stands in at least one list.
pub fn coverage(exposure: &[u64]) -> f64 {
    exposure.iter().filter(|&&count| count > 0).count() as f64 / exposure.len().max(1) as f64
}

/// Gini coefficient of the exposure over the whole catalogue: Σᵢⱼ |xᵢ − xⱼ| / (2 n² μ), 0 where all
/// items are shown alike, towards 1 where one gets everything. 0 where nothing was shown.
pub fn gini(exposure: &[u64]) -> f64 {
    let mut sorted = exposure.to_vec();
    sorted.sort_unstable();
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<u64>() as f64);
    if total == 0.0 {
        return 0.0;
    }
    let ranked = sorted.iter().zip(1..).map(|(&x, i)| (2.0 * f64::from(i) - n - 1.0) * x as f64);
    ranked.sum::<f64>() / (n * total)
}

/// Which items are long-tail: all but the head, the fewest items, most frequent first, that hold at
/// least `head_share` of the training events. Of items of one count either all or none are head.
pub fn long_tail(split: &Split, head_share: f64) -> Vec<bool> {
    let counts = split.train_counts();
    let mut sorted = counts.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    let wanted = counts.iter().sum::<u64>() as f64 * head_share;
    let mut held = 0;
    let least_of_head = sorted.into_iter().find(|count| {
        held += count;
        held as f64 >= wanted
    });
    counts.into_iter().map(|count| least_of_head.is_none_or(|least| count < least)).collect()
}
