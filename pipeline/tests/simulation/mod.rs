//! The engine itself, over a broker in memory, under everything that can go wrong, as a seed says.
//!
//! `HMISR_SIM_SEED=n` runs one seed and prints what happens; `HMISR_SIM_SEEDS=n` runs so many.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod cluster;
mod feed;
mod plan;
mod random;
mod reference;
mod wrong;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Instant;

use hmisr_pipeline::Delivery;
use hmisr_pipeline::engine::Point;

use self::cluster::Cluster;
use self::plan::{Mistake, Plan};
use self::reference::{Reference, once, written};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 200;

/// What is wrong with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// A job was told to change something.
    Refused,
    /// Something stays uncommitted or not stored.
    Unfinished,
    /// Outputs are missing.
    Lost,
    /// Outputs are there again.
    Doubled,
    /// Outputs are not those of the events, or not in their order.
    Different,
    /// All outputs are right; what is stored of a user is not.
    State,
}

/// Runs a plan to its end. Returns what stands for all that happened, or what is wrong, and where.
fn run(plan: Plan) -> Result<u64, (Wrong, String)> {
    run_over(&Cluster::new(plan, false))
}

fn run_over(cluster: &Cluster) -> Result<u64, (Wrong, String)> {
    let plan = &cluster.plan;
    cluster.storm();
    let done = cluster.calm(|| Reference::of(&cluster.broker, plan).ends);
    if let Some(refused) = cluster.refused() {
        return Err((Wrong::Refused, refused));
    }
    if !done {
        return Err((Wrong::Unfinished, "the job does not finish".into()));
    }
    let expected = Reference::of(&cluster.broker, plan);
    let mut outputs = (written(&cluster.broker), expected.outputs);
    if plan.pipeline.delivery == Delivery::AtLeastOnce {
        outputs = (once(outputs.0), once(outputs.1));
    }
    let (given, wanted) = &outputs;
    let differences = [
        difference("feature records", &given.features, &wanted.features),
        difference("training examples", &given.examples, &wanted.examples),
        difference("dead letters", &given.dead_letters, &wanted.dead_letters),
        difference("states", &cluster.users(), &expected.users).map(|(_, text)| (Wrong::State, text)),
    ];
    match differences.into_iter().flatten().next() {
        Some(difference) => Err(difference),
        None => Ok(cluster.trace()),
    }
}

/// The first place at which something is not what it should be.
fn difference<K: Debug + Ord, T: Debug + PartialEq>(
    what: &str,
    given: &BTreeMap<K, Vec<T>>,
    wanted: &BTreeMap<K, Vec<T>>,
) -> Option<(Wrong, String)> {
    let key = given.keys().chain(wanted.keys()).find(|key| given.get(key) != wanted.get(key))?;
    let [given, wanted] = [given, wanted].map(|of| of.get(key).map_or(&[][..], Vec::as_slice));
    let times = |of: &[T], value: &T| of.iter().filter(|other| *other == value).count();
    let wrong = if given.iter().all(|value| times(given, value) <= times(wanted, value)) {
        if given.len() < wanted.len() { Wrong::Lost } else { Wrong::Different }
    } else if wanted.iter().all(|value| times(given, value) >= times(wanted, value))
        && given.iter().all(|value| wanted.contains(value))
    {
        Wrong::Doubled
    } else {
        Wrong::Different
    };
    let at = (0..).find(|&at| given.get(at) != wanted.get(at))?;
    let (given, wanted) = (given.get(at), wanted.get(at));
    let text = format!("{what} of {key:?}, number {at}: {given:?}, but the events in order give {wanted:?}");
    Some((wrong, text))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

/// Names the seed when the engine itself panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}: HMISR_SIM_SEED={} runs it alone", self.0, self.0);
        }
    }
}

#[test]
fn any_seed() {
    let (seeds, show) = match number("HMISR_SIM_SEED") {
        Some(seed) => (seed..seed + 1, true),
        None => (0..number("HMISR_SIM_SEEDS").unwrap_or(SEEDS), false),
    };
    let (began, count) = (Instant::now(), seeds.end - seeds.start);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in seeds {
        let _named = Named(seed);
        let cluster = Cluster::new(Plan::new(seed), show);
        if let Err((wrong, error)) = run_over(&cluster) {
            panic!("{wrong:?}: {error}\n{:#?}", cluster.plan);
        }
        for (what, times) in cluster.habits.seen() {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{count} seeds, {:.1} a second", count as f64 / began.elapsed().as_secs_f64());
    for (what, times) in &seen {
        println!("{times:8} {what}");
    }
    if count >= SEEDS {
        let missing: Vec<String> = demanded().filter(|what| !seen.contains_key(what)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// What must happen in some run: otherwise the runs would prove little.
fn demanded() -> impl Iterator<Item = String> {
    let kills = Point::ALL.into_iter().filter(|point| !point.name().contains("checkpoint"));
    kills.map(|point| format!("killed at {}", point.name())).chain(
        [
            "a job ended: Fenced",
            "a late end of a transaction, taken: false",
            "a late end of a transaction, taken: true",
            "a muted replay",
            "commit: Aborted",
            "commit: Fenced",
            "commit: UnknownOutcome",
            "committed: Unavailable",
            "offsets outside of a transaction: Aborted",
            "poll: Unavailable",
            "produce: Fenced",
            "send_offsets: Aborted",
            "send_offsets: UnknownOutcome",
        ]
        .map(str::to_owned),
    )
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..10 {
        let [first, second] = [(); 2].map(|()| run(Plan::new(seed)).unwrap());
        assert_eq!(first, second, "seed {seed}");
    }
}

/// A plan in which two instances get in each other's way.
fn contended(seed: u64, mistake: Option<Mistake>) -> Plan {
    let (instances, interleaving) = (2, 50);
    let mut plan = Plan { mistake, instances, interleaving, same_id: false, ..Plan::new(seed) };
    plan.pipeline.delivery = Delivery::ExactlyOnce;
    plan
}

/// One of the first seeds shows the mistake, and the first to show it does so in one of these ways.
/// Without the mistake the same run is right.
fn is_found(mistake: Mistake, ways: &[Wrong]) {
    let found = (0..SEEDS).find_map(|seed| Some((seed, run(contended(seed, Some(mistake))).err()?)));
    let (seed, (wrong, error)) = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
    println!("{mistake:?}: seed {seed}: {wrong:?}: {error}");
    assert!(ways.contains(&wrong), "{mistake:?}: seed {seed}: {wrong:?}, not one of {ways:?}: {error}");
    run(contended(seed, None)).unwrap();
}

/// The store is ahead of the group, and what is missing between them is not made up.
#[test]
fn a_state_that_is_written_before_the_commit_is_found() {
    is_found(Mistake::CommitsLate, &[Wrong::Refused]);
}

/// The events of the aborted transaction are passed over; later features lack them too.
#[test]
fn no_seek_back_is_found() {
    is_found(Mistake::IgnoresSeek, &[Wrong::Lost, Wrong::Different]);
}

/// Two owners work on the same events.
#[test]
fn offsets_that_are_not_waited_for_are_found() {
    // Whichever of the two commits last sets the group's offset: both have written the same outputs. Where it is
    // the one that is behind, the other's store is ahead of the group, which that one refuses when it starts.
    let mistake = Mistake::IgnoresOpenTransactions;
    is_found(mistake, &[Wrong::Doubled, Wrong::Refused]);
    let doubles = |seed| matches!(run(contended(seed, Some(mistake))), Err((Wrong::Doubled, _)));
    assert!((0..SEEDS).any(doubles), "no output is doubled");
}

/// A commit that went through unanswered is done again.
#[test]
fn a_producer_that_is_kept_is_found() {
    is_found(Mistake::KeepsProducer, &[Wrong::Doubled]);
}
