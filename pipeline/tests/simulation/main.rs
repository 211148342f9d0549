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

use self::cluster::Cluster;
use self::plan::{Mistake, Plan};
use self::reference::{Reference, once, written};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 300;

/// Runs a plan to its end. Returns what stands for all that happened, or what is wrong.
fn run(plan: Plan, show: bool) -> Result<u64, String> {
    let cluster = Cluster::new(plan.clone(), show);
    cluster.storm();
    if let Some(refused) = cluster.refused() {
        return Err(format!("a job was refused: {refused}"));
    }
    cluster.calm(|| Reference::of(&cluster.broker, &plan).ends)?;
    let expected = Reference::of(&cluster.broker, &plan);
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

/// The first entry that is not what it should be.
fn difference<K: Debug + Ord, V: Debug + PartialEq>(
    what: &str,
    given: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
) -> Option<String> {
    let key = given.keys().chain(wanted.keys()).find(|key| given.get(key) != wanted.get(key))?;
    let (given, wanted) = (given.get(key), wanted.get(key));
    Some(format!("the {what} of {key:?} are not those of the events in order: {given:#?} for {wanted:#?}"))
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
    for seed in seeds {
        let _named = Named(seed);
        let plan = Plan::new(seed);
        if let Err(error) = run(plan.clone(), show) {
            panic!("{error}\n{plan:#?}");
        }
    }
    println!("{count} seeds, {:.1} a second", count as f64 / began.elapsed().as_secs_f64());
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..10 {
        assert_eq!(run(Plan::new(seed), false), run(Plan::new(seed), false), "seed {seed}");
    }
}

/// Whether one of the first seeds shows the mistake.
fn is_found(mistake: Mistake) {
    let plan = |seed| {
        let mut plan = Plan { mistake: Some(mistake), ..Plan::new(seed) };
        plan.pipeline.delivery = Delivery::ExactlyOnce;
        plan
    };
    let found = (0..SEEDS).find_map(|seed| Some((seed, run(plan(seed), false).err()?)));
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
