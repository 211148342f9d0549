//! Clusters of items that are used together.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::split::Split;

/// Neighbours on each side of an event that count as used together.
const WINDOW: usize = 5;
/// Length of the projected co-occurrence vectors.
const DIMENSIONS: usize = 64;
const ROUNDS: usize = 20;

/// A cluster for each item, 0 to `clusters` − 1, by spherical k-means over co-occurrence vectors.
///
/// An item's row of co-occurrence counts x is damped to x / √(n_i n_j), which keeps popular
/// neighbours from deciding alone, and projected by random signs. Items that never occur in the
/// training part are spread over the clusters by their index.
pub(super) fn clusters(split: &Split, clusters: usize, seed: u64) -> Vec<u32> {
    let vectors = vectors(split, seed);
    let items = split.data.items.len();
    let clusters = clusters.clamp(1, items);
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1));
    let mut centres: Vec<Vec<f32>> =
        (0..clusters).map(|_| vectors[rng.random_range(0..items)].clone()).collect();
    let mut assigned: Vec<u32> = (0..items).map(|item| (item % clusters) as u32).collect();
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (item, vector) in vectors.iter().enumerate().filter(|(item, _)| !split.is_cold(*item as u32)) {
            let nearest = (0..clusters)
                .map(|cluster| (dot(vector, &centres[cluster]), cluster))
                .fold((f32::NEG_INFINITY, 0), |best, next| if next.0 > best.0 { next } else { best })
                .1 as u32;
            changed |= assigned[item] != nearest;
            assigned[item] = nearest;
        }
        if !changed {
            break;
        }
        let mut sums = vec![vec![0.0; DIMENSIONS]; clusters];
        for (item, vector) in vectors.iter().enumerate().filter(|(item, _)| !split.is_cold(*item as u32)) {
            sums[assigned[item] as usize].iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        for (centre, sum) in centres.iter_mut().zip(sums) {
            // An empty cluster starts again at some item.
            let empty = sum.iter().all(|&x| x == 0.0);
            *centre = if empty { vectors[rng.random_range(0..items)].clone() } else { unit(sum) };
        }
    }
    assigned
}

fn vectors(split: &Split, seed: u64) -> Vec<Vec<f32>> {
    let items = split.data.items.len();
    let counts = split.train_counts();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let signs: Vec<u64> = (0..items).map(|_| rng.random()).collect();
    let mut vectors = vec![vec![0.0_f32; DIMENSIONS]; items];
    for (_, events) in split.training() {
        for (at, event) in events.iter().enumerate() {
            let item = event.item as usize;
            let from = at.saturating_sub(WINDOW);
            let to = (at + WINDOW + 1).min(events.len());
            for other in events[from..to].iter().map(|other| other.item as usize).filter(|&o| o != item) {
                let weight = 1.0 / ((counts[item] * counts[other]) as f32).sqrt();
                for (bit, x) in vectors[item].iter_mut().enumerate() {
                    *x += if signs[other] >> bit & 1 == 1 { weight } else { -weight };
                }
            }
        }
    }
    vectors.into_iter().map(unit).collect()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = dot(&vector, &vector).sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
    vector
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}
