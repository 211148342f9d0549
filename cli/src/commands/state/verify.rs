//! `hmisr state verify`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hmisr_state::{ErrorKind, Identity, Resources, Verified, for_each_user_of};
use hmisr_stream::KeySample;
use serde::Serialize;

use super::args::StatePlace;
use super::{all_stores, print, written_under};
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
    /// Its users who are in another partition as well.
    split_users: u64,
    /// The first of them, and where else they are.
    first_split_users: Vec<String>,
    /// Whether a newer one of its partition is there: then its users are looked for in that one alone.
    outdated: bool,
    /// Where it can be read, and what it is; nowhere where it is damaged, or a checkpoint that was removed.
    #[serde(skip)]
    readable: Option<(PathBuf, Identity)>,
}

pub fn run(config: &Config, place: &StatePlace, json: bool) -> Result<(), Failure> {
    // The newest checkpoints stay here until users were looked for in all of them.
    let scratch = tempfile::tempdir()?;
    let mut looked = match &place.checkpoints {
        Some(url) => checkpoints(config, url, scratch.path())?,
        None => all_stores(&place.state)?
            .iter()
            .map(|path| look(config, path))
            .collect::<Result<Vec<_>, Failure>>()?,
    };
    let split = find_split(config, &mut looked)?;
    print(json, &looked, |looked| {
        let Verified { users, items, faults, first_faults } = &looked.found;
        let mut text = format!("{}: {users} users, {items} items, ", looked.place);
        text += &if *faults == 0 { "nothing wrong".to_owned() } else { format!("{faults} faults") };
        if looked.outdated {
            text += "; a newer one of its partition is there";
        }
        if looked.split_users > 0 {
            text += &format!(", {} users who are in another partition too", looked.split_users);
        }
        first_faults.iter().chain(&looked.first_split_users).for_each(|it| text += &format!("\n  {it}"));
        text
    });
    let faults: u64 = looked.iter().map(|looked| looked.found.faults).sum();
    if faults > 0 {
        return Err(Failure::found(format!(
            "{faults} faults; restore an older checkpoint (`hmisr state restore`), or rebuild the state from the first event in an empty data folder"
        )));
    }
    match split {
        0 => Ok(()),
        _ => Err(Failure::found(format!(
            "{split} users have state in several partitions: their events were written by producers with different partitioners. Let all use one; `hmisr forget` empties every partition of a user, and a state that is built anew from events under one partitioner has each user once (docs/kafka.md, Partitioner)"
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
    let readable = (found.faults == 0).then(|| (path.to_owned(), identity.clone()));
    Ok(Looked::new(path.display().to_string(), identity.partition, next_offset, found, readable))
}

impl Looked {
    fn new(
        place: String,
        partition: i32,
        next_offset: Option<i64>,
        found: Verified,
        readable: Option<(PathBuf, Identity)>,
    ) -> Self {
        let (split_users, first_split_users, outdated) = (0, Vec::new(), false);
        Self { place, partition, next_offset, found, split_users, first_split_users, outdated, readable }
    }
}

/// The newest store of each partition, by its place in `looked`, for each topic and group; older ones are marked.
fn newest(looked: &mut [Looked]) -> Vec<Vec<usize>> {
    let mut newest: BTreeMap<(String, String), BTreeMap<i32, usize>> = BTreeMap::new();
    for at in 0..looked.len() {
        let Some((_, identity)) = &looked[at].readable else { continue };
        let topic = (identity.topic.clone(), identity.group.clone());
        let found = newest.entry(topic).or_default().entry(identity.partition).or_insert(at);
        if *found != at {
            let is_newer = looked[at].next_offset > looked[*found].next_offset;
            let older = if is_newer { std::mem::replace(found, at) } else { at };
            looked[older].outdated = true;
        }
    }
    newest.into_values().map(|partitions| partitions.into_values().collect()).collect()
}

/// Names the users whom several partitions have, and says where keys lie otherwise than the settings
/// put them. How many users there are of the former.
fn find_split(config: &Config, looked: &mut [Looked]) -> Result<u64, Failure> {
    newest(looked).iter().map(|searched| find_split_of(config, looked, searched)).sum()
}

/// The same over the partitions of one topic and group, at the places `searched`.
fn find_split_of(config: &Config, looked: &mut [Looked], searched: &[usize]) -> Result<u64, Failure> {
    let configured = config.topics.partitioner;
    let stores: Vec<(PathBuf, Identity)> =
        searched.iter().filter_map(|at| looked[*at].readable.clone()).collect();
    let paths: Vec<&Path> = stores.iter().map(|(path, _)| path.as_path()).collect();
    let mut sample = KeySample::new(stores.first().map_or(0, |(_, identity)| identity.partitions));
    let (mut users, mut elsewhere, mut split) = (0_u64, 0_u64, 0_u64);
    let resources = Resources::new(config.state.clone());
    for_each_user_of(&paths, &config.features, &resources, |user, found| {
        let key = user.to_string();
        let partitions: Vec<i32> = found.iter().map(|store| stores[*store].1.partition).collect();
        for &partition in &partitions {
            users += 1;
            let expected = configured.of(key.as_bytes(), sample.partitions());
            elsewhere += u64::from(expected.is_some_and(|expected| expected != partition));
            sample.add(key.as_bytes(), partition);
        }
        if found.len() < 2 {
            return;
        }
        split += 1;
        for (store, partition) in found.iter().zip(&partitions) {
            let looked = &mut looked[searched[*store]];
            looked.split_users += 1;
            if looked.first_split_users.len() < NAMED {
                let others: Vec<String> =
                    partitions.iter().filter(|other| *other != partition).map(i32::to_string).collect();
                let text = format!("user {user}: is in partition {} too", others.join(", "));
                looked.first_split_users.push(text);
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

fn checkpoints(config: &Config, url: &str, scratch: &Path) -> Result<Vec<Looked>, Failure> {
    let mut looked = Vec::new();
    for (number, checkpoints) in super::open(config, Some(url.to_owned()))?.partitions()?.iter().enumerate() {
        let kept = scratch.join(number.to_string());
        for offset in checkpoints.offsets()? {
            let is_first = !kept.exists();
            let folder = if is_first { kept.clone() } else { scratch.join("older") };
            let mut damage = None;
            let fetched =
                checkpoints.download(&folder, offset..=offset, |error| damage = Some(error.to_string()))?;
            let (found, readable) = match fetched {
                Some(_) => {
                    let Looked { found, readable, .. } = look(config, &folder)?;
                    (found, readable.filter(|_| is_first))
                }
                None => (broken(damage.unwrap_or_else(|| "it was deleted meanwhile".to_owned())), None),
            };
            if is_first && readable.is_none() && folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            let place = format!("{} at offset {offset}", checkpoints.describe());
            let partition = checkpoints.identity().partition;
            looked.push(Looked::new(place, partition, Some(offset), found, readable));
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
