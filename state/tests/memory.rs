//! Many partitions under load share one budget of memory.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings};

const PARTITIONS: i32 = 24;
/// New users of a round.
const USERS: u32 = 200;
const BUDGET: u64 = 16 << 20;

fn open(folder: &std::path::Path, partition: i32, resources: &Resources) -> PartitionStore {
    let identity = Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "job".into(),
        partition,
        partitions: PARTITIONS,
        features: FeatureSettings::default().identity(),
        visits_kept: 200,
    };
    let path = folder.join(partition.to_string());
    PartitionStore::open(&path, &identity, &FeatureSettings::default(), resources).unwrap()
}

/// Writes `users` new users of some hundred bytes.
fn write(store: &mut PartitionStore, round: u32, users: u32) {
    let settings = FeatureSettings::default();
    for n in 0..users {
        let (user, item) = (Id::from(round * users + n), Id::from(n % 100));
        for visit in 0..20 {
            // Spread, so that compression leaves a load.
            let visited = Id::from((round * users * 31 + n * 20 + visit).wrapping_mul(2_654_435_761));
            let category = Id::from(visit % 7);
            let event = Interaction::new(&visited, &category, i64::from(round * 1_000 + visit));
            let place = store.place(&user, &item).unwrap();
            let slots = store.slots(place);
            slots.partition.update(&settings, 20, (&user, slots.user), slots.item, &event);
            store.changed(place);
        }
    }
    store.commit(i64::from(round) + 1, 0).unwrap();
}

#[test]
fn memtables_and_blocks_of_many_partitions_stay_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StateSettings { memory_bytes: BUDGET as usize, ..StateSettings::default() };
    let resources = Resources::new(settings);
    let mut stores: Vec<_> = (0..PARTITIONS).map(|n| open(folder.path(), n, &resources)).collect();
    let (mut memtables, mut blocks, mut written) = (0, 0, 0);
    for round in 0..40 {
        for store in &mut stores {
            write(store, round, USERS);
            // Reads of what is long written fill the block cache.
            let reader = store.reader();
            for user in 0..20 {
                assert!(reader.user(&Id::from(round / 2 * USERS + user)).unwrap().is_some());
            }
        }
        let figures: Vec<_> = stores.iter().map(|store| store.reader().figures().unwrap()).collect();
        memtables = memtables.max(figures.iter().map(|store| store.memtable_bytes).sum());
        blocks = blocks.max(figures[0].block_cache_bytes);
        written = figures.iter().map(|store| store.disk_bytes).sum();
        // Memtables are charged to the cache, so its use is that of both.
        assert!(blocks <= BUDGET, "{blocks} bytes of blocks and memtables after {round} rounds");
    }
    println!("{memtables} bytes of memtables, {blocks} of both, {written} on disk at a budget of {BUDGET}");
    assert!(written > BUDGET, "{written} bytes are no load");
}
