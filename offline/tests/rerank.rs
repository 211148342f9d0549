//! MMR against a slow greedy search, and what it does to ranks and curves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::dataset;
use hmisr_offline::measures::{
    self, Arm, Lambda, ParetoPoint, UserTable, ild_at_ndcg, intra_list_diversity, long_tail, pareto,
    select_lambda,
};
use hmisr_offline::{CaseResult, PerCase, Protocol, Split};
use hmisr_recommend::rerank::{Candidate, Objective, rerank};
use proptest::prelude::*;

/// The definition, with every distance computed anew.
fn slow(
    candidates: &[Candidate],
    lambda: f32,
    k: usize,
    objective: Objective,
    sim: impl Fn(u32, u32) -> f32,
) -> Vec<usize> {
    let all: Vec<f32> = candidates.iter().map(|candidate| candidate.relevance).collect();
    let (low, high) =
        (all.iter().copied().fold(f32::MAX, f32::min), all.iter().copied().fold(f32::MIN, f32::max));
    let sum: f32 = all.iter().map(|score| (score - high).exp()).sum();
    let relevance = |at: usize| match objective {
        Objective::Likely => (all[at] - high).exp() / (sum * 0.1),
        _ if high > low => (all[at] - low) / (high - low),
        _ => 1.0,
    };
    let mut picked: Vec<usize> = Vec::new();
    while picked.len() < k.min(candidates.len()) {
        let value = |at: usize| {
            let apart = picked.iter().map(|&p| 1.0 - sim(candidates[at].item, candidates[p].item));
            let apart = match objective {
                Objective::Mmr => apart.reduce(f32::min),
                _ => apart.reduce(|sum, one| sum + one).map(|sum| sum / picked.len() as f32),
            };
            match apart {
                None => relevance(at),
                Some(apart) => (1.0 - lambda) * relevance(at) + lambda * apart,
            }
        };
        let mut left: Vec<usize> = (0..candidates.len()).filter(|at| !picked.contains(at)).collect();
        left.sort_by_key(|&at| candidates[at].item);
        left.sort_by(|&one, &other| all[other].total_cmp(&all[one]));
        left.sort_by(|&one, &other| value(other).partial_cmp(&value(one)).unwrap());
        picked.push(left[0]);
    }
    picked
}

proptest! {
    #[test]
    fn as_the_slow_search(
        relevance in prop::collection::vec(-4_i8..4, 0..25),
        lambda in 0_u8..=10,
        k in 0_usize..30,
        shift in 0_u32..7,
    ) {
        let candidates: Vec<Candidate> = relevance
            .iter()
            .zip(0_u32..)
            .map(|(&relevance, at)| Candidate { item: (at * 7 + shift) % 25, relevance: f32::from(relevance) })
            .collect();
        let lambda = f32::from(lambda) / 10.0;
        let sim = |one: u32, other: u32| 1.0 / (1.0 + (one % 5).abs_diff(other % 5) as f32);
        for objective in [Objective::Mmr, Objective::MaxSum, Objective::Likely] {
            let found = rerank(&candidates, lambda, k, objective, sim);
            prop_assert_eq!(found, slow(&candidates, lambda, k, objective, sim));
        }
    }
}

/// One case with the last item for a target and five candidates, of which 0, 1 and 2 share a category.
fn answered() -> (Split, PerCase) {
    let users = [vec![(6, 1), (5, 2), (7, 3), (3, 4)], vec![(3, 1), (4, 2), (5, 3), (6, 4)]];
    let data = dataset(&users, &[&[0], &[0], &[0], &[1], &[2], &[0], &[1], &[2]]);
    let split = Split::new(Protocol::O1, data).unwrap();
    let result = CaseResult {
        case: split.test[0],
        rank: Some(4.0),
        top: vec![(0, 9.0), (1, 8.9), (2, 8.8), (3, 8.0), (4, 5.0)],
        diversity: Some(0.5),
        related: None,
    };
    (split, PerCase { model: "m".to_owned(), likelihoods: true, seconds: 0.0, results: vec![result] })
}

#[test]
fn a_candidate_moves_to_its_new_place() {
    let (split, answers) = answered();
    let items = |answers: &PerCase| answers.results[0].top.iter().map(|one| one.0).collect::<Vec<_>>();
    let found = measures::rerank(&split, &answers, Arm::Mmr, Lambda::Fixed(0.5));
    assert_eq!(found.model, "m+mmr");
    assert_eq!(items(&found), [0, 3, 4, 1, 2]);
    assert_eq!(found.results[0].rank, Some(2.0));
    assert_eq!(found.results[0].top[1], (3, 8.0));
    assert_eq!(items(&measures::rerank(&split, &answers, Arm::Mmr, Lambda::Fixed(0.0))), items(&answers));
    let personal = measures::rerank(&split, &answers, Arm::Mmr, Lambda::Personal { most: 1.0 });
    assert_eq!(personal.results, found.results, "1.0 × 0.5");
    let mut far = answers.clone();
    far.results[0].rank = None;
    assert_eq!(measures::rerank(&split, &far, Arm::Mmr, Lambda::Fixed(0.5)).results[0].rank, None);
}

#[test]
fn a_user_whose_choice_is_foreseen_keeps_the_list() {
    let sim = |one: u32, other: u32| if one / 10 == other / 10 { 1.0 } else { 0.0 };
    let scores = |scores: [f32; 4]| -> Vec<Candidate> {
        let items = [10, 11, 12, 20];
        items.into_iter().zip(scores).map(|(item, relevance)| Candidate { item, relevance }).collect()
    };
    // Two likely items of one kind; or any of the four.
    let (sure, unsure) = (scores([5.0, 4.9, 0.0, -1.0]), scores([5.0, 4.99, 4.98, 4.97]));
    let first_two = |candidates: &[Candidate], objective| rerank(candidates, 0.6, 2, objective, sim);
    assert_eq!(first_two(&sure, Objective::Likely), [0, 1]);
    assert_eq!(first_two(&unsure, Objective::Likely), [0, 3]);
    assert_eq!(first_two(&unsure, Objective::MaxSum), [0, 3]);
    // A linear scale cannot tell the two users apart.
    assert_eq!(first_two(&sure, Objective::MaxSum), [0, 3]);
}

#[test]
fn the_curve_trades_accuracy_for_diversity() {
    let (split, answers) = answered();
    let tail = long_tail(&split, 0.8);
    let curve = pareto(&split, &tail, &answers, &[0.0, 0.5], Arm::Mmr, false).points;
    let table = UserTable::new(&split.data, &tail, &answers);
    assert_eq!(curve[0].ndcg, table.mean(table.column("NDCG@10").unwrap()));
    assert_eq!(curve[0].ild, intra_list_diversity(&split.data, &answers.results[0].top, 10));
    assert!((curve[1].ndcg - 1.0 / 3.0_f64.log2()).abs() < 1e-12);
}

#[test]
fn diversity_at_equal_accuracy_is_read_off_the_curve() {
    let point = |lambda, ndcg, ild| ParetoPoint { lambda, hr: 0.0, ndcg, ild };
    let curve = [point(0.0, 0.10, 0.5), point(0.1, 0.09, 0.6), point(0.5, 0.05, 0.8)];
    let at = |ndcg| ild_at_ndcg(&curve, ndcg).map(|ild| (ild * 1e6).round() / 1e6);
    assert_eq!([at(0.10), at(0.095), at(0.09), at(0.07)], [Some(0.5), Some(0.55), Some(0.6), Some(0.7)]);
    assert_eq!((at(0.2), at(0.01)), (None, Some(0.8)));
    assert_eq!(select_lambda(&curve, 0.11).unwrap().lambda, 0.1);
    assert_eq!(select_lambda(&curve, 0.0).unwrap().lambda, 0.0);
    assert_eq!(select_lambda(&[], 0.0), None);
}
