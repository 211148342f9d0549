//! From the arguments to the plan of a study.

use std::str::FromStr;

use hmisr_model::Architecture;
use hmisr_offline::Split;
use hmisr_offline::study::{Counting, Job, Plan, Subject};
use hmisr_recommend::artifact::Place;

use super::args::EvalArgs;
use crate::failure::Failure;

/// The jobs that the arguments ask for.
pub fn jobs(args: &EvalArgs, split: &Split, set: &[String]) -> Result<Vec<Job>, Failure> {
    let subjects = subjects(args)?;
    if args.seeds.is_empty() {
        return Err(Failure::user("--seeds: expected one or more, such as 1,2,3"));
    }
    let network = subjects.iter().find(|subject| matches!(subject, Subject::Network(_)));
    if let (Some(network), None) = (network, &args.runs) {
        return Err(Failure::user(format!(
            "--models {}: a network is fitted; name a folder for that with --runs",
            network.name()
        )));
    }
    if network.is_none() && !set.is_empty() && !args.ablate {
        return Err(Failure::user("--set: no network is fitted here; name one with --models"));
    }
    let plan = Plan {
        subjects,
        published: args.snapshots.iter().map(Place::open).collect::<Result<_, _>>()?,
        seeds: &args.seeds,
        runs: args.runs.as_deref(),
        with_counts: args.with_counts,
        ablate: args.ablate,
    };
    plan.jobs(split, |architecture, seed| args.fit.settings(architecture, seed, split.data.len(), set))
}

/// The models that are named, each once; those that count where none is, and no answers are.
fn subjects(args: &EvalArgs) -> Result<Vec<Subject>, Failure> {
    let counting = || Counting::ALL.map(Subject::Counting);
    let networks = || Architecture::ALL.map(Subject::Network);
    let mut named: Vec<Subject> = Vec::new();
    if args.models.is_empty() && args.answers.is_empty() {
        named.extend(counting());
    }
    for name in &args.models {
        match (counting().into_iter().find(|subject| subject.name() == name), Architecture::from_str(name)) {
            _ if name == "all" => named.extend(counting().into_iter().chain(networks())),
            (Some(subject), _) => named.push(subject),
            (None, Ok(architecture)) => named.push(Subject::Network(architecture)),
            (None, Err(_)) => {
                let known: Vec<&str> = counting().into_iter().chain(networks()).map(Subject::name).collect();
                let known = known.join(", ");
                return Err(Failure::user(format!("--models {name}: expected {known} or all")));
            }
        }
    }
    if args.with_counts && !named.iter().any(|subject| matches!(subject, Subject::Network(_))) {
        let text = "--with-counts: none of --models is a network that counts could be weighed with; name one";
        return Err(Failure::user(text));
    }
    let mut once = Vec::new();
    for subject in named {
        if !once.contains(&subject) {
            once.push(subject);
        }
    }
    Ok(once)
}
