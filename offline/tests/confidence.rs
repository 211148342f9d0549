//! Intervals and comparisons by resampling users.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use hmisr_offline::measures::{UserTable, interval, paired};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One measure of users with one case each.
fn table(values: Vec<f64>) -> UserTable {
    UserTable {
        measures: vec!["x".to_owned()],
        users: (0..values.len() as u32).collect(),
        cases: vec![1.0; values.len()],
        sums: values,
    }
}

fn coins(users: usize, chance: f64, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..users).map(|_| f64::from(u8::from(rng.random_range(0.0..1.0) < chance))).collect()
}

#[test]
fn the_interval_is_that_of_the_normal_approximation() {
    let table = table(coins(2_000, 0.2, 3));
    let [low, high] = interval(&table, 1)[0];
    let mean = table.mean(0);
    let expected = 1.96 * (mean * (1.0 - mean) / 2_000.0).sqrt();
    assert!(((high - low) / 2.0 - expected).abs() < 0.1 * expected, "{low} {mean} {high}");
    assert!(low < mean && mean < high);
}

#[test]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    let held = (0..200).filter(|&seed| {
        let [low, high] = interval(&table(coins(200, 0.3, 100 + seed)), seed)[0];
        (low..=high).contains(&0.3)
    });
    // 95 % of 200 with a standard deviation of 3.1; the percentile method holds a little less.
    let held = held.count();
    assert!((178..=199).contains(&held), "{held} of 200");
}

#[test]
fn cases_of_one_user_are_not_independent() {
    let once = table(coins(300, 0.4, 5));
    let often = UserTable {
        cases: vec![9.0; 300],
        sums: once.sums.iter().map(|x| 9.0 * x).collect(),
        ..once.clone()
    };
    let (one, nine) = (interval(&once, 1)[0], interval(&often, 1)[0]);
    assert!(one.iter().zip(nine).all(|(a, b)| (a - b).abs() < 1e-12), "{one:?} {nine:?}");
}

#[test]
fn a_seed_gives_the_same_interval() {
    let table = table(coins(100, 0.5, 7));
    assert_eq!(interval(&table, 4), interval(&table, 4));
    assert_ne!(interval(&table, 4), interval(&table, 5));
}

#[test]
fn a_model_equals_itself() {
    let one = table(coins(100, 0.5, 7));
    let same = paired(&one, &one, 0, 1).unwrap();
    assert_eq!((same.difference, same.ci95, same.p), (0.0, [0.0, 0.0], 1.0));
}

#[test]
fn pairing_finds_what_two_intervals_hide() {
    // Users differ much, the models by little but always in one direction.
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let users: Vec<f64> = (0..400).map(|_| rng.random_range(0.0..1.0)).collect();
    let one = table(users.iter().map(|x| x + 0.01 + 0.002 * (x - 0.5)).collect());
    let other = table(users);
    let (a, b) = (interval(&one, 1)[0], interval(&other, 1)[0]);
    assert!(a[0] < b[1], "the intervals overlap");
    let found = paired(&one, &other, 0, 1).unwrap();
    assert!(found.p < 0.001 + 2.0 / 2_001.0 && found.ci95[0] > 0.0, "{found:?}");
    assert!((found.difference - 0.01).abs() < 1e-3);
    let back = paired(&other, &one, 0, 1).unwrap();
    assert!(back.difference < 0.0 && (back.p - found.p).abs() < 1e-12);
}

#[test]
fn chance_is_rarely_taken_for_a_difference() {
    let found = (0..100).filter(|&seed| {
        let (one, other) = (table(coins(200, 0.3, 1_000 + seed)), table(coins(200, 0.3, 5_000 + seed)));
        paired(&one, &other, 0, seed).unwrap().p < 0.05
    });
    let found = found.count();
    assert!(found <= 14, "{found} of 100 at the 5 % level");
}

#[test]
fn tables_of_other_cases_are_not_compared() {
    let one = table(vec![1.0, 2.0]);
    let other = UserTable { users: vec![0, 2], ..one.clone() };
    assert_eq!(paired(&one, &other, 0, 1), None);
    assert_eq!(UserTable::average(&[one.clone(), other]), None);
    assert_eq!(UserTable::average(&[]), None);
    let mean = UserTable::average(&[one, table(vec![3.0, 0.0])]).unwrap();
    assert_eq!(mean.sums, [2.0, 1.0]);
}
