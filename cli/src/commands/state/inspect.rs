//! `hmisr state inspect`.

use hmisr_state::{Identity, PartitionCheckpoints, Resources};
use serde::Serialize;

use super::all_stores;
use super::args::StatePlace;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: &Config, place: &StatePlace, json: bool) -> Result<(), Failure> {
    match &place.checkpoints {
        Some(url) => checkpoints(config, url, json),
        None => folder(config, place, json),
    }
}

fn folder(config: &Config, place: &StatePlace, json: bool) -> Result<(), Failure> {
    let resources = Resources::new(config.state.clone());
    let inspect = |path: &std::path::PathBuf| hmisr_state::inspect(path, &resources);
    let found = all_stores(&place.state)?.iter().map(inspect).collect::<Result<Vec<_>, _>>()?;
    if json {
        println!("{}", serde_json::json!(found));
        return Ok(());
    }
    let mut shown = None;
    for store in &found {
        head(
            &mut shown,
            &store.identity,
            "partition  next offset         events       clock ms        users        items        bytes",
        );
        println!(
            "{:>9} {:>12} {:>14} {:>14} {:>12} {:>12} {:>12}",
            store.identity.partition,
            or_none(store.next_offset),
            store.events,
            or_none(store.clock),
            store.users,
            store.items,
            store.bytes
        );
    }
    Ok(())
}

/// One checkpoint.
#[derive(Serialize)]
struct Found {
    identity: Identity,
    next_offset: i64,
    files: usize,
    bytes: u64,
    /// Whether `latest` names it.
    latest: bool,
    /// Why it cannot be restored, as far as its manifest tells.
    damaged: Option<String>,
}

fn checkpoints(config: &Config, url: &str, json: bool) -> Result<(), Failure> {
    let mut found = Vec::new();
    for checkpoints in super::open(config, Some(url.to_owned()))?.partitions()? {
        let latest = checkpoints.latest()?;
        for offset in checkpoints.offsets()? {
            found.push(look(&checkpoints, offset, latest == Some(offset))?);
        }
    }
    if found.is_empty() {
        return Err(Failure::user(format!("--checkpoints {url}: there is no checkpoint")));
    }
    if json {
        println!("{}", serde_json::json!(found));
        return Ok(());
    }
    let mut shown = None;
    for checkpoint in &found {
        head(&mut shown, &checkpoint.identity, "partition  next offset    files        bytes");
        println!(
            "{:>9} {:>12} {:>8} {:>12}{}",
            checkpoint.identity.partition,
            checkpoint.next_offset,
            checkpoint.files,
            checkpoint.bytes,
            match &checkpoint.damaged {
                Some(why) => format!("  damaged: {why}"),
                None if checkpoint.latest => "  latest".to_owned(),
                None => String::new(),
            }
        );
    }
    Ok(())
}

fn look(checkpoints: &PartitionCheckpoints, offset: i64, latest: bool) -> Result<Found, Failure> {
    let identity = checkpoints.identity().clone();
    match checkpoints.manifest(offset) {
        Ok(manifest) => Ok(Found {
            identity,
            next_offset: offset,
            files: manifest.files.len(),
            bytes: manifest.bytes(),
            latest,
            damaged: None,
        }),
        Err(error) if error.kind() == hmisr_state::ErrorKind::Corrupt => {
            let damaged = Some(error.to_string());
            Ok(Found { identity, next_offset: offset, files: 0, bytes: 0, latest, damaged })
        }
        Err(error) => Err(error.into()),
    }
}

/// Prints what the following lines have in common, where it is not what the ones before had.
fn head(shown: &mut Option<Identity>, identity: &Identity, columns: &str) {
    let common = Identity { partition: 0, ..identity.clone() };
    if shown.as_ref() == Some(&common) {
        return;
    }
    let Identity { format, topic, group, partitions, features, visits_kept, partition: _ } = &common;
    println!(
        "group {group}, topic {topic} of {partitions} partitions, format {format}, {visits_kept} visits kept"
    );
    println!("features: {features}");
    println!("{columns}");
    *shown = Some(common);
}

fn or_none(value: Option<i64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
