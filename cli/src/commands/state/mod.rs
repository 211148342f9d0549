//! `hmisr state`.

pub mod args;
mod bind;
mod checkpoint;
mod export;
mod inspect;
mod restore;
mod verify;

use std::path::{Path, PathBuf};

use hmisr_state::{CheckpointStore, Identity, Resources};

use self::args::StateCommand;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, command: StateCommand) -> Result<(), Failure> {
    match command {
        StateCommand::Inspect { place, json } => inspect::run(&config, &place, json),
        StateCommand::Verify { place, json } => verify::run(&config, &place, json),
        StateCommand::Export { state, output } => export::run(&config, &state, output.as_deref()),
        StateCommand::Checkpoint { state, checkpoints, json } => {
            checkpoint::run(&config, &state, checkpoints, json)
        }
        StateCommand::Restore { state, checkpoints, topic, offsets, json } => {
            let wanted = restore::Wanted { topic, offsets };
            restore::run(&config, &state, checkpoints, &wanted, json)
        }
        StateCommand::Bind { state, kafka, offsets, at_timestamp, json } => {
            bind::run(config, &state, &kafka, at_timestamp.ok_or(offsets), json)
        }
    }
}

/// The partition folders of all of the folders, in their order.
fn all_stores(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let stores: Vec<Vec<PathBuf>> = folders.iter().map(|folder| stores(folder)).collect::<Result<_, _>>()?;
    Ok(stores.concat())
}

/// The partition folders, in their order.
pub fn stores(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = std::fs::read_dir(folder).map_err(|error| {
        Failure::user(format!(
            "--state {}: {error}; name the folder that holds partition-00000",
            folder.display()
        ))
    })?;
    let mut stores: Vec<PathBuf> = read
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("partition-")))
        .collect();
    stores.sort();
    if stores.is_empty() {
        return Err(Failure::user(format!("--state {}: holds no partition store", folder.display())));
    }
    Ok(stores)
}

/// The store's identity, where it was written under the settings in force.
pub fn written_under(config: &Config, path: &Path, resources: &Resources) -> Result<Identity, Failure> {
    let identity = Identity::of(path, resources)?;
    let definition = config.pipeline.definition(&config.features);
    if identity.features != definition {
        return Err(Failure::user(format!(
            "{}: written with `{}`, the settings in force are `{definition}`; set the former with --set or --config",
            path.display(),
            identity.features,
        )));
    }
    Ok(identity)
}

/// The checkpoints of the command line or the configuration.
fn open(config: &Config, url: Option<String>) -> Result<CheckpointStore, Failure> {
    let url = url.unwrap_or_else(|| config.state.checkpoints.clone());
    if url.is_empty() {
        return Err(Failure::user(
            "--checkpoints: state.checkpoints is not set either; name a place, such as file:///var/lib/hmisr/checkpoints",
        ));
    }
    Ok(CheckpointStore::open(&url)?)
}

/// Prints what a command did: one JSON array, or a line for each.
fn print<T: serde::Serialize>(json: bool, done: &[T], line: impl Fn(&T) -> String) {
    if json {
        println!("{}", serde_json::json!(done));
    } else {
        done.iter().for_each(|done| println!("{}", line(done)));
    }
}
