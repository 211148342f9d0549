//! Accuracy of one ranking with one relevant item; `rank` counts from 1, none is a miss.
//!
//! With one relevant item recall is the hit rate.

/// HR@k: 1 where the target is among the first k.
pub fn hit(rank: Option<f64>, k: usize) -> f64 {
    gain(rank, k, |_| 1.0)
}

/// NDCG@k: 1 / log₂(rank + 1) within the first k. The ideal ranking has 1.
pub fn ndcg(rank: Option<f64>, k: usize) -> f64 {
    gain(rank, k, |rank| 1.0 / (rank + 1.0).log2())
}

/// MRR@k: 1 / rank within the first k.
pub fn reciprocal_rank(rank: Option<f64>, k: usize) -> f64 {
    gain(rank, k, |rank| 1.0 / rank)
}

fn gain(rank: Option<f64>, k: usize, gain: impl Fn(f64) -> f64) -> f64 {
    rank.filter(|&rank| rank <= k as f64).map_or(0.0, gain)
}
