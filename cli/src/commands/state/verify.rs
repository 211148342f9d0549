//! `hmisr state verify`.

use std::path::Path;

use hmisr_state::{ErrorKind, Resources, Verified};
use serde::Serialize;

use super::{print, stores, written_under};
use crate::args::StatePlace;
use crate::config::Config;
use crate::failure::Failure;

/// One store or checkpoint that was looked at.
#[derive(Serialize)]
struct Looked {
    place: String,
    partition: i32,
    next_offset: Option<i64>,
    #[serde(flatten)]
    found: Verified,
}

pub fn run(config: &Config, place: &StatePlace, json: bool) -> Result<(), Failure> {
    let looked = match &place.checkpoints {
        Some(url) => checkpoints(config, url)?,
        None => stores(&place.state)?.iter().map(|path| look(config, path)).collect::<Result<_, _>>()?,
    };
    print(json, &looked, |looked| {
        let Verified { users, items, faults, first_faults } = &looked.found;
        let mut text = format!("{}: {users} users, {items} items, ", looked.place);
        text += &if *faults == 0 { "nothing wrong".to_owned() } else { format!("{faults} faults") };
        first_faults.iter().for_each(|fault| text += &format!("\n  {fault}"));
        text
    });
    let faults: u64 = looked.iter().map(|looked| looked.found.faults).sum();
    match faults {
        0 => Ok(()),
        _ => Err(Failure::found(format!(
            "{faults} faults; restore an older checkpoint (`hmisr state restore`), or rebuild the state from the first event in an empty data folder"
        ))),
    }
}

fn look(config: &Config, path: &Path) -> Result<Looked, Failure> {
    let resources = Resources::new(config.state.clone());
    let identity = written_under(config, path, &resources)?;
    let next_offset = hmisr_state::inspect(path, &resources)?.next_offset;
    let found = match hmisr_state::verify(path, &config.features, &resources) {
        Err(error) if error.kind() == ErrorKind::Corrupt => broken(error.to_string()),
        other => other?,
    };
    Ok(Looked { place: path.display().to_string(), partition: identity.partition, next_offset, found })
}

fn checkpoints(config: &Config, url: &str) -> Result<Vec<Looked>, Failure> {
    let scratch = tempfile::tempdir()?;
    let mut looked = Vec::new();
    for checkpoints in super::open(config, Some(url.to_owned()))?.partitions()? {
        for offset in checkpoints.offsets()? {
            let folder = scratch.path().join("checkpoint");
            let mut damage = None;
            let fetched =
                checkpoints.download(&folder, offset..=offset, |error| damage = Some(error.to_string()))?;
            let found = match fetched {
                Some(_) => look(config, &folder)?.found,
                None => broken(damage.unwrap_or_else(|| "it was deleted meanwhile".to_owned())),
            };
            looked.push(Looked {
                place: format!("{} at offset {offset}", checkpoints.describe()),
                partition: checkpoints.identity().partition,
                next_offset: Some(offset),
                found,
            });
        }
    }
    if looked.is_empty() {
        return Err(Failure::user(format!("--checkpoints {url}: there is no checkpoint")));
    }
    Ok(looked)
}

fn broken(fault: String) -> Verified {
    Verified { faults: 1, first_faults: vec![fault], ..Verified::default() }
}
