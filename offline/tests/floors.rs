//! Popularity and the decayed Markov chain reach the figures measured for them elsewhere, and all counts together
//! more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{data, load};
use hmisr_offline::measures::{UserTable, long_tail};
use hmisr_offline::rank::{Counts, Markov, Popularity, Trinity};
use hmisr_offline::{EvaluateOptions, Protocol, Scorer, Split, evaluate};

/// HR@10 and NDCG@10 on the test cases.
fn figures(split: &Split, model: &mut dyn Scorer) -> (f64, f64) {
    let answers = evaluate(split, &split.test, model, EvaluateOptions::default(), |_, _| {}).unwrap();
    let table = UserTable::new(&split.data, &long_tail(split, 0.8), &answers);
    let mean = |measure| table.mean(table.column(measure).unwrap());
    let found = (mean("HR@10"), mean("NDCG@10"));
    println!("{} {} {}: {found:.4?}", split.data.name, split.protocol, model.name());
    found
}

fn check(name: &str, protocol: Protocol, cases: usize, floors: [(f64, f64); 2]) {
    let Some(path) = data(name) else { return };
    let data = load(&path).core(protocol.default_core()).unwrap();
    let split = Split::new(protocol, data).unwrap();
    assert_eq!(split.test.len(), cases);
    println!("{name}: {:?}", split.data.notes);
    let popularity = figures(&split, &mut Popularity::fit(&split));
    let markov = figures(&split, &mut Markov::fit(&split));
    let trinity = figures(&split, &mut Trinity::fit(&split, Default::default()));
    let counts = figures(&split, &mut Counts::fit(&split));
    for (found, floor) in [popularity, markov].into_iter().zip(floors) {
        assert!(
            (found.0 - floor.0).abs() < 0.004 && (found.1 - floor.1).abs() < 0.002,
            "{found:?} {floor:?}"
        );
    }
    assert!(trinity.0 > popularity.0, "the histogram says something of the user");
    assert!(counts.1 > 1.05 * markov.1, "so do all counts together");
}

#[test]
fn movielens_1m_leave_one_out() {
    check("ml-1m", Protocol::O1, 6_040, [(0.037, 0.018), (0.247, 0.143)]);
}

#[test]
fn movielens_1m_temporal() {
    check("ml-1m", Protocol::O2, 1_209, [(0.035, 0.019), (0.137, 0.084)]);
}

#[test]
fn movielens_100k_leave_one_out() {
    check("ml-100k", Protocol::O1, 943, [(0.087, 0.045), (0.177, 0.099)]);
}
