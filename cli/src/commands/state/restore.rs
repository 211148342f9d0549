//! `hmisr state restore`.

use std::collections::BTreeSet;
use std::path::Path;

use hmisr_state::{PartitionCheckpoints, put_in_place};
use serde::Serialize;

use super::args::PartitionOffset;
use super::{open, print};
use crate::config::Config;
use crate::failure::Failure;

/// Which checkpoints are wanted.
pub struct Wanted {
    /// Of which topic, by its id.
    pub topic: Option<String>,
    /// Of which partitions, at or before which offset; all, the newest, where there are none.
    pub offsets: Vec<PartitionOffset>,
}

#[derive(Serialize)]
struct Restored {
    partition: i32,
    next_offset: i64,
    bytes: u64,
}

pub fn run(
    config: &Config,
    folder: &Path,
    url: Option<String>,
    wanted: &Wanted,
    json: bool,
) -> Result<(), Failure> {
    let found = choose(config, open(config, url)?.partitions()?, wanted)?;
    let target = |checkpoints: &PartitionCheckpoints| {
        folder.join(format!("partition-{:05}", checkpoints.identity().partition))
    };
    // Before the first byte is written.
    for path in found.iter().map(|(checkpoints, _)| target(checkpoints)) {
        if path.exists() {
            return Err(Failure::user(format!(
                "{}: is there already; move it away, or name another folder with --state",
                path.display()
            )));
        }
    }
    std::fs::create_dir_all(folder)?;
    let mut restored = Vec::new();
    for (checkpoints, limit) in &found {
        let scratch = tempfile::tempdir_in(folder)?;
        let local = scratch.path().join("checkpoint");
        let warn = |error: &hmisr_state::Error| tracing::warn!(%error, "a damaged checkpoint is passed over");
        let manifest = checkpoints.download(&local, 0..=*limit, warn)?.ok_or_else(|| {
            let partition = checkpoints.identity().partition;
            Failure::user(format!(
                "partition {partition}: no usable checkpoint at or before offset {limit}; `hmisr state inspect --checkpoints` lists them"
            ))
        })?;
        put_in_place(&local, &target(checkpoints))?;
        restored.push(Restored {
            partition: checkpoints.identity().partition,
            next_offset: manifest.next_offset,
            bytes: manifest.bytes(),
        });
    }
    print(json, &restored, |restored| {
        let Restored { partition, next_offset, bytes } = restored;
        format!("partition {partition} at offset {next_offset}: {bytes} bytes")
    });
    Ok(())
}

/// The checkpoints of the group, features and topic in force, with the greatest offset wanted.
fn choose(
    config: &Config,
    all: Vec<PartitionCheckpoints>,
    wanted: &Wanted,
) -> Result<Vec<(PartitionCheckpoints, i64)>, Failure> {
    let (group, features) = (&config.pipeline.group, config.pipeline.definition(&config.features));
    let limit = |partition: i32| match &wanted.offsets[..] {
        [] => Some(i64::MAX),
        offsets => offsets.iter().find(|wanted| wanted.partition == partition).map(|wanted| wanted.offset),
    };
    let fits = |it: &PartitionCheckpoints| {
        let identity = it.identity();
        identity.group == *group
            && identity.features == features
            && wanted.topic.as_ref().is_none_or(|topic| identity.topic == *topic)
    };
    let found: Vec<_> = all.into_iter().filter(fits).collect();
    let topics: BTreeSet<_> =
        found.iter().map(|it| (it.identity().topic.as_str(), it.identity().visits_kept)).collect();
    if found.is_empty() || topics.len() > 1 {
        let topics: Vec<String> =
            topics.iter().map(|(topic, kept)| format!("{topic} ({kept} visits kept)")).collect();
        let what =
            if topics.is_empty() { "none".to_owned() } else { format!("those of {}", topics.join(", ")) };
        return Err(Failure::user(format!(
            "there are checkpoints of group `{group}` under the features in force: {what}; `hmisr state inspect --checkpoints` lists all, --topic, --set pipeline.group and --set features choose"
        )));
    }
    let found: Vec<_> =
        found.into_iter().filter_map(|it| limit(it.identity().partition).map(|limit| (it, limit))).collect();
    match wanted
        .offsets
        .iter()
        .find(|wanted| found.iter().all(|it| it.0.identity().partition != wanted.partition))
    {
        Some(PartitionOffset { partition, .. }) => {
            Err(Failure::user(format!("--offset {partition}=…: there is no checkpoint of that partition")))
        }
        None => Ok(found),
    }
}
