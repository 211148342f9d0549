//! Every run of the commit under any few faults, and the shortest run that breaks each wrong one.
//!
//! Counts and runs are printed: `cargo test --release -- --nocapture`. `make proofs` runs what is ignored too.

#![allow(missing_docs, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::time::Instant;

use hmisr_proofs::model::{Action, Commit, Delivery, Mistake};
use stateright::{Checker, HasDiscoveries, Model};

const EXACTLY_ONCE: Commit =
    Commit { delivery: Delivery::ExactlyOnce, ids: [0, 1], faults: 2, launches: 8, mistake: None };
const AT_LEAST_ONCE: Commit = Commit { delivery: Delivery::AtLeastOnce, faults: 1, ..EXACTLY_ONCE };
/// Two processes that were given one transactional id: each fences the other.
const SAME_ID: Commit = Commit { ids: [0, 0], faults: 1, launches: 5, ..EXACTLY_ONCE };

fn print(actions: &[Action]) {
    for (number, action) in actions.iter().enumerate() {
        println!("  {:2} {action:?}", number + 1);
    }
}

/// Explores every state; prints how many.
fn holds(name: &str, model: Commit) {
    let began = Instant::now();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}: {} steps to {} states, {} steps deep, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        assert_eq!(
            found.is_some(),
            !property.expectation.discovery_is_failure(),
            "{name}: `{}`: {:#?}",
            property.name,
            found.map(|path| path.into_actions())
        );
    }
}

/// Finds the shortest run that breaks `property`, and prints it.
fn breaks(right: Commit, mistake: Mistake, property: &'static str) {
    let model = Commit { mistake: Some(mistake), ..right };
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = model.checker().threads(1).finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(property);
    let actions = path.unwrap_or_else(|| panic!("{mistake:?} does not break `{property}`")).into_actions();
    println!("{mistake:?} breaks `{property}` in {} steps:", actions.len());
    print(&actions);
}

#[test]
fn exactly_once() {
    holds("exactly once", EXACTLY_ONCE);
}

#[test]
fn at_least_once() {
    holds("at least once", AT_LEAST_ONCE);
}

#[test]
fn one_transactional_id_for_two_processes() {
    holds("one transactional id for two", SAME_ID);
}

#[test]
#[ignore = "takes minutes and gigabytes of memory"]
fn exactly_once_under_three_faults() {
    holds("exactly once, three faults", Commit { faults: 3, ..EXACTLY_ONCE });
}

#[test]
#[ignore = "takes a minute"]
fn at_least_once_under_two_faults() {
    holds("at least once, two faults", Commit { faults: 2, ..AT_LEAST_ONCE });
}

const AGREE: &str = "2 outputs and the committed offset agree, each output once";

#[test]
fn a_store_that_is_written_first_is_ahead() {
    breaks(EXACTLY_ONCE, Mistake::WritesStoreFirst, "3, 6 no store is ahead of the committed offset");
    breaks(EXACTLY_ONCE, Mistake::WritesStoreFirst, "4 no start is refused");
    breaks(AT_LEAST_ONCE, Mistake::WritesStoreFirst, "3, 6 no store is ahead of the committed offset");
}

#[test]
fn a_producer_that_is_kept_after_silence_doubles() {
    breaks(EXACTLY_ONCE, Mistake::KeepsProducer, AGREE);
}

#[test]
fn no_seek_back_after_an_abort_loses() {
    breaks(EXACTLY_ONCE, Mistake::DoesNotSeekBack, "2, 6 no output is lost");
}

#[test]
fn a_cache_that_is_kept_counts_twice() {
    breaks(EXACTLY_ONCE, Mistake::KeepsCache, "1 state and offset move together");
    breaks(EXACTLY_ONCE, Mistake::KeepsCache, "7 outputs follow from the events alone");
}

#[test]
fn an_open_transaction_that_is_not_waited_for_doubles() {
    breaks(EXACTLY_ONCE, Mistake::IgnoresOpenTransactions, AGREE);
}

#[test]
fn offsets_without_a_generation_let_two_commit() {
    breaks(EXACTLY_ONCE, Mistake::SendsNoGeneration, AGREE);
    breaks(
        EXACTLY_ONCE,
        Mistake::SendsNoGeneration,
        "5 no two instances commit a partition in one generation",
    );
}

#[test]
fn a_replay_that_is_not_muted_doubles() {
    breaks(EXACTLY_ONCE, Mistake::ReplaysAloud, AGREE);
}

#[test]
fn a_revocation_that_is_missed_doubles() {
    breaks(EXACTLY_ONCE, Mistake::MissesRevocation, AGREE);
}

#[test]
fn offsets_before_the_flush_lose() {
    breaks(AT_LEAST_ONCE, Mistake::CommitsBeforeFlush, "2, 6 no output is lost");
}
