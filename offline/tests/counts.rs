//! Counts, weighed: what says something of the next item gets a weight, and what says nothing gets none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;

use crate::common::dataset;
use hmisr_offline::rank::{Counts, Popularity};
use hmisr_offline::{EvaluateOptions, Protocol, Query, Result, Scorer, Split, evaluate};

/// The share of the test cases whose target is among the first `places`.
fn hits(split: &Split, model: &mut dyn Scorer, places: f64) -> f64 {
    let answers = evaluate(split, &split.test, model, EvaluateOptions::default(), |_, _| {}).unwrap();
    let hits = answers.results.iter().filter(|result| result.rank.is_some_and(|rank| rank <= places)).count();
    hits as f64 / answers.results.len() as f64
}

fn weights(counts: &Counts<'_>) -> BTreeMap<String, f32> {
    counts.weights().collect()
}

/// Thirty users who each walk twelve steps of a circle of twenty items, which are all alike.
fn circle(time: impl Fn(u32, u32) -> i64) -> Split {
    let users: Vec<Vec<(u32, i64)>> =
        (0..30).map(|user| (0..12).map(|at| ((user * 7 + at) % 20, time(user, at))).collect()).collect();
    Split::new(Protocol::O1, dataset(&users, &[&[0][..]; 20])).unwrap()
}

#[test]
fn what_comes_next_is_known_by_transitions() {
    let split = circle(|user, at| i64::from(user + 100 * at));
    let mut counts = Counts::fit(&split);
    let found = weights(&counts);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "categories",
        "neighbours",
        "popularity",
        "transitions-100",
        "transitions-20",
        "transitions-5",
        "trend",
    ];
    assert_eq!(names, expected, "seen items are no candidates");
    assert_eq!(found["categories"], 0.0, "all items have the same: {found:?}");
    assert!(found["transitions-5"] > 0.5, "{found:?}");
    let (own, popular) = (hits(&split, &mut counts, 1.0), hits(&split, &mut Popularity::fit(&split), 1.0));
    assert!(own > 0.9 && popular < 0.5, "{own} {popular}");
}

#[test]
fn what_comes_again_is_known_by_the_users_own() {
    // Each user comes back to three of thirty items, in no order.
    let mut state = 1_u64;
    let mut below = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let users: Vec<Vec<(u32, i64)>> = (0..60_i64)
        .map(|user| {
            let three: Vec<u32> = (0..3).map(|_| below(30) as u32).collect();
            (0..20).map(|at| (three[below(3) as usize], user + 100 * at)).collect()
        })
        .collect();
    let mut data = dataset(&users, &[&[0][..]; 30]);
    data.repeats = true;
    let split = Split::new(Protocol::O1, data).unwrap();
    let mut counts = Counts::fit(&split);
    assert!(weights(&counts)["own"] > 0.1, "{:?}", weights(&counts));
    let own = hits(&split, &mut counts, 3.0);
    assert!(own > 0.9 && hits(&split, &mut Popularity::fit(&split), 3.0) < 0.5, "{own}");
}

#[test]
fn where_all_happens_at_once_the_same_comes_out_twice() {
    let split = circle(|_, _| 7);
    let ask = || {
        let queries: Vec<_> = split.test.iter().map(|&case| split.query(case)).collect();
        Counts::fit(&split).score(&queries).unwrap()
    };
    let scores = ask();
    assert!(scores == ask() && !scores.iter().any(|score| score.is_nan()));
    assert!(hits(&split, &mut Counts::fit(&split), 1.0) > 0.9);
}

/// A network that is sure of the sum of the newest two items, or of nothing.
struct Adds {
    sure: f32,
}

impl Scorer for Adds {
    fn name(&self) -> &str {
        "adds"
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; queries.len() * 29];
        for (row, query) in scores.chunks_exact_mut(29).zip(queries) {
            if let [.., before, newest] = query.history {
                row[((before.item + newest.item) % 29) as usize] = self.sure;
            }
        }
        Ok(scores)
    }
}

#[test]
fn what_a_network_knows_beside_counts_gets_its_weight() {
    // Each item is the sum of the two before, which no pair of items tells.
    let users: Vec<Vec<(u32, i64)>> = (0..80_u32)
        .map(|user| {
            let mut items = vec![user % 29, (user * user + 3) % 29];
            (0..12).for_each(|_| items.push((items[items.len() - 1] + items[items.len() - 2]) % 29));
            items.into_iter().zip(0..).map(|(item, at)| (item, i64::from(user) + 100 * at)).collect()
        })
        .collect();
    let split = Split::new(Protocol::O1, dataset(&users, &[&[0][..]; 29])).unwrap();
    let alone = hits(&split, &mut Counts::fit(&split), 1.0);
    let mut beside = Counts::beside(&split, Box::new(Adds { sure: 5.0 })).unwrap();
    assert_eq!(beside.name(), "adds+counts");
    let found = weights(&beside);
    assert!(found["network"] > 0.5, "{found:?}");
    let together = hits(&split, &mut beside, 1.0);
    // A quarter of the targets was seen before, and is no candidate.
    assert!(together > 0.7 && alone < 0.1, "{together} {alone}");
    let beside = Counts::beside(&split, Box::new(Adds { sure: 0.0 })).unwrap();
    let mut found = weights(&beside);
    assert_eq!(found.remove("network"), Some(0.0), "it says nothing");
    assert_eq!(found, weights(&Counts::fit(&split)));
}
