//! `hmisr state bind`.

use std::collections::BTreeMap;
use std::path::Path;

use hmisr_state::{Identity, Resources, bind, can_bind};
use hmisr_stream::contract::topic;
use hmisr_stream::kafka::KafkaSource;
use hmisr_stream::{Source, Transport};
use serde::Serialize;

use super::args::PartitionOffset;
use super::{print, stores, written_under};
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;

#[derive(Serialize)]
struct Bound {
    partition: i32,
    next_offset: i64,
}

/// `at_start`: the time from which the topic goes on, or the offsets.
pub fn run(
    config: Config,
    folder: &Path,
    kafka: &BrokerArgs,
    at_start: Result<i64, Vec<PartitionOffset>>,
    json: bool,
) -> Result<(), Failure> {
    let resources = Resources::new(config.state.clone());
    let group = config.pipeline.group.clone();
    // Only asked; it is never polled, so it joins no group.
    let mut source = kafka.kafka(config.kafka.clone()).source(topic::EVENTS, &group)?;
    let partitions = source.topic().partitions;
    let paths = stores(folder)?;
    if i32::try_from(paths.len()) != Ok(partitions) {
        return Err(Failure::user(format!(
            "--state {}: holds {} stores, topic `{}` has {partitions} partitions; build the history with `hmisr backfill --partitions {partitions}`",
            folder.display(),
            paths.len(),
            topic::EVENTS
        )));
    }
    let offsets = offsets(&mut source, at_start)?;
    let mut bound = Vec::new();
    for path in paths {
        let found = written_under(&config, &path, &resources)?;
        let identity = Identity {
            topic: source.topic().id.clone(),
            group: group.clone(),
            partitions,
            visits_kept: config.pipeline.visits_kept(),
            ..found
        };
        can_bind(&path, topic::EVENTS, &identity, &resources)?;
        let next_offset = offsets
            .get(&identity.partition)
            .copied()
            .ok_or_else(|| Failure::user(format!("--offset: partition {} is missing", identity.partition)))?;
        if let Some(committed) = source.committed(identity.partition)? {
            return Err(Failure::user(format!(
                "group `{group}` has committed offset {committed} of partition {} already; bind to a new group with --set pipeline.group=…",
                identity.partition
            )));
        }
        bound.push((path, identity, next_offset));
    }
    // Nothing is written before everything fits.
    for (path, identity, next_offset) in &bound {
        bind(path, topic::EVENTS, identity, *next_offset, &resources)?;
    }
    let bound: Vec<Bound> = bound
        .into_iter()
        .map(|(_, identity, next_offset)| Bound { partition: identity.partition, next_offset })
        .collect();
    print(json, &bound, |Bound { partition, next_offset }| {
        format!("partition {partition} goes on at offset {next_offset}")
    });
    if !json {
        println!(
            "start once with: hmisr pipeline --state {} --set pipeline.group={group} --adopt-store-offset",
            folder.display()
        );
    }
    Ok(())
}

/// The offset of each partition, checked against what the topic holds.
fn offsets(
    source: &mut KafkaSource,
    at_start: Result<i64, Vec<PartitionOffset>>,
) -> Result<BTreeMap<i32, i64>, Failure> {
    let mut offsets = BTreeMap::new();
    match at_start {
        Ok(timestamp_ms) => {
            for partition in 0..source.topic().partitions {
                offsets.insert(partition, source.offset_at(partition, timestamp_ms)?);
            }
        }
        Err(given) => offsets.extend(given.iter().map(|it| (it.partition, it.offset))),
    }
    for (&partition, &offset) in &offsets {
        if !(0..source.topic().partitions).contains(&partition) {
            let partitions = source.topic().partitions;
            return Err(Failure::user(format!(
                "--offset {partition}={offset}: the topic has {partitions} partitions"
            )));
        }
        let (start, end) = source.bounds(partition)?;
        if !(start..=end).contains(&offset) {
            return Err(Failure::user(format!(
                "--offset {partition}={offset}: the partition holds offsets {start} to before {end}"
            )));
        }
    }
    Ok(offsets)
}
