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

/// Runs a plan to its end. Returns what stands for all that happened, or what is wrong.
fn run(plan: Plan) -> Result<u64, String> {
    run_over(&Cluster::new(plan, false))
}

fn run_over(cluster: &Cluster) -> Result<u64, String> {
    let plan = &cluster.plan;
    cluster.storm();
    if let Some(refused) = cluster.refused() {
        return Err(format!("a job was refused: {refused}"));
    }
    cluster.calm(|| Reference::of(&cluster.broker, plan).ends)?;
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
        difference("states", &cluster.users(), &expected.users),
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
) -> Option<String> {
    let of = |map: &BTreeMap<K, Vec<T>>, key, at| {
        map.get(key).and_then(|of| of.get(at)).map(|at| format!("{at:?}"))
    };
    let key = given.keys().chain(wanted.keys()).find(|key| given.get(key) != wanted.get(key))?;
    let at = (0..).find(|&at| of(given, key, at) != of(wanted, key, at))?;
    let (given, wanted) = (of(given, key, at), of(wanted, key, at));
    Some(format!("{what} of {key:?}, number {at}: {given:?}, but the events in order give {wanted:?}"))
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
        if let Err(error) = run_over(&cluster) {
            panic!("{error}\n{:#?}", cluster.plan);
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
        assert_eq!(run(Plan::new(seed)), run(Plan::new(seed)), "seed {seed}");
    }
}

/// Whether one of the first seeds shows the mistake, where two instances get in each other's way.
fn is_found(mistake: Mistake) {
    let plan = |seed| {
        let (instances, interleaving) = (2, 50);
        let mistake = Some(mistake);
        let mut plan = Plan { mistake, instances, interleaving, same_id: false, ..Plan::new(seed) };
        plan.pipeline.delivery = Delivery::ExactlyOnce;
        plan
    };
    let found = (0..SEEDS).find_map(|seed| Some((seed, run(plan(seed)).err()?)));
    let (seed, error) = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
    println!("{mistake:?}: seed {seed}: {error}");
}

#[test]
fn a_state_that_is_written_before_the_commit_is_found() {
    is_found(Mistake::CommitsLate);
}

#[test]
fn no_seek_back_is_found() {
    is_found(Mistake::IgnoresSeek);
}

#[test]
fn offsets_that_are_not_waited_for_are_found() {
    is_found(Mistake::IgnoresOpenTransactions);
}

#[test]
fn a_producer_that_is_kept_is_found() {
    is_found(Mistake::KeepsProducer);
}
