//! Confidence by resampling users.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::UserTable;

/// Resamples of the users.
pub const RESAMPLES: usize = 2_000;

/// A difference between two models on the same cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Mean of the first minus mean of the second.
    pub difference: f64,
    /// The 95 % percentile interval of the difference.
    pub ci95: [f64; 2],
    /// Two-sided: twice the smaller share of resamples on one side of 0, at least 1 / (resamples + 1).
    pub p: f64,
}

/// The 95 % percentile interval of the mean over all cases of every measure, `[measures]`.
///
/// Users are drawn with replacement, each with all of the user's cases, so cases of one user are not
/// taken for independent.
pub fn interval(table: &UserTable, seed: u64) -> Vec<[f64; 2]> {
    let means = resample(table, seed);
    (0..table.measures.len())
        .map(|column| percentiles(means.iter().map(|row| row[column]).collect()))
        .collect()
}

/// The paired bootstrap: both models' values of a drawn user enter together.
///
/// None where the tables are not of the same users and cases.
pub fn paired(one: &UserTable, other: &UserTable, column: usize, seed: u64) -> Option<Paired> {
    if one.users != other.users || one.cases != other.cases || one.measures != other.measures {
        return None;
    }
    let mut difference = one.clone();
    difference.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum -= other);
    let width = difference.measures.len();
    let single = UserTable {
        measures: vec![difference.measures[column].clone()],
        users: difference.users.clone(),
        cases: difference.cases.clone(),
        sums: difference.sums.chunks_exact(width).map(|row| row[column]).collect(),
    };
    let differences: Vec<f64> = resample(&single, seed).into_iter().map(|row| row[0]).collect();
    let below = differences.iter().filter(|&&value| value <= 0.0).count();
    let above = differences.iter().filter(|&&value| value >= 0.0).count();
    let p = 2.0 * (below.min(above) + 1) as f64 / (RESAMPLES + 1) as f64;
    Some(Paired { difference: single.mean(0), ci95: percentiles(differences), p: p.min(1.0) })
}

/// The means of every measure in each resample, `[resamples][measures]`.
fn resample(table: &UserTable, seed: u64) -> Vec<Vec<f64>> {
    let (users, width) = (table.users.len(), table.measures.len());
    (0..RESAMPLES as u64)
        .into_par_iter()
        .map(|resample| {
            // A stream of its own each: the same numbers on any number of threads.
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(resample);
            let (mut sums, mut cases) = (vec![0.0; width], 0.0);
            for _ in 0..users {
                let user = rng.random_range(0..users);
                cases += table.cases[user];
                let row = &table.sums[user * width..(user + 1) * width];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            sums.iter_mut().for_each(|sum| *sum /= cases);
            sums
        })
        .collect()
}

/// The 2.5th and 97.5th percentiles.
fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [at(0.025), at(0.975)]
}
