//! It learns what can be learnt, evaluates before it does, and recommends accordingly.
#![allow(clippy::unwrap_used)]

use crate::common::{example, examples, settings};
use hmisr_recommend::{Event, Known, Lambda, Origin, Recommendation, Recommender, Request};
use hmisr_stream::contract::Id;
use hmisr_trainer::{Progress, Trainer, backend};

fn trainer(settings: hmisr_trainer::Settings) -> Trainer {
    Trainer::new(settings, backend::device().unwrap()).unwrap()
}

#[test]
fn walks_in_a_circle_are_foretold_far_better_than_by_popularity() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.model.width = 32;
    settings.evaluation.filter_seen = false;
    settings.learning.table_rate = 0.01;
    settings.learning.encoder_rate = 0.005;
    let mut trainer = trainer(settings);
    for batch in examples(6_000, 29, 100).chunks(16) {
        trainer.learn(batch).unwrap();
    }
    let last = trainer.prequential().last(0.1);
    assert!(last.model_hr > 0.9, "{last:?}");
    assert!(last.popularity_hr < 0.3, "{last:?}");
}

#[test]
fn the_first_batch_is_all_misses_and_a_new_item_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(settings(folder.path()));
    let report = trainer.learn(&examples(16, 3, 50)).unwrap();
    assert!(report.ranked.iter().all(|ranked| ranked.model.is_none() && ranked.popularity.is_none()));
    let report = trainer.learn(&[example(9, 2, &[(0, 1_000), (1, 2_000)], 777, 3_000)]).unwrap();
    assert_eq!(report.ranked[0].model, None);
    let report = trainer.learn(&[example(8, 1, &[(0, 1_000)], 777, 3_000)]).unwrap();
    assert!(report.ranked[0].model.is_some());
    assert_eq!(trainer.prequential().overall().examples, 18);
}

#[test]
fn seen_items_are_left_out_but_never_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(settings(folder.path()));
    // Six items; the user has seen all but the target, so it can only rank first.
    trainer.learn(&[example(1, 5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], 5, 6)]).unwrap();
    let report = trainer.learn(&[example(2, 5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], 5, 6)]).unwrap();
    assert_eq!(report.ranked[0].model, Some(1.0));
    assert_eq!(report.ranked[0].popularity, Some(1.0));
    // Chosen again although it was seen: it still ranks among what was not.
    let report = trainer.learn(&[example(2, 6, &[(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)], 5, 7)]).unwrap();
    assert_eq!(report.ranked[0].model, Some(1.0));
}

/// Where seen items are left out, a seen target is the only one that the user had: it must not tell of that.
#[test]
fn what_was_seen_before_teaches_no_weight() {
    let folder = tempfile::tempdir().unwrap();
    let weights = |filter_seen: bool| {
        let mut settings = settings(folder.path());
        settings.evaluation.filter_seen = filter_seen;
        let mut trainer = trainer(settings);
        let all: Vec<usize> = (0..16).collect();
        let mut weights = [0.0; 6];
        for at in 6..40_u32 {
            // Each user goes back and forth between two items.
            let item = |user: u32, at: u32| (user * 3 + at % 2, i64::from(at) * 1_000);
            let example = |user: u32| {
                let history: Vec<_> = (at - 6..at).map(|at| item(user, at)).collect();
                let (item, ts) = item(user, at);
                example(user, u64::from(at), &history, item, ts)
            };
            let batch: Vec<_> = (0..16).map(example).collect();
            weights = trainer.learn_and_serve(&batch, &all).unwrap().counts.unwrap().1;
        }
        weights
    };
    assert_eq!(weights(true), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let open = weights(false);
    assert!(open[3] + open[5] > 0.2, "{open:?}");
}

#[test]
fn examples_that_come_together_are_evaluated_as_if_they_came_alone() {
    let folder = tempfile::tempdir().unwrap();
    let all = examples(400, 5, 60);
    let (learnt, rest) = all.split_at(384);
    let ranks = |batches: Vec<&[_]>| {
        let mut settings = settings(folder.path());
        // Nothing is learnt, so that every rank comes from the same weights.
        settings.learning.encoder_rate = 0.0;
        settings.learning.table_rate = 0.0;
        // Runs longer than this would be cut, and their targets see different histories.
        settings.model.max_len = 40;
        let mut trainer = trainer(settings);
        trainer.learn(learnt).unwrap();
        let reports = batches.into_iter().map(|batch| trainer.learn(batch).unwrap());
        reports.flat_map(|report| report.ranked).map(|ranked| ranked.model).collect::<Vec<_>>()
    };
    let together = ranks(vec![rest]);
    // One by one each history holds six events; the same within the shared pass only where its
    // run begins. So compare the first of every user.
    let alone = ranks(rest.chunks(1).collect());
    let mut users = std::collections::HashSet::new();
    let mut compared = 0;
    for (nth, example) in rest.iter().enumerate() {
        if users.insert(example.user.as_int().unwrap()) {
            assert_eq!(together[nth], alone[nth], "example {nth}");
            compared += 1;
        }
    }
    assert!(compared >= 3, "{compared}");
}

/// In a live stream a batch has an event or two of a user: what follows comes in other batches.
#[test]
fn how_various_the_next_choices_are_is_learnt_though_they_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.model.max_len = 40;
    let mut trainer = trainer(settings);
    // An hour between any two, so that each begins a session.
    let life = |user: u32, at: usize| ((user * 7 + at as u32) % 50, 3_600_000 * at as i64);
    let batch = |at: usize| -> Vec<_> {
        let of = |user: u32| {
            let history: Vec<_> = (at.saturating_sub(30)..at).map(|at| life(user, at)).collect();
            let (item, ts) = life(user, at);
            example(user, at as u64, &history, item, ts)
        };
        (0..4).map(of).collect()
    };
    let labels: Vec<usize> = (1..45).map(|at| trainer.learn(&batch(at)).unwrap().labels).collect();
    // The first example of each waits for twenty choices, its own the first; then the next one waits.
    let expected: Vec<usize> = (1..45).map(|at| if [20, 40].contains(&at) { 4 } else { 0 }).collect();
    assert_eq!(labels, expected);
}

#[test]
fn a_catalogue_above_the_bound_learns_from_samples() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.model.width = 32;
    settings.evaluation.filter_seen = false;
    settings.learning.full_softmax_items = 10;
    settings.learning.negatives = 64;
    settings.learning.table_rate = 0.01;
    settings.learning.encoder_rate = 0.005;
    // Half of a batch of 16 against 100 items.
    settings.evaluation.sampled_scores = 800;
    let mut trainer = trainer(settings);
    for batch in examples(6_000, 29, 100).chunks(16) {
        trainer.learn(batch).unwrap();
    }
    let last = trainer.prequential().last(0.1);
    assert!(last.model_hr > 0.8, "{last:?}");
    let skipped = trainer.prequential().skipped();
    assert_eq!(skipped + trainer.prequential().overall().examples, 6_000);
    assert!((2_500..3_100).contains(&skipped), "{skipped}");
}

fn ask(
    recommender: &Recommender,
    history: &[Event],
    k: usize,
    exclude: &dyn Fn(&Id) -> bool,
) -> Recommendation {
    let known = Known { history, ..Known::default() };
    recommender
        .recommend(&Request { known, k, lambda: Lambda::Fixed(0.0), exclude, ..Request::default() })
        .unwrap()
}

#[test]
fn a_server_recommends_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.model.width = 32;
    settings.learning.table_rate = 0.01;
    settings.learning.encoder_rate = 0.005;
    settings.evaluation.filter_seen = false;
    let all = examples(6_000, 29, 100);
    let log = crate::common::logs(&all, 2);
    crate::common::run_over(&settings, crate::common::Memory::new(log, 1, None), &Progress::default())
        .unwrap();
    let recommender = Recommender::load(folder.path(), None).unwrap();
    assert_eq!((recommender.version(), recommender.items()), (1, 100));
    let history = |items: &[u32]| -> Vec<Event> {
        items.iter().enumerate().map(|(nth, item)| Event::new(Id::from(*item), 1_000 * nth as i64)).collect()
    };
    let none = |_: &Id| false;
    let mut found = 0;
    for start in 0..40u32 {
        let walk: Vec<u32> = (0..6).map(|step| (start + 2 * step) % 100).collect();
        let answer = ask(&recommender, &history(&walk), 10, &none);
        assert_eq!((answer.source, answer.items.len()), (Origin::Model, 10));
        assert!(answer.items.is_sorted_by(|a, b| a.score >= b.score));
        let next = Id::from((start + 12) % 100);
        found += usize::from(answer.items.iter().any(|scored| scored.item_id == next));
        let without = ask(&recommender, &history(&walk), 10, &|id: &Id| *id == next);
        assert!(without.items.iter().all(|scored| scored.item_id != next));
    }
    assert!(found > 30, "{found} of 40");
    // Unknown items alone are no history.
    let strangers = ask(&recommender, &[Event::new(Id::text("stranger").unwrap(), 1)], 5, &none);
    assert_eq!(strangers.source, Origin::Popularity);
    assert_eq!(strangers, ask(&recommender, &[], 5, &none));
    let mut counts = std::collections::BTreeMap::new();
    all.iter().for_each(|example| *counts.entry(example.item.as_int().unwrap()).or_insert(0u32) += 1);
    let mut expected: Vec<(u64, u32)> = counts.into_iter().collect();
    expected.sort_by_key(|(item, count)| (std::cmp::Reverse(*count), *item));
    let answered: Vec<u64> = strangers.items.iter().filter_map(|scored| scored.item_id.as_int()).collect();
    assert_eq!(answered, expected.iter().take(5).map(|(item, _)| *item).collect::<Vec<_>>());
    assert!(ask(&recommender, &[], 100_000, &none).items.len() <= 1_000);
}
