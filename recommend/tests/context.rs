//! Candidates, categories and reasons: what a request may ask beside a user's best items.
#![allow(clippy::unwrap_used)]

use hmisr_features::Id;
use hmisr_recommend::{Event, Known, Lambda, MOST, Origin, Recommendation, Recommender, Request};

use crate::common::{ITEMS, version};

fn recommender() -> Recommender {
    let root = tempfile::tempdir().unwrap();
    version(root.path(), 1);
    Recommender::load(root.path(), None).unwrap()
}

fn history() -> Vec<Event> {
    (0..9u32).map(|n| Event::new(Id::from(n), i64::from(n) * 1_000)).collect()
}

fn known(history: &[Event]) -> Known<'_> {
    Known { history, ..Known::default() }
}

fn ids(some: &[u32]) -> Vec<Id> {
    some.iter().map(|id| Id::from(*id)).collect()
}

fn items(answer: &Recommendation) -> Vec<u64> {
    answer.items.iter().filter_map(|item| item.item_id.as_int()).collect()
}

#[test]
fn candidates_are_ranked_as_they_are_among_all() {
    let (recommender, history) = (recommender(), history());
    let plain = Request { known: known(&history), k: ITEMS as usize, ..Request::default() };
    let all = recommender.recommend(&plain).unwrap();
    let candidates =
        [ids(&[20, 3, 99, 20, 11]), vec![Id::text("unheard of").unwrap()], ids(&[99, 28])].concat();
    let few = recommender.recommend(&Request { candidates: Some(&candidates), ..plain }).unwrap();
    let expected: Vec<u64> = items(&all).into_iter().filter(|id| [20, 3, 11, 28].contains(id)).collect();
    assert_eq!((items(&few), few.source), (expected, Origin::Model));
    assert_eq!(few.unknown_candidates, [Id::from(99), Id::text("unheard of").unwrap()]);
    for item in &few.items {
        let same = all.items.iter().find(|other| other.item_id == item.item_id).unwrap();
        assert!(
            (item.score - same.score).abs() < 1e-4 && item.interest == same.interest,
            "{item:?} {same:?}"
        );
    }
    assert!(all.unknown_candidates.is_empty() && all.items.iter().all(|item| item.why.is_none()));
    let none = recommender.recommend(&Request { candidates: Some(&[]), ..plain }).unwrap();
    assert!(none.items.is_empty());
    // By popularity as well, without what is excluded.
    let excluded = |id: &Id| *id == Id::from(3);
    let request = Request { candidates: Some(&candidates), exclude: &excluded, ..Request::default() };
    let popular = recommender.recommend(&request).unwrap();
    assert_eq!((items(&popular), popular.source), (vec![11, 20, 28], Origin::Popularity));
}

#[test]
fn no_more_candidates_are_taken_than_an_answer_may_hold() {
    let candidates: Vec<Id> = (0..2 * MOST as u32).map(Id::from).collect();
    let request = Request { candidates: Some(&candidates), k: 5, ..Request::default() };
    let answer = recommender().recommend(&request).unwrap();
    assert_eq!((answer.items.len(), answer.unknown_candidates.len()), (5, MOST - ITEMS as usize));
}

#[test]
fn items_of_other_categories_are_not_recommended() {
    let (recommender, history) = (recommender(), history());
    // Every third item has a second category, of which an item may be allowed or not as well.
    let allowed = |categories: &[Id]| categories.contains(&Id::from(10));
    for history in [&history[..], &[]] {
        let request = Request { known: known(history), allowed: &allowed, k: 100, ..Request::default() };
        let mut found = items(&recommender.recommend(&request).unwrap());
        found.sort_unstable();
        assert_eq!(found, [0, 6, 12, 18, 24]);
    }
}

#[test]
fn the_reasons_are_the_sides_of_the_re_ranking() {
    let (recommender, history) = (recommender(), history());
    let lambda = 0.6;
    let request = Request {
        known: known(&history),
        k: 8,
        lambda: Lambda::Fixed(lambda),
        explain: true,
        ..Request::default()
    };
    let answer = recommender.recommend(&request).unwrap();
    let profile = recommender.profile(known(&history)).unwrap().unwrap();
    let fitted = recommender.fitted();
    let catalogue = fitted.catalogue;
    let row = |id: &Id| catalogue.row(id).unwrap();
    let mut above: Vec<u32> = Vec::new();
    for item in &answer.items {
        let why = item.why.as_ref().unwrap();
        let apart = |other: &u32| 1.0 - catalogue.similarity(row(&item.item_id), *other);
        let mean = above.iter().map(apart).sum::<f32>() / above.len() as f32;
        assert_eq!(why.distance, (!above.is_empty()).then_some(mean));
        assert_eq!(why.interest_categories, profile.interests[item.interest.unwrap()].categories);
        let near = why.nearest_in_history.as_ref().unwrap();
        assert!(history.iter().any(|event| event.item == near.item_id));
        assert!((-1.0..=1.0).contains(&near.similarity));
        // The six newest events are read; an item among them is most like itself.
        if history[3..].iter().any(|event| event.item == item.item_id) {
            assert!(near.item_id == item.item_id && near.similarity > 0.999, "{near:?}");
        }
        above.push(row(&item.item_id));
    }
    // Each was worth at least what any below it would have been in its place.
    let value = |at: usize, of: usize| {
        let item = &answer.items[of];
        let apart = |it: &u32| 1.0 - catalogue.similarity(row(&item.item_id), *it);
        let distance = above[..at].iter().map(apart).sum::<f32>() / at as f32;
        (1.0 - lambda) * item.why.as_ref().unwrap().relevance + lambda * distance
    };
    for at in 1..answer.items.len() {
        for below in at + 1..answer.items.len() {
            assert!(value(at, at) >= value(at, below) - 1e-5, "{at} {below}");
        }
    }
    assert!(answer.items.iter().any(|item| item.why.as_ref().unwrap().relevance > 0.0));
    // What is popular needs no reason but its count.
    let popular = recommender.recommend(&Request { explain: true, ..Request::default() }).unwrap();
    assert!(popular.items.iter().all(|item| item.why.is_none()));
}
