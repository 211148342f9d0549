//! What is asked lies after what is learnt, and nothing of it is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::dataset;
use hmisr_offline::rank::{Counts, Markov, Popularity, Trinity};
use hmisr_offline::split::FUTURE_EVENTS;
use hmisr_offline::{Case, Dataset, Protocol, Query, Scorer, Split};
use proptest::prelude::*;

type Fit<'a> = &'a dyn Fn(&Split) -> Box<dyn Scorer>;

fn users() -> impl Strategy<Value = Vec<Vec<(u32, i64)>>> {
    let events = prop::collection::vec((0_u32..12, 0_i64..200), 0..40);
    let sorted = |mut events: Vec<(u32, i64)>| {
        events.sort_by_key(|event| event.1);
        events
    };
    prop::collection::vec(events.prop_map(sorted), 4..12)
}

fn small(users: &[Vec<(u32, i64)>]) -> Dataset {
    let categories: Vec<[u32; 1]> = (0..12).map(|item| [item % 3]).collect();
    let slices: Vec<&[u32]> = categories.iter().map(|one| &one[..]).collect();
    dataset(users, &slices)
}

proptest! {
    #[test]
    fn leave_one_out(users in users()) {
        let Ok(split) = Split::new(Protocol::O1, small(&users)) else { return Ok(()) };
        for (user, events) in users.iter().enumerate() {
            let of = |cases: &[Case]| -> Vec<u32> {
                cases.iter().filter(|case| case.user as usize == user).map(|case| case.at).collect()
            };
            let n = events.len() as u32;
            let train = split.train(user as u32).len() as u32;
            if n < 3 {
                prop_assert_eq!((train, of(&split.test), of(&split.validation)), (n, vec![], vec![]));
            } else {
                prop_assert_eq!((train, of(&split.test), of(&split.validation)), (n - 2, vec![n - 1], vec![n - 2]));
            }
        }
    }

    #[test]
    fn temporal(users in users()) {
        let Ok(split) = Split::new(Protocol::O2, small(&users)) else { return Ok(()) };
        let [validation, test] = split.thresholds_ms.unwrap();
        prop_assert!(validation < test);
        let times: Vec<i64> = users.iter().flatten().map(|event| event.1).collect();
        let before = times.iter().filter(|&&ts| ts < test).count();
        let up_to = times.iter().filter(|&&ts| ts <= test).count();
        prop_assert!(before as f64 <= 0.9 * times.len() as f64 && up_to as f64 > 0.9 * times.len() as f64);
        prop_assert!(split.training().flat_map(|(_, events)| events).all(|event| event.ts_ms < validation));
        let learnt = split.training().map(|(_, events)| events.len()).sum::<usize>();
        prop_assert_eq!(learnt, times.iter().filter(|&&ts| ts < validation).count());
        for &case in &split.validation {
            prop_assert!((validation..test).contains(&split.target(case).ts_ms));
        }
        for (user, events) in users.iter().enumerate() {
            let held: Vec<u32> = (0..events.len() as u32).filter(|&at| events[at as usize].1 >= test).collect();
            let of = |cases: &[Case]| -> Vec<u32> {
                cases.iter().filter(|case| case.user as usize == user).map(|case| case.at).collect()
            };
            let asked: Vec<u32> = held.iter().copied().filter(|&at| at > 0).collect();
            prop_assert_eq!(of(&split.successive), asked.clone());
            let last: Vec<u32> = asked.last().copied().into_iter().collect();
            prop_assert_eq!(of(&split.test), last);
            let first = asked.first().copied().filter(|_| asked.len() >= FUTURE_EVENTS);
            prop_assert_eq!(of(&split.adaptation), first.into_iter().collect::<Vec<_>>());
        }
        let lonely = users.iter().filter(|events| events.len() == 1 && events[0].1 >= test).count();
        prop_assert_eq!(split.without_history, lonely);
    }

    /// Whatever comes after the training part, and whatever the target is: the scores stay the same bit
    /// for bit.
    #[test]
    fn models_know_nothing_of_what_comes_later(users in users(), other in 0_u32..12) {
        for protocol in [Protocol::O1, Protocol::O2] {
            let Ok(split) = Split::new(protocol, small(&users)) else { continue };
            let mut changed = users.clone();
            for (user, events) in changed.iter_mut().enumerate() {
                let learnt = split.train(user as u32).len();
                events[learnt..].iter_mut().for_each(|event| event.0 = (event.0 + other) % 12);
            }
            let Ok(after) = Split::new(protocol, small(&changed)) else { continue };
            let ask = |split: &Split, scorer: Fit<'_>| {
                let mut scorer = scorer(split);
                let training: Vec<Query<'_>> = split
                    .training()
                    .map(|(user, history)| Query { user, history, now_ms: 0 })
                    .collect();
                let scores = scorer.score(&training).unwrap();
                scores.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let scorers: [Fit<'_>; 3] = [
                &|split| Box::new(Popularity::fit(split)),
                &|split| Box::new(Markov::fit(split)),
                &|split| Box::new(Trinity::fit(split, Default::default())),
            ];
            for scorer in scorers {
                prop_assert_eq!(ask(&split, scorer), ask(&after, scorer));
            }
            for (&case, &same) in split.test.iter().zip(&after.test) {
                prop_assert_eq!(split.query(case).history.len(), after.query(same).history.len());
                prop_assert_eq!(split.query(case).now_ms, split.target(case).ts_ms);
            }
        }
    }

    /// Counts are weighed by validation too; what comes after it changes no score.
    #[test]
    fn counts_know_nothing_of_what_is_tested(users in users(), other in 0_u32..12) {
        for protocol in [Protocol::O1, Protocol::O2] {
            let Ok(split) = Split::new(protocol, small(&users)) else { continue };
            let mut changed = users.clone();
            for (user, events) in changed.iter_mut().enumerate() {
                let kept = match split.thresholds_ms {
                    Some([_, test]) => events.partition_point(|event| event.1 < test),
                    None => split.train(user as u32).len() + 1,
                };
                events.iter_mut().skip(kept).for_each(|event| event.0 = (event.0 + other) % 12);
            }
            let Ok(after) = Split::new(protocol, small(&changed)) else { continue };
            let ask = |split: &Split| {
                let training: Vec<Query<'_>> = split
                    .training()
                    .map(|(user, history)| Query { user, history, now_ms: 0 })
                    .collect();
                let scores = Counts::fit(split).score(&training).unwrap();
                scores.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            prop_assert_eq!(ask(&split), ask(&after));
        }
    }
}

#[test]
fn cold_items_are_those_outside_of_the_training_part() {
    let split = Split::new(Protocol::O1, dataset(&[vec![(0, 1), (1, 2), (2, 3)]], &[&[0], &[0], &[0], &[0]]))
        .unwrap();
    assert_eq!([0, 1, 2, 3].map(|item| split.is_cold(item)), [false, true, true, true]);
    assert_eq!(split.cold_share(&split.test), 1.0);
    assert_eq!(split.train_counts(), [1, 0, 0, 0]);
}

/// What was shown, skipped or given back stands in histories, and nobody is asked for it.
#[test]
fn what_was_not_chosen_is_not_asked_for() {
    let times: Vec<(u32, i64)> = (0..12).map(|item| (item, i64::from(item) * 10)).collect();
    let mut data = small(&[times.clone(), times]);
    data.actions = ["click", "impression", "dislike"].map(str::to_owned).to_vec();
    for (at, action, weight) in [(11, 1, None), (9, 0, Some(-2.0)), (8, 0, Some(0.0)), (6, 2, None)] {
        (data.events[0][at].action, data.events[0][at].weight) = (action, weight);
    }
    let of = |cases: &[Case], user: u32| -> Vec<u32> {
        cases.iter().filter(|case| case.user == user).map(|case| case.at).collect()
    };
    let split = Split::new(Protocol::O1, data.clone()).unwrap();
    assert_eq!((of(&split.validation, 0), of(&split.test, 0)), (vec![7], vec![10]));
    assert_eq!((of(&split.validation, 1), of(&split.test, 1)), (vec![10], vec![11]));
    assert_eq!(split.query(split.test[0]).history.len(), 10);
    // Held out are items 10 and 11 of both, before them 9 of both for validation.
    let split = Split::new(Protocol::O2, data).unwrap();
    assert_eq!(
        (of(&split.validation, 0), of(&split.test, 0), of(&split.successive, 0)),
        (vec![], vec![10], vec![10])
    );
    assert_eq!(
        (of(&split.validation, 1), of(&split.test, 1), of(&split.successive, 1)),
        (vec![9], vec![11], vec![10, 11])
    );
}
