//! `hmisr state verify`.

use std::path::{Path, PathBuf};

use hmisr_state::{ErrorKind, Resources, Verified, for_each_user_of};
use hmisr_stream::KeySample;
use serde::Serialize;

use super::args::StatePlace;
use super::{print, stores, written_under};
use crate::config::Config;
use crate::failure::Failure;

/// Users that are named one by one; more are only counted.
const NAMED: usize = 20;

/// One store or checkpoint that was looked at.
#[derive(Serialize)]
struct Looked {
    place: String,
    partition: i32,
    next_offset: Option<i64>,
    #[serde(flatten)]
    found: Verified,
    /// Its users who are in another of the stores as well.
    split_users: u64,
    /// The first of them, and where else they are.
    first_split_users: Vec<String>,
    #[serde(skip)]
    partitions: i32,
}

pub fn run(config: &Config, place: &StatePlace, json: bool) -> Result<(), Failure> {
    let mut split = 0;
    let looked = match &place.checkpoints {
        Some(url) => checkpoints(config, url)?,
        None => {
            let paths = stores(&place.state)?;
            let mut looked =
                paths.iter().map(|path| look(config, path)).collect::<Result<Vec<_>, Failure>>()?;
            // What is damaged is told alone: the stores are read once more here.
            if looked.iter().all(|looked| looked.found.faults == 0) {
                split = find_split(config, &paths, &mut looked)?;
            }
            looked
        }
    };
    print(json, &looked, |looked| {
        let Verified { users, items, faults, first_faults } = &looked.found;
        let mut text = format!("{}: {users} users, {items} items, ", looked.place);
        text += &if *faults == 0 { "nothing wrong".to_owned() } else { format!("{faults} faults") };
        if looked.split_users > 0 {
            text += &format!(", {} users who are in another partition too", looked.split_users);
        }
        first_faults.iter().chain(&looked.first_split_users).for_each(|it| text += &format!("\n  {it}"));
        text
    });
    if split > 0 {
        return Err(Failure::found(format!(
            "{split} users have state in several partitions: their events were written by producers with different partitioners. Let all use one; `hmisr forget` empties every partition of a user, and a state that is built anew from events under one partitioner has each user once (docs/kafka.md, Partitioner)"
        )));
    }
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
    Ok(Looked {
        place: path.display().to_string(),
        partition: identity.partition,
        next_offset,
        found,
        split_users: 0,
        first_split_users: Vec::new(),
        partitions: identity.partitions,
    })
}

/// Names the users whom several of the stores have, and says where keys lie otherwise than the settings
/// put them. How many users there are of the former.
fn find_split(config: &Config, paths: &[PathBuf], looked: &mut [Looked]) -> Result<u64, Failure> {
    let configured = config.topics.partitioner;
    let places: Vec<i32> = looked.iter().map(|looked| looked.partition).collect();
    let mut sample = KeySample::new(looked.first().map_or(0, |looked| looked.partitions));
    let (mut users, mut elsewhere, mut split) = (0_u64, 0_u64, 0_u64);
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let resources = Resources::new(config.state.clone());
    for_each_user_of(&paths, &config.features, &resources, |user, stores| {
        let key = user.to_string();
        for &store in stores {
            users += 1;
            let expected = configured.of(key.as_bytes(), sample.partitions());
            elsewhere += u64::from(expected.is_some_and(|expected| expected != places[store]));
            sample.add(key.as_bytes(), places[store]);
        }
        if stores.len() < 2 {
            return;
        }
        split += 1;
        for &store in stores {
            looked[store].split_users += 1;
            if looked[store].first_split_users.len() < NAMED {
                let others: Vec<String> = stores
                    .iter()
                    .filter(|other| **other != store)
                    .map(|other| places[*other].to_string())
                    .collect();
                let text = format!("user {user}: is in partition {} too", others.join(", "));
                looked[store].first_split_users.push(text);
            }
        }
    })?;
    if elsewhere > 0 {
        let advice = match sample.best(configured).filter(|best| *best != configured) {
            Some(best) => format!(": set topics.partitioner = \"{best}\""),
            None => String::new(),
        };
        tracing::warn!(
            "{elsewhere} of {users} users lie in another partition than topics.partitioner = \"{configured}\" puts them; {sample}{advice}"
        );
    }
    Ok(split)
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
                split_users: 0,
                first_split_users: Vec::new(),
                partitions: checkpoints.identity().partitions,
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
