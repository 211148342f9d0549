//! Making a cluster have what is wanted.

use serde::Serialize;

use crate::api::{Change, NewPipeline, StopMode};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::plan::{Ended, Found, Plan, Step, Tuning};
use crate::texts::Wanted;

/// Parallelism of a pipeline that is made, where none is given.
const PARALLELISM: u32 = 1;
/// Interval of checkpoints of a pipeline that is made, where none is given: Arroyo's own default.
const INTERVAL_MICROS: u64 = 10_000_000;

/// What was done for a pipeline.
#[derive(Debug, Serialize)]
pub struct Deployed {
    /// Its name.
    pub name: String,
    /// Its id on the cluster.
    pub id: String,
    /// What it took.
    pub outcome: Outcome,
    /// Pipelines with an older text that were stopped and deleted.
    pub removed: Vec<String>,
}

/// What it took to have a pipeline run as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing: it ran.
    Unchanged,
    /// Another parallelism, or another interval of checkpoints.
    Tuned,
    /// A start: it had been stopped.
    Started,
    /// A start: it had failed.
    Restarted,
    /// It was made: there was none of its name.
    Created,
    /// It was made, in the place of one with another text.
    Replaced,
}

/// Has the cluster check every text. Nothing is made before all of them are sound.
///
/// # Errors
/// With the errors of the first function, or query, that is not.
pub fn check(cluster: &Cluster<'_>, wanted: &[Wanted]) -> Result<()> {
    let mut checked = std::collections::BTreeSet::new();
    for (name, udf) in wanted.iter().flat_map(|pipeline| &pipeline.udfs) {
        if !checked.insert(name) {
            continue;
        }
        cluster.tell(&format!("checking {name}.rs (the first time Arroyo compiles it, which takes minutes)"));
        let errors = cluster.api.check_udf(udf)?;
        if !errors.is_empty() {
            return Err(Error::refused(format!(
                "{name}.rs does not compile on the cluster, so nothing was deployed:\n{}",
                errors.join("\n")
            )));
        }
    }
    for pipeline in wanted {
        cluster.tell(&format!("checking {}.sql", pipeline.name));
        let errors = cluster.api.check_query(&pipeline.query, &pipeline.udfs())?;
        if !errors.is_empty() {
            return Err(Error::refused(format!(
                "queries/{}.sql is refused by the cluster, so nothing was deployed:\n{}",
                pipeline.name,
                errors.join("\n")
            )));
        }
    }
    Ok(())
}

/// Makes the cluster have `wanted`; what is there already is let be.
///
/// # Errors
/// With what has been deployed before, and what has not.
pub fn deploy(cluster: &Cluster<'_>, wanted: &[Wanted], tuning: Tuning) -> Result<Vec<Deployed>> {
    let found = cluster.found()?;
    let mut deployed: Vec<Deployed> = Vec::new();
    if cluster.is_interrupted() {
        return Err(Error::failed("stopped; every text is sound, nothing was deployed"));
    }
    for pipeline in wanted {
        let here: Vec<Found> =
            found.iter().filter(|found| found.pipeline.name == pipeline.name).cloned().collect();
        let plan = Plan::of(pipeline, tuning, &here);
        match follow(cluster, pipeline, plan) {
            Ok(done) => deployed.push(done),
            Err(problem) => {
                let done: Vec<&str> = deployed.iter().map(|done| done.name.as_str()).collect();
                let rest = wanted.iter().skip(deployed.len() + 1).map(|left| left.name.as_str());
                let rest: Vec<&str> = rest.collect();
                let list = |names: &[&str]| match names.is_empty() {
                    true => "none".to_owned(),
                    false => names.join(", "),
                };
                return Err(Error::failed(format!(
                    "{problem}\ndeployed before it: {}; not begun: {}; give the same command again when it is mended",
                    list(&done),
                    list(&rest)
                )));
            }
        }
    }
    Ok(deployed)
}

fn follow(cluster: &Cluster<'_>, wanted: &Wanted, plan: Plan) -> Result<Deployed> {
    let (name, api) = (&wanted.name, &cluster.api);
    // A rescaled job is for a moment still the old one.
    let mut after_run = 0;
    let mut has_shown_it = false;
    let (id, outcome) = match plan.step {
        Step::Keep { id, tuning, ended } => {
            let outcome = match ended {
                Some(Ended::Stopped) => Outcome::Started,
                Some(Ended::Failed) => Outcome::Restarted,
                None if tuning != Tuning::default() => Outcome::Tuned,
                None => Outcome::Unchanged,
            };
            if let Some(job) = api.job(&id)? {
                after_run = if tuning.parallelism.is_some() { job.run_id } else { 0 };
                has_shown_it = cluster.checkpoint(&id, &job)?.is_some();
            }
            if outcome != Outcome::Unchanged {
                api.change(
                    &id,
                    &Change {
                        parallelism: tuning.parallelism,
                        checkpoint_interval_micros: tuning.interval_micros,
                        stop: ended.map(|_| StopMode::None),
                    },
                )?;
            }
            if ended == Some(Ended::Failed) {
                api.restart(&id)?;
            }
            (id, outcome)
        }
        Step::Create { tuning } => {
            let made = api.create(&NewPipeline {
                name,
                query: &wanted.query,
                udfs: &wanted.udfs(),
                parallelism: tuning.parallelism.unwrap_or(PARALLELISM),
                checkpoint_interval_micros: tuning.interval_micros.unwrap_or(INTERVAL_MICROS),
            })?;
            (made.id, if plan.remove.is_empty() { Outcome::Created } else { Outcome::Replaced })
        }
    };
    let runs = match outcome {
        // One that an earlier command left behind may crash again and again.
        Outcome::Unchanged if has_shown_it && plan.remove.is_empty() => cluster.until_running(name, &id),
        _ => cluster.until_sound(name, &id, after_run),
    };
    if let Err(problem) = runs {
        return Err(undone(cluster, name, &id, outcome, &plan.remove, &problem));
    }
    for old in &plan.remove {
        // Its state is of no use to another text.
        cluster.remove(name, old, StopMode::Immediate)?;
    }
    Ok(Deployed { name: name.clone(), id, outcome, removed: plan.remove })
}

/// Takes a replacement that does not run away again, so that what ran before stays alone.
fn undone(
    cluster: &Cluster<'_>,
    name: &str,
    id: &str,
    outcome: Outcome,
    old: &[String],
    problem: &Error,
) -> Error {
    if outcome != Outcome::Replaced || cluster.is_interrupted() {
        return Error::failed(problem.to_string());
    }
    let old = old.join(", ");
    match cluster.remove(name, id, StopMode::Immediate) {
        Ok(()) => Error::failed(format!("{problem}; {id} was deleted again, {old} goes on as before")),
        Err(left) => {
            Error::failed(format!("{problem}; {old} goes on as before, {id} is left behind: {left}"))
        }
    }
}
