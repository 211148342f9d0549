//! Stores of one process share figures, take little disk while small, and keep others out.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{
    ErrorKind, FORMAT_VERSION, Identity, PartitionStore, Resources, StateMetrics, StateSettings,
};

fn open(path: &Path, partition: i32, resources: &Resources) -> hmisr_state::Result<PartitionStore> {
    let identity = Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "job".into(),
        partition,
        partitions: 20,
        features: FeatureSettings::default().identity(),
        visits_kept: 200,
    };
    PartitionStore::open(path, &identity, &FeatureSettings::default(), resources)
}

fn commit_one(store: &mut PartitionStore, user: u32) {
    let (user, item, settings) = (Id::from(user), Id::from(7), FeatureSettings::default());
    let category = Id::from(1);
    let event = Interaction::new(&item, &category, 10);
    let place = store.place(&user, &item).unwrap();
    let slots = store.slots(place);
    slots.partition.update(&settings, 0, (&user, slots.user), slots.item, &event);
    store.changed(place);
    store.commit(1, 1 << 20).unwrap();
}

/// Bytes that a folder's files occupy, preallocated ones included.
fn occupied(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => occupied(&entry.path()),
        false => entry.metadata().unwrap().blocks() * 512,
    });
    bytes.sum()
}

#[test]
fn small_stores_take_little_disk_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let resources = Resources::new(StateSettings::default());
    let mut stores = Vec::new();
    for n in 0..20 {
        let mut store = open(&folder.path().join(n.to_string()), n, &resources).unwrap();
        commit_one(&mut store, 1);
        stores.push(store);
    }
    let (bytes, most) = (occupied(folder.path()), 20 * (256 << 10));
    assert!(bytes < most, "{bytes} bytes on disk for 20 stores of one user");
    let memory: u64 = stores.iter().map(|store| store.reader().figures().unwrap().memtable_bytes).sum();
    assert!(memory < most, "{memory} bytes of memtables for 20 stores of one user");
}

#[test]
fn the_stores_of_a_process_are_counted_together() {
    let folder = tempfile::tempdir().unwrap();
    let resources = Resources::new(StateSettings::default());
    let registry = prometheus::Registry::new();
    let metrics = StateMetrics::new(&registry).unwrap();
    let mut stores: Vec<_> =
        (0..2).map(|n| open(&folder.path().join(n.to_string()), n, &resources).unwrap()).collect();
    let readers: Vec<_> = stores.iter().map(PartitionStore::reader).collect();
    let counted = || {
        metrics.observe(&readers).unwrap();
        let families = registry.gather();
        ["hmisr_state_keys_written_total", "hmisr_state_keys_read_total"].map(|name| {
            let family = families.iter().find(|family| family.name() == name).unwrap();
            family.get_metric()[0].get_counter().get_value()
        })
    };
    let [written, read] = counted();
    assert_eq!(counted(), [written, read], "looking twice counts nothing twice");
    commit_one(&mut stores[0], 1);
    commit_one(&mut stores[1], 2);
    // Each reads the user and the item's count, and writes these two and the progress.
    assert_eq!(counted(), [written + 6.0, read + 4.0]);
}

#[test]
fn a_store_that_is_held_names_path_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let resources = Resources::new(StateSettings::default());
    let _held = open(folder.path(), 0, &resources).unwrap();
    let error = open(folder.path(), 0, &resources).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains("another process holds it: stop it, or use another data folder"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_used_names_path_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "no folder").unwrap();
    let error = open(&path, 0, &Resources::new(StateSettings::default())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("File exists"), "{text}");
}
