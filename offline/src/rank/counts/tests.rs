//! Counts by hand.

use super::*;
use crate::data::{Dataset, Event};
use crate::split::Protocol;

/// Of users' items and times, leave one out: of three events or more the last two are held out.
fn split(users: &[&[(u32, i64)]], categories: &[&[u32]]) -> Split {
    let events =
        |events: &&[(u32, i64)]| events.iter().map(|&(item, ts_ms)| Event::new(item, ts_ms)).collect();
    let data = Dataset {
        name: "small".to_owned(),
        users: (0..users.len() as u32).map(Into::into).collect(),
        items: (0..categories.len() as u32).map(Into::into).collect(),
        actions: vec!["click".to_owned()],
        events: users.iter().map(events).collect(),
        item_categories: categories.iter().map(|all| all.to_vec()).collect(),
        categories: (0..3).map(|category| format!("c{category}")).collect(),
        repeats: false,
        notes: Default::default(),
        reading: Default::default(),
    };
    Split::new(Protocol::O1, data).unwrap()
}

/// Learnt are 0, 1, 2 of the first user and 0, 3 of the second; item 4 is cold.
const TIMED: [&[(u32, i64)]; 2] = [&[(0, 1), (1, 2), (2, 3), (3, 5), (4, 6)], &[(0, 2), (3, 4)]];
const AT_ONCE: [&[(u32, i64)]; 2] = [&[(0, 7), (1, 7), (2, 7), (3, 7), (4, 7)], &[(0, 7), (3, 7)]];
const CATEGORIES: [&[u32]; 5] = [&[0], &[0, 1], &[1], &[2], &[2]];

/// Candidates, and the share p of each, recovered from φ.
fn shares(split: &Split, source: Source, history: &[u32]) -> (Vec<u32>, Vec<f64>) {
    let history: Vec<Event> = history.iter().map(|&item| Event::new(item, 7)).collect();
    let query = Query { user: 0, history: &history, now_ms: 8 };
    let sources = Sources::count(split);
    let candidates = sources.candidates(&query);
    let epsilon = 0.01 / 4.0;
    let shares = sources.values(source, &query, &candidates).map(|value| f64::from(value).exp_m1() * epsilon);
    let shares = shares.collect();
    (candidates, shares)
}

fn check(found: (Vec<u32>, Vec<f64>), candidates: &[u32], said: &[f64]) {
    let total: f64 = said.iter().sum();
    let expected: Vec<f64> = said.iter().map(|said| said / total).collect();
    let near = found.1.iter().zip(&expected).all(|(one, other)| (one - other).abs() < 1e-5);
    assert!(found.0 == candidates && found.1.len() == expected.len() && near, "{found:?} {expected:?}");
}

#[test]
fn popularity_and_trend() {
    let timed = split(&TIMED, &CATEGORIES);
    check(shares(&timed, Source::Popularity, &[1]), &[0, 2, 3], &[2.0, 1.0, 1.0]);
    // Half as much an event: four came after the first of item 0, two after the second, one after item 2.
    check(shares(&timed, Source::Trend, &[1]), &[0, 2, 3], &[0.0625 + 0.25, 0.5, 1.0]);
    let at_once = split(&AT_ONCE, &CATEGORIES);
    check(shares(&at_once, Source::Trend, &[1]), &[0, 2, 3], &[2.0, 1.0, 1.0]);
}

#[test]
fn transitions() {
    let at_once = split(&AT_ONCE, &CATEGORIES);
    // A gap of two has .8^4 in the nearest window.
    check(shares(&at_once, Source::Transitions(0), &[0]), &[1, 2, 3], &[1.0, 0.4096, 1.0]);
    // Item 0 came twice, item 1 once.
    let (twice, once) = (7.0_f64.sqrt(), 6.0_f64.sqrt());
    let two = 0.4096 / twice + 0.4096 / once;
    check(shares(&at_once, Source::Transitions(0), &[1, 0]), &[2, 3], &[two, 1.0 / twice]);
    // Nothing came after item 2, and nothing is known of item 4.
    for last in [2, 4] {
        assert!(shares(&at_once, Source::Transitions(2), &[last]).1.iter().all(|&share| share == 0.0));
    }
    // By age, half as much after two and a half events: item 1 is two old, item 2 one.
    let timed = split(&TIMED, &CATEGORIES);
    let said = [(-0.8_f64).exp2(), 0.4096 * (-0.4_f64).exp2(), 1.0];
    check(shares(&timed, Source::Transitions(0), &[0]), &[1, 2, 3], &said);
}

#[test]
fn a_window_ends() {
    let walk: Vec<(u32, i64)> = (0..9).map(|item| (item, 7)).collect();
    let split = split(&[&walk], &[&[0][..]; 9]);
    let history = [Event::new(0, 7)];
    let query = Query { user: 0, history: &history, now_ms: 8 };
    let sources = Sources::count(&split);
    let candidates = sources.candidates(&query);
    assert_eq!(candidates, [1, 2, 3, 4, 5, 6]);
    let values = |at| sources.values(Source::Transitions(at), &query, &candidates).collect::<Vec<f32>>();
    assert!(values(0)[4] > 0.0 && values(0)[5] == 0.0, "five events");
    let odds = f64::from(values(1)[5]).exp_m1() / f64::from(values(1)[0]).exp_m1();
    assert!((odds - 0.32768).abs() < 1e-5, ".8^5: {odds}");
}

#[test]
fn neighbours_and_categories() {
    let timed = split(&TIMED, &CATEGORIES);
    check(shares(&timed, Source::Neighbours, &[0]), &[1, 2, 3], &[1.0, 1.0, 1.0]);
    // Of those who have item 1 or item 0 half have both; items 1 and 2 are had by the same.
    check(shares(&timed, Source::Neighbours, &[1]), &[0, 2, 3], &[0.5_f64.sqrt(), 1.0, 0.0]);
    // Category 2 was item 3's once.
    check(shares(&timed, Source::Categories, &[4]), &[0, 1, 2, 3], &[0.0, 0.0, 0.0, 1.0]);
    let mut all = timed.clone();
    all.filter_seen = false;
    // Category 0 has 2.5 events and of the history .5 and .98; category 1 has 1.5, and .5.
    let (first, second) = (1.48 / 2.5, 0.5 / 1.5);
    let said = [first, (first + second) / 2.0, second, 0.0];
    check(shares(&all, Source::Categories, &[0, 1]), &[0, 1, 2, 3], &said);
    check(shares(&all, Source::Own, &[0, 1, 0]), &[0, 1, 2, 3], &[1.0 + 0.9604, 0.98, 0.0, 0.0]);
    let names = |split: &Split| Sources::count(split).all().into_iter().map(Source::name).collect::<Vec<_>>();
    assert!(names(&all).contains(&"own".to_owned()) && !names(&timed).contains(&"own".to_owned()));
}

#[test]
fn what_is_held_out_is_not_counted() {
    let later: [&[(u32, i64)]; 2] = [&[(0, 1), (1, 2), (2, 3), (1, 8), (0, 9)], TIMED[1]];
    let (one, other) = (split(&TIMED, &CATEGORIES), split(&later, &CATEGORIES));
    for source in Sources::count(&one).all() {
        assert_eq!(shares(&one, source, &[0, 1]), shares(&other, source, &[0, 1]), "{source:?}");
    }
}

#[test]
fn one_user_and_one_item() {
    let mut split = split(&[&[(0, 7), (1, 7), (1, 7)]], &[&[0], &[0]]);
    for filter_seen in [true, false] {
        split.filter_seen = filter_seen;
        let mut counts = Counts::fit(&split);
        let weights: Vec<f32> = counts.weights().map(|(_, weight)| weight).collect();
        assert!(weights.iter().all(|&weight| weight == 1.0 / weights.len() as f32), "{weights:?}");
        let scores = counts.score(&[split.query(split.test[0])]).unwrap();
        // The only item that was learnt is seen; the other one is unknown.
        assert_eq!(scores[1], f32::NEG_INFINITY);
        assert!(if filter_seen { scores[0] == f32::NEG_INFINITY } else { scores[0] > 0.0 }, "{scores:?}");
    }
}
