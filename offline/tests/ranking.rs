//! A rank is what sorting gives, ties share their mean, nothing but candidates is listed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::dataset;
use hmisr_offline::rank::rank;
use hmisr_offline::{EvaluateOptions, Protocol, Query, Result, Scorer, Split, evaluate};
use proptest::prelude::*;

proptest! {
    #[test]
    fn as_sorting(
        scored in prop::collection::vec((prop_oneof![Just(f32::NEG_INFINITY), (-3_i8..3).prop_map(f32::from)], any::<bool>()), 1..40),
        target in any::<prop::sample::Index>(),
        depth in 0_usize..12,
    ) {
        let (scores, excluded): (Vec<f32>, Vec<bool>) = scored.iter().copied().unzip();
        let target = target.index(scores.len());
        let mut order: Vec<usize> = (0..scores.len()).filter(|&item| !excluded[item]).collect();
        order.sort_by(|&one, &other| scores[other].partial_cmp(&scores[one]).unwrap());
        let places: Vec<usize> =
            (1..=order.len()).filter(|&place| scores[order[place - 1]] == scores[target]).collect();
        let expected = (!excluded[target]).then(|| places.iter().sum::<usize>() as f64 / places.len() as f64);
        let found = rank(&scores, &excluded, target as u32, depth);
        prop_assert_eq!(found.rank, expected);
        let listed: Vec<(u32, f32)> = order
            .into_iter()
            .map(|item| (item as u32, scores[item]))
            .filter(|(_, score)| *score > f32::NEG_INFINITY)
            .take(depth)
            .collect();
        prop_assert_eq!(found.top, listed, "a stable sort leaves ties in the order of the items");
    }
}

/// Scores that a test decides.
struct Fixed(Vec<f32>);

impl Scorer for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        Ok(self.0.repeat(queries.len()))
    }
}

fn split() -> Split {
    // Item 3 is cold and user 1's target; item 4 is in no event before the test.
    let users = [vec![(0, 1), (1, 2), (2, 3), (0, 4)], vec![(2, 1), (1, 2), (0, 3), (3, 4)]];
    Split::new(Protocol::O1, dataset(&users, &[&[0], &[0], &[0], &[0], &[0]])).unwrap()
}

#[test]
fn seen_items_are_no_candidates_unless_they_may_repeat() {
    let mut split = split();
    let ask = |split: &Split| {
        evaluate(
            split,
            &split.test,
            &mut Fixed(vec![5.0, 4.0, 3.0, 2.0, 1.0]),
            EvaluateOptions::default(),
            |_, _| {},
        )
        .unwrap()
        .results
    };
    let found = ask(&split);
    assert_eq!(found[0].rank, None, "the target was seen");
    assert_eq!(found[0].top, [(3, 2.0), (4, 1.0)]);
    split.filter_seen = false;
    let found = ask(&split);
    assert_eq!((found[0].rank, found[0].top.len()), (Some(1.0), 5));
    assert_eq!(found[1].rank, None, "a cold target is a miss, however it was scored");
}

#[test]
fn a_model_that_gives_no_numbers_is_refused() {
    let split = split();
    let ask = |scores: Vec<f32>| {
        let error = evaluate(&split, &split.test, &mut Fixed(scores), EvaluateOptions::default(), |_, _| {});
        error.unwrap_err().to_string()
    };
    let text = ask(vec![0.0, f32::NAN, 0.0, 0.0, 0.0]);
    assert!(text.contains("model fixed: a score of user 0, event 3, is NaN"), "{text}");
    assert!(ask(vec![0.0; 4]).contains("8 scores, expected 10 (queries × items)"));
}

#[test]
fn batches_do_not_matter() {
    let split = split();
    let ask = |batch| {
        let mut done = Vec::new();
        let options = EvaluateOptions { batch, ..Default::default() };
        let found = evaluate(&split, &split.test, &mut Fixed(vec![1.0; 5]), options, |now, all| {
            done.push((now, all))
        });
        (found.unwrap().results, done)
    };
    assert_eq!(ask(1).0, ask(2).0);
    assert_eq!((ask(1).1, ask(0).1, ask(2).1), (vec![(1, 2), (2, 2)], vec![(1, 2), (2, 2)], vec![(2, 2)]));
}

#[test]
fn a_list_takes_no_room_for_the_catalogue() {
    let found = rank(&[0.0; 10_000], &[false; 10_000], 0, 10);
    assert_eq!(found.top.len(), 10);
    assert!(found.top.capacity() < 100, "answers to all cases are kept: {}", found.top.capacity());
}
