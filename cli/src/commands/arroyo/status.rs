//! `hmisr arroyo status` and `stop`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::api::StopMode;
use super::cluster::Cluster;
use super::plan::Found;
use super::texts::Wanted;
use crate::failure::Failure;

/// A pipeline's line.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// None where the cluster has no such pipeline.
    id: Option<String>,
    /// The job's state in Arroyo's words.
    state: Option<String>,
    tasks: Option<u64>,
    parallelism: Option<u32>,
    /// How often the job has been scheduled; more with each crash.
    runs: Option<u64>,
    /// When the job began, microseconds since 1970.
    start_time: Option<u64>,
    /// When its newest whole checkpoint ended, microseconds since 1970.
    checkpoint_time: Option<u64>,
    /// Whether query and functions are the ones that would be deployed.
    current: bool,
    failure: Option<String>,
}

pub fn run(cluster: &Cluster<'_>, wanted: &[Wanted], json: bool) -> Result<(), Failure> {
    let found = cluster.found()?;
    let mut lines = Vec::new();
    for pipeline in wanted {
        let of_name = found.iter().filter(|found| found.pipeline.name == pipeline.name);
        let of_name: Vec<&Found> = of_name.collect();
        if of_name.is_empty() {
            lines.push(Line::absent(&pipeline.name));
        }
        for found in of_name {
            lines.push(Line::of(cluster, pipeline, found)?);
        }
    }
    match json {
        true => super::print_json(&lines)?,
        false => print(&lines),
    }
    let idle: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.state.as_deref() != Some("Running"))
        .map(|line| line.name.as_str())
        .collect();
    match idle.is_empty() {
        true => Ok(()),
        false => Err(Failure::found(format!(
            "not running: {}; `hmisr arroyo deploy {}` starts them",
            joined(&idle, ", "),
            joined(&idle, " ")
        ))),
    }
}

fn joined(names: &BTreeSet<&str>, by: &str) -> String {
    names.iter().copied().collect::<Vec<_>>().join(by)
}

impl Line {
    fn absent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            state: None,
            tasks: None,
            parallelism: None,
            runs: None,
            start_time: None,
            checkpoint_time: None,
            current: false,
            failure: None,
        }
    }

    fn of(cluster: &Cluster<'_>, wanted: &Wanted, found: &Found) -> Result<Self, Failure> {
        let pipeline = &found.pipeline;
        let mut line = Self {
            id: Some(pipeline.id.clone()),
            parallelism: Some(pipeline.parallelism()),
            current: found.is_same(wanted),
            ..Self::absent(&pipeline.name)
        };
        if let Some(job) = &found.job {
            line.state = Some(job.state.clone());
            line.tasks = job.tasks;
            line.runs = Some(job.run_id);
            line.start_time = job.start_time;
            line.failure.clone_from(&job.failure_message);
            line.checkpoint_time = cluster.checkpoint(&pipeline.id, job)?;
        }
        Ok(line)
    }
}

fn print(lines: &[Line]) {
    let head = ["pipeline", "id", "state", "runs", "tasks", "text"];
    println!(
        "{:<26} {:<14} {:<12} {:>4}  {:>5}  {:<7}  checkpoint",
        head[0], head[1], head[2], head[3], head[4], head[5]
    );
    for line in lines {
        let text = match (&line.id, line.current) {
            (None, _) => "-",
            (_, true) => "current",
            (_, false) => "differs",
        };
        println!(
            "{:<26} {:<14} {:<12} {:>4}  {:>5}  {text:<7}  {}",
            line.name,
            line.id.as_deref().unwrap_or("-"),
            line.state.as_deref().unwrap_or("absent"),
            number(line.runs),
            number(line.tasks),
            line.checkpoint_time.map_or("none".to_owned(), ago),
        );
        if let Some(failure) = &line.failure {
            println!("  {failure}");
        }
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// A time in microseconds since 1970, told from now.
fn ago(micros: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).saturating_sub(micros) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3_600),
    }
}

/// What was done to a pipeline.
#[derive(Serialize)]
struct Stopped<'a> {
    name: &'a str,
    id: &'a str,
    deleted: bool,
}

/// Stops the pipelines of these names; those that have ended are let be.
pub fn stop(
    cluster: &Cluster<'_>,
    names: &[String],
    mode: StopMode,
    delete: bool,
    json: bool,
) -> Result<(), Failure> {
    let found = cluster.found()?;
    let mut stopped = Vec::new();
    for name in names {
        for found in found.iter().filter(|found| found.pipeline.name == *name) {
            let id = &found.pipeline.id;
            match delete {
                true => cluster.remove(name, id, mode)?,
                false => cluster.stop(name, id, mode)?,
            }
            stopped.push(Stopped { name, id, deleted: delete });
        }
    }
    if json {
        return super::print_json(&stopped);
    }
    for name in names {
        let of_name = stopped.iter().filter(|stopped| stopped.name == name);
        let ids: Vec<&str> = of_name.map(|stopped| stopped.id).collect();
        match (ids.is_empty(), delete) {
            (true, _) => println!("{name:<26} is not there"),
            (_, true) => println!("{name:<26} {} deleted", ids.join(", ")),
            (_, false) => println!("{name:<26} {} stopped", ids.join(", ")),
        }
    }
    Ok(())
}
