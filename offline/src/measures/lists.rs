//! Diversity of one list.

use crate::data::Dataset;
use crate::split::entropy;

/// ILD@k: the mean of 1 − cos over all pairs of the first k items' fractional category vectors; 0
/// of fewer than two items.
pub fn intra_list_diversity(data: &Dataset, list: &[(u32, f32)], k: usize) -> f64 {
    let list = &list[..list.len().min(k)];
    let mut sum = 0.0;
    for (at, one) in list.iter().enumerate() {
        for other in &list[..at] {
            sum += 1.0 - data.category_cosine(one.0, other.0);
        }
    }
    let pairs = list.len() * list.len().saturating_sub(1) / 2;
    if pairs == 0 { 0.0 } else { sum / pairs as f64 }
}

/// Entropy of the first k items' fractional category shares over ln min(C, k), at most 1.
pub fn list_entropy(data: &Dataset, list: &[(u32, f32)], k: usize) -> f64 {
    let greatest = (data.categories.len().min(k).max(2) as f64).ln();
    let items = list.iter().take(k).map(|&(item, _)| item);
    (entropy(data, items) / greatest).min(1.0)
}

/// Share of long-tail items among the first k.
pub fn tail_share(tail: &[bool], list: &[(u32, f32)], k: usize) -> f64 {
    let list = &list[..list.len().min(k)];
    list.iter().filter(|(item, _)| tail[*item as usize]).count() as f64 / list.len().max(1) as f64
}
