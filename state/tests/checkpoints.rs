//! Checkpoints of a store: what is uploaded, restored, kept and refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{
    CheckpointStore, Condemned, ErrorKind, FORMAT_VERSION, Identity, Manifest, PartitionCheckpoints,
    PartitionStore, Resources, StateSettings, StoredFile,
};
use object_store::memory::InMemory;

fn identity() -> Identity {
    Identity {
        format: FORMAT_VERSION,
        topic: "events/αβγ".into(),
        group: "a job".into(),
        partition: 3,
        partitions: 4,
        features: FeatureSettings::default().identity(),
        visits_kept: 200,
    }
}

fn open(path: &Path) -> PartitionStore {
    let resources = Resources::new(StateSettings::default());
    PartitionStore::open(path, &identity(), &FeatureSettings::default(), &resources).unwrap()
}

/// Applies one event of each user and commits `next_offset`.
fn write(store: &mut PartitionStore, users: std::ops::Range<u32>, next_offset: i64) {
    let settings = FeatureSettings::default();
    for user in users.map(Id::from) {
        let (item, category) = (Id::from(7), Id::from(1));
        let event = Interaction::new(&item, &category, next_offset);
        let place = store.place(&user, &item).unwrap();
        let slots = store.slots(place);
        slots.partition.update(&settings, 0, (&user, slots.user), slots.item, &event);
        store.changed(place);
    }
    store.commit(next_offset, 1 << 20).unwrap();
}

fn users(store: &PartitionStore) -> Vec<(Id, u64)> {
    let mut users = Vec::new();
    let each = |id, user: &hmisr_features::UserState| {
        users.push((id, user.lifetime().events));
        Ok::<_, hmisr_state::Error>(())
    };
    store.reader().for_each_user(each).unwrap();
    users
}

/// A store, and checkpoints of it in a folder beside it.
struct Bench {
    folder: tempfile::TempDir,
    checkpoints: PartitionCheckpoints,
    store: PartitionStore,
    newest: Option<Manifest>,
    condemned: Condemned,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/checkpoints", folder.path().display());
        let checkpoints = CheckpointStore::open(&url).unwrap().partition(&identity());
        let store = open(&folder.path().join("store"));
        Self { folder, checkpoints, store, newest: None, condemned: Condemned::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes and publishes a checkpoint of the store as it is; answers the bytes uploaded.
    fn checkpoint(&mut self) -> u64 {
        let (local, offset) = (self.path("local"), self.store.next_offset());
        self.store.checkpoint(&local).unwrap();
        let uploaded = self.checkpoints.upload(&local, offset, self.newest.as_ref(), || false).unwrap();
        std::fs::remove_dir_all(&local).unwrap();
        assert!(self.checkpoints.publish(&uploaded.manifest).unwrap());
        self.newest = Some(uploaded.manifest);
        uploaded.bytes
    }

    /// Every stored file, by its path.
    fn stored(&self) -> BTreeSet<PathBuf> {
        fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.insert(path);
                }
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.path("checkpoints"), &mut found);
        found
    }

    fn stored_as(&self, sha256: &str) -> PathBuf {
        self.stored().into_iter().find(|path| path.ends_with(sha256)).unwrap()
    }
}

#[test]
fn a_restored_store_is_the_one_that_was_copied() {
    let mut bench = Bench::new();
    write(&mut bench.store, 0..100, 10);
    bench.checkpoint();
    let expected = users(&bench.store);
    write(&mut bench.store, 0..100, 20);
    let restored = bench.path("restored");
    let mut damaged = 0;
    let manifest = bench.checkpoints.download(&restored, .., |_| damaged += 1).unwrap().unwrap();
    assert_eq!((manifest.next_offset, damaged), (10, 0));
    let store = open(&restored);
    assert_eq!((store.next_offset(), users(&store)), (10, expected));
    assert_eq!(bench.checkpoints.latest().unwrap(), Some(10));
}

#[test]
fn only_files_that_are_new_are_uploaded() {
    let mut bench = Bench::new();
    write(&mut bench.store, 0..5_000, 10);
    let first = bench.checkpoint();
    write(&mut bench.store, 0..5, 20);
    let second = bench.checkpoint();
    assert!(second < first / 2, "{first} bytes, then {second}");
    assert_eq!(bench.checkpoint(), 0, "nothing has changed");
    // Another process knows no hashes, but finds what is stored.
    bench.newest = None;
    assert_eq!(bench.checkpoint(), 0);
}

#[test]
fn the_newest_within_the_range_is_restored() {
    let mut bench = Bench::new();
    for offset in [10, 20, 30] {
        write(&mut bench.store, 0..3, offset);
        bench.checkpoint();
    }
    assert_eq!(bench.checkpoints.offsets().unwrap(), [30, 20, 10]);
    let restored = bench.path("restored");
    let newest = |range| {
        let found = bench.checkpoints.download(&restored, range, |error| panic!("{error}")).unwrap();
        found.map(|manifest| manifest.next_offset)
    };
    assert_eq!(newest(0..=29), Some(20));
    assert_eq!(newest(0..=30), Some(30));
    assert_eq!(newest(11..=19), None);
    assert!(!restored.exists(), "nothing is left where nothing fits");
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    type Damage = fn(&Bench, &[StoredFile]);
    let damage: [(&str, Damage); 5] = [
        ("has another content", |bench, own| {
            let path = bench.stored_as(&own.iter().max_by_key(|file| file.bytes).unwrap().sha256);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[0] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("is missing or has another length", |bench, own| {
            std::fs::remove_file(bench.stored_as(&own[0].sha256)).unwrap();
        }),
        ("is missing or has another length", |bench, own| {
            let path = bench.stored_as(&own.iter().max_by_key(|file| file.bytes).unwrap().sha256);
            std::fs::File::options().write(true).open(path).unwrap().set_len(1).unwrap();
        }),
        ("cannot be read", |bench, _| {
            std::fs::write(bench.stored_as("00000000000000000020.json"), "{").unwrap();
        }),
        ("another store or offset", |bench, _| {
            let older = bench.stored_as("00000000000000000010.json");
            std::fs::copy(older, bench.stored_as("00000000000000000020.json")).unwrap();
        }),
    ];
    for (expected, damage) in damage {
        let mut bench = Bench::new();
        write(&mut bench.store, 0..50, 10);
        bench.checkpoint();
        write(&mut bench.store, 50..90, 20);
        bench.checkpoint();
        let newest = bench.checkpoints.manifest(20).unwrap();
        // What both have must stay whole, or the older one would be damaged too.
        let older = bench.checkpoints.manifest(10).unwrap();
        let hashes: BTreeSet<_> = older.files.into_iter().map(|file| file.sha256).collect();
        let own: Vec<StoredFile> =
            newest.files.into_iter().filter(|file| !hashes.contains(&file.sha256)).collect();
        damage(&bench, &own);
        let (restored, mut seen) = (bench.path("restored"), Vec::new());
        let found = bench.checkpoints.download(&restored, .., |error| {
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            seen.push(error.to_string());
        });
        assert_eq!(found.unwrap().unwrap().next_offset, 10, "{expected}");
        assert!(seen.len() == 1 && seen[0].contains(expected), "{expected}: {seen:?}");
        assert_eq!(users(&open(&restored)).len(), 50);
    }
}

#[test]
fn what_is_kept_can_be_restored_and_the_rest_goes() {
    let mut bench = Bench::new();
    for round in 1..=8 {
        write(&mut bench.store, 0..200, round * 10);
        bench.checkpoint();
        let Bench { checkpoints, condemned, .. } = &mut bench;
        checkpoints.retain(2, condemned).unwrap();
        for offset in bench.checkpoints.offsets().unwrap() {
            let scratch = bench.path("scratch");
            let found = bench.checkpoints.download(&scratch, offset..=offset, |error| panic!("{error}"));
            assert_eq!(found.unwrap().unwrap().next_offset, offset);
        }
    }
    assert_eq!(bench.checkpoints.offsets().unwrap(), [80, 70]);
    bench.checkpoints.retain(2, &mut bench.condemned).unwrap();
    let mut named = BTreeSet::new();
    for offset in [80, 70] {
        named.extend(bench.checkpoints.manifest(offset).unwrap().files.into_iter().map(|file| file.sha256));
    }
    let files = bench.stored().into_iter().filter(|path| path.parent().unwrap().ends_with("files"));
    let files: BTreeSet<String> =
        files.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(files, named, "a file in no manifest is gone after the next look");
}

#[test]
fn nothing_is_deleted_where_a_manifest_that_is_kept_cannot_be_read() {
    let mut bench = Bench::new();
    for offset in [10, 20, 30] {
        write(&mut bench.store, 0..20, offset);
        bench.checkpoint();
    }
    std::fs::write(bench.stored_as("00000000000000000020.json"), "{").unwrap();
    let before = bench.stored();
    let mut condemned = Condemned::default();
    for _ in 0..3 {
        let error = bench.checkpoints.retain(2, &mut condemned).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    assert_eq!(bench.stored(), before);
}

#[test]
fn a_writer_that_was_left_behind_moves_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let object_stores: [CheckpointStore; 2] = [
        CheckpointStore::over(Arc::new(InMemory::new())).unwrap(),
        CheckpointStore::open(&format!("file://{}/c", folder.path().display())).unwrap(),
    ];
    for (n, store) in object_stores.iter().enumerate() {
        let checkpoints = store.partition(&identity());
        let mut state = open(&folder.path().join(format!("store-{n}")));
        let mut upload = |offset: i64| {
            let local = folder.path().join(format!("local-{n}-{offset}"));
            write(&mut state, 0..5, offset);
            state.checkpoint(&local).unwrap();
            checkpoints.upload(&local, offset, None, || false).unwrap().manifest
        };
        let (zombies, successors) = (upload(10), upload(20));
        assert!(checkpoints.publish(&successors).unwrap());
        assert!(!checkpoints.publish(&zombies).unwrap(), "it is told that it was left behind");
        assert_eq!(checkpoints.latest().unwrap(), Some(20));
        assert_eq!(checkpoints.offsets().unwrap(), [20, 10], "what it wrote is as good as any");
    }
}

#[test]
fn of_many_writers_at_once_the_newest_is_latest() {
    let store = CheckpointStore::over(Arc::new(InMemory::new())).unwrap();
    let checkpoints = store.partition(&identity());
    let folder = tempfile::tempdir().unwrap();
    let state = open(&folder.path().join("store"));
    let local = folder.path().join("local");
    state.checkpoint(&local).unwrap();
    let uploaded = checkpoints.upload(&local, 0, None, || false).unwrap().manifest;
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for offset in 1..=8 {
            let (checkpoints, start, local) = (&checkpoints, &start, &local);
            scope.spawn(move || {
                let manifest = checkpoints.upload(local, offset, None, || false).unwrap().manifest;
                start.wait();
                // One that loses every race gives up; the next checkpoint is another try.
                let _ = checkpoints.publish(&manifest);
            });
        }
    });
    assert_eq!(uploaded.files.len(), checkpoints.manifest(8).unwrap().files.len());
    assert_eq!(checkpoints.latest().unwrap(), Some(8));
}

#[test]
fn another_definition_has_other_checkpoints() {
    let mut bench = Bench::new();
    write(&mut bench.store, 0..3, 10);
    bench.checkpoint();
    let url = format!("file://{}/checkpoints", bench.folder.path().display());
    let store = CheckpointStore::open(&url).unwrap();
    for other in [
        Identity { features: "others".into(), ..identity() },
        Identity { format: FORMAT_VERSION + 1, ..identity() },
        Identity { topic: "other".into(), ..identity() },
        Identity { group: "other".into(), ..identity() },
        Identity { partition: 2, ..identity() },
        Identity { partitions: 8, ..identity() },
        Identity { visits_kept: 300, ..identity() },
    ] {
        assert_eq!(store.partition(&other).offsets().unwrap(), Vec::<i64>::new(), "{other:?}");
    }
    let all = store.partitions().unwrap();
    assert_eq!(all.iter().map(PartitionCheckpoints::identity).collect::<Vec<_>>(), [&identity()]);
    assert_eq!(all[0].offsets().unwrap(), [10]);
}

#[test]
fn a_place_that_cannot_be_used_is_named_with_an_example() {
    for url in ["checkpoints", "/var/x", "ftp://host/x", "memory:///x", "http://host/x", "s3://bucket/x"] {
        let error = CheckpointStore::open(url).err().unwrap_or_else(|| panic!("{url}"));
        assert_eq!(error.kind(), ErrorKind::Setting);
        let text = error.to_string();
        assert!(text.contains("state.checkpoints = ") && text.contains(url), "{text}");
        assert!(text.contains("expected such as file:///"), "{text}");
    }
}

#[test]
fn an_upload_that_is_stopped_publishes_nothing_and_is_gone_on_with() {
    let mut bench = Bench::new();
    write(&mut bench.store, 0..50, 10);
    let local = bench.path("local");
    bench.store.checkpoint(&local).unwrap();
    let asked = std::cell::Cell::new(0);
    let stopped = || asked.replace(asked.get() + 1) == 2;
    assert!(bench.checkpoints.upload(&local, 10, None, stopped).is_err());
    assert_eq!(bench.checkpoints.offsets().unwrap(), Vec::<i64>::new());
    assert_eq!(bench.stored().len(), 2);
    let uploaded = bench.checkpoints.upload(&local, 10, None, || false).unwrap();
    assert!(uploaded.bytes < uploaded.manifest.bytes(), "the two files are not carried again");
}
