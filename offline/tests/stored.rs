//! Answers read back as they were stored.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;

use hmisr_offline::measures::RelatedSums;
use hmisr_offline::{Answers, Case, CaseResult, CaseSet, PerCase};
use proptest::prelude::*;

fn results() -> impl Strategy<Value = Vec<CaseResult>> {
    let related = (-9.0..9.0_f64, 0_u32..9, -9.0..9.0_f64, 0_u32..9).prop_map(|(a, b, c, d)| RelatedSums {
        related: a,
        related_pairs: b,
        distinct: c,
        distinct_pairs: d,
    });
    let result = (
        any::<(u32, u32)>(),
        prop::option::of(1.0..9e9_f64),
        prop::collection::vec((0..u32::MAX, -1e9..1e9_f32), 0..6),
        prop::option::of(0.0..1.0_f32),
        prop::option::of(related),
    );
    let result = result.prop_map(|((user, at), rank, top, diversity, related)| CaseResult {
        case: Case { user, at },
        rank,
        top,
        diversity,
        related,
    });
    prop::collection::vec(result, 0..8)
}

fn answers(seconds: f64, results: Vec<CaseResult>) -> Answers {
    Answers {
        set: CaseSet::Successive,
        seed: 3,
        split: "a split".to_owned(),
        fit_seconds: 0.25,
        parameters: Some(9),
        sources: BTreeMap::from([("own".to_owned(), 0.1)]),
        per_case: PerCase { model: "a model".to_owned(), likelihoods: true, seconds, results },
    }
}

proptest! {
    #[test]
    fn reads_back(results in results(), quarters in 0_u32..1000) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.safetensors");
        let answers = answers(f64::from(quarters) / 4.0, results);
        answers.save(&path).unwrap();
        prop_assert_eq!(Answers::load(&path).unwrap(), answers);
    }
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.safetensors");
    let result = CaseResult {
        case: Case { user: 1, at: 2 },
        rank: None,
        top: vec![(3, 1.0)],
        diversity: None,
        related: None,
    };
    answers(1.0, vec![result]).save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let error = Answers::load(&path).unwrap_err();
        assert!(error.is_users() && error.to_string().contains("evaluate again"), "{error}");
    }
    assert!(!Answers::load(&folder.path().join("no")).unwrap_err().is_users());
}
