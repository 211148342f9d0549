//! What the commands about a cluster print, as JSON or for people, and how they end.

use std::collections::BTreeSet;

use hmisr_arroyo::{Deployed, Difference, Outcome, Status, Stopped};

use crate::failure::Failure;

pub fn deployed(deployed: &[Deployed], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&deployed);
    }
    for Deployed { name, id, outcome, removed } in deployed {
        let what = match outcome {
            Outcome::Unchanged => "runs, unchanged",
            Outcome::Tuned => "runs, with the new parallelism or checkpoint interval",
            Outcome::Started => "was stopped, runs again",
            Outcome::Restarted => "had failed, runs again",
            Outcome::Created => "runs, new",
            Outcome::Replaced => "runs, with the new text",
        };
        let removed = match removed.is_empty() {
            true => String::new(),
            false => format!("; removed {}", removed.join(", ")),
        };
        println!("{name:<26} {id:<14} {what}{removed}");
    }
    Ok(())
}

pub fn differences(differences: &[Difference], json: bool) -> Result<(), Failure> {
    if json {
        print_json(&differences)?;
    } else {
        for Difference { name, id, diff } in differences {
            match id {
                None => println!("{name}: not on the cluster"),
                Some(id) if diff.is_empty() => println!("{name} ({id}): the same"),
                Some(id) => print!("{name} ({id}):\n{diff}"),
            }
        }
    }
    let differ = differences.iter().filter(|found| found.id.is_none() || !found.diff.is_empty()).count();
    match differ {
        0 => Ok(()),
        _ => Err(Failure::found(format!("{differ} of {} differ", differences.len()))),
    }
}

pub fn statuses(statuses: &[Status], json: bool) -> Result<(), Failure> {
    match json {
        true => print_json(&statuses)?,
        false => table(statuses),
    }
    let idle: BTreeSet<&str> = statuses
        .iter()
        .filter(|status| status.state.as_deref() != Some("Running"))
        .map(|status| status.name.as_str())
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

fn table(statuses: &[Status]) {
    let head = ["pipeline", "id", "state", "runs", "tasks", "text"];
    println!(
        "{:<26} {:<14} {:<12} {:>4}  {:>5}  {:<7}  checkpoint",
        head[0], head[1], head[2], head[3], head[4], head[5]
    );
    for status in statuses {
        let text = match (&status.id, status.current) {
            (None, _) => "-",
            (_, true) => "current",
            (_, false) => "differs",
        };
        println!(
            "{:<26} {:<14} {:<12} {:>4}  {:>5}  {text:<7}  {}",
            status.name,
            status.id.as_deref().unwrap_or("-"),
            status.state.as_deref().unwrap_or("absent"),
            number(status.runs),
            number(status.tasks),
            status.checkpoint_time.map_or("none".to_owned(), ago),
        );
        if let Some(failure) = &status.failure {
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

/// `names`: those that were asked for; `deleted`: whether they were to be deleted as well.
pub fn stopped(stopped: &[Stopped], names: &[String], deleted: bool, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&stopped);
    }
    for name in names {
        let of_name = stopped.iter().filter(|stopped| stopped.name == *name);
        let ids: Vec<&str> = of_name.map(|stopped| stopped.id.as_str()).collect();
        match (ids.is_empty(), deleted) {
            (true, _) => println!("{name:<26} is not there"),
            (_, true) => println!("{name:<26} {} deleted", ids.join(", ")),
            (_, false) => println!("{name:<26} {} stopped", ids.join(", ")),
        }
    }
    Ok(())
}

/// Prints a result as one line of JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(value).map_err(|error| Failure::fault(&error))?);
    Ok(())
}
