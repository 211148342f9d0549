//! State that is ten times what memory may hold of it.

use std::path::Path;

use hmisr_features::{Id, Interaction};
use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore, Resources};
use hmisr_stream::{TopicInfo, partition_for_key};

use super::input::{Events, START_MS};
use crate::config::Config;
use crate::failure::Failure;

/// Memory for state in the cold phase: block cache and memtables, and as much for decoded users.
const MEMORY: usize = 16 << 20;
/// How much larger the state is than both.
const TIMES: u64 = 10;
/// Visits of each user, of the 200 that a window holds.
const VISITS: i64 = 100;
/// Users between two commits while filling.
const CHUNK: usize = 2_000;

/// Sets the memory budgets of the cold phase.
pub fn limit(config: &mut Config) {
    config.state.memory_bytes = MEMORY;
    config.state.cache_bytes = MEMORY;
}

/// Fills the stores below `folder` with users as if they had been there before, and returns how
/// many. Their ids are 0 to the number before.
pub fn fill(config: &Config, folder: &Path, topic: &TopicInfo) -> Result<u64, Failure> {
    let resources = Resources::new(config.state.clone());
    let mut stores = (0..topic.partitions)
        .map(|partition| {
            let path = folder.join(format!("partition-{partition:05}"));
            std::fs::create_dir_all(&path)?;
            let identity = Identity {
                format: FORMAT_VERSION,
                topic: topic.id.clone(),
                group: config.pipeline.group.clone(),
                partition,
                partitions: topic.partitions,
                features: config.pipeline.definition(&config.features),
                visits_kept: config.pipeline.visits_kept(),
            };
            Ok(PartitionStore::open(&path, &identity, &config.features, &resources)?)
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let limit = config.state.cache_bytes / stores.len();
    let mut events = Events::new(1);
    let (mut users, mut bytes) = (0, 0);
    while bytes < TIMES * 2 * MEMORY as u64 {
        for _ in 0..CHUNK {
            let user = Id::int(users).map_err(|error| Failure::fault(&error))?;
            users += 1;
            let partition = partition_for_key(user.to_string().as_bytes(), topic.partitions);
            visits(config, &mut stores[partition as usize], &user, &mut events)?;
        }
        for store in &mut stores {
            bytes += store.commit(0, limit)?.bytes as u64;
        }
    }
    Ok(users)
}

fn visits(
    config: &Config,
    store: &mut PartitionStore,
    user: &Id,
    events: &mut Events,
) -> Result<(), Failure> {
    for visit in 0..VISITS {
        let (_, item, category) = events.draw();
        let id = |value| Id::int(value).map_err(|error| Failure::fault(&error));
        let (item, category) = (id(item)?, id(category)?);
        let place = store.place(user, &item)?;
        let slots = store.slots(place);
        let ts = START_MS - VISITS + visit;
        let event = Interaction { action: "click", ..Interaction::new(&item, &category, ts) };
        let kept = config.pipeline.visits_kept();
        slots.partition.update(&config.features, kept, (user, slots.user), slots.item, &event);
        store.changed(place);
    }
    Ok(())
}
