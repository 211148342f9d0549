//! Stores as versions wrote them, one folder `fixtures/format-N` each, with what it holds in
//! `fixtures/format-N.json`: that of the present format is read, older ones are refused.
//!
//! A new format is added by `cargo test --release --workspace --test state formats -- --ignored`, which writes
//! the fixture of the present one and refuses to write over one that is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{
    ErrorKind, FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings, inspect, verify,
};
use hmisr_testkit::copy_folder;
use serde_json::{Value, json};

fn settings() -> FeatureSettings {
    FeatureSettings { window: 4, recent: 3, popularity_epoch: 9, dedup_events: 2, ..Default::default() }
}

fn resources() -> Resources {
    Resources::new(StateSettings::default())
}

fn identity() -> Identity {
    Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "fixture".into(),
        partition: 1,
        partitions: 2,
        features: settings().identity(),
        visits_kept: 6,
    }
}

fn fixtures() -> PathBuf {
    // Asked when the test runs: checkouts share one build folder, and with it what was built elsewhere.
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/fixtures")
}

fn apply(store: &mut PartitionStore, n: u32) {
    // Numbers, quoted numbers and texts are three kinds of ids.
    let user = match n % 3 {
        0 => Id::from(n % 20),
        1 => Id::text("17").unwrap(),
        _ => Id::text("ünï").unwrap(),
    };
    let (item, category) = (Id::from(n * 5 % 7), Id::text(["a", "b", "c"][n as usize % 3]).unwrap());
    let more = [Id::text("d").unwrap(), Id::from(5)];
    let event = Interaction {
        action: ["click", "rate", "impression", "buy", "ünï"][n as usize % 5],
        weight: [None, Some(3.5), Some(0.1)][n as usize % 3],
        more_categories: if n.is_multiple_of(4) { &more } else { &[] },
        ..Interaction::new(&item, &category, 1_000 + i64::from(n))
    };
    let place = store.place(&user, &item).unwrap();
    let slots = store.slots(place);
    match event.action {
        "impression" => slots.partition.note(&settings(), 6, (&user, slots.user), &event),
        _ => drop(slots.partition.update(&settings(), 6, (&user, slots.user), slots.item, &event)),
    }
    slots.user.remember_event(&settings(), &n.to_string());
    store.changed(place);
}

/// What a store says of itself and of every user.
fn content(path: &Path) -> Value {
    let seen = inspect(path, &resources()).unwrap();
    let mut store = PartitionStore::open(path, &seen.identity, &settings(), &resources()).unwrap();
    let mut users = Vec::new();
    let each = |id: Id, user: &hmisr_features::UserState| {
        let features = user.features(&settings());
        let visits: Vec<_> = user.visits().map(|visit| format!("{visit:?}")).collect();
        let user = json!({"id": id.to_string(), "features": format!("{features:?}"), "visits": visits});
        users.push(user);
        Ok::<_, hmisr_state::Error>(())
    };
    store.reader().for_each_user(each).unwrap();
    let place = store.place(&Id::from(0), &Id::from(0)).unwrap();
    let slots = format!("{:?}", store.slots(place).partition.clock.slots().collect::<Vec<_>>());
    json!({
        "features": seen.identity.features,
        "next_offset": seen.next_offset,
        "clock": seen.clock,
        "slots": slots,
        "events": seen.events,
        "tail_threshold": seen.tail_threshold,
        "users": users,
    })
}

#[test]
#[ignore = "writes the fixture of the present format, once"]
fn write_the_fixture_of_the_present_format() {
    let folder = fixtures().join(format!("format-{FORMAT_VERSION}"));
    assert!(!folder.exists(), "{} is there already and never changes", folder.display());
    let scratch = tempfile::tempdir().unwrap();
    let mut store = PartitionStore::open(scratch.path(), &identity(), &settings(), &resources()).unwrap();
    for n in 0..300 {
        apply(&mut store, n);
    }
    store.commit(300, 0).unwrap();
    store.compact();
    let files = scratch.path().join("checkpoint");
    store.checkpoint(&files).unwrap();
    copy_folder(&files, &folder);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".log") {
            assert_eq!(path.metadata().unwrap().len(), 0, "everything is in tables");
        }
        // Large, and not needed: a store is opened with the options of the present.
        if name.ends_with(".log") || name.starts_with("OPTIONS") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let text = serde_json::to_string_pretty(&content(&files)).unwrap();
    std::fs::write(fixtures().join(format!("format-{FORMAT_VERSION}.json")), text + "\n").unwrap();
}

/// The store of a fixture, in a folder of its own.
fn fixture(format: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join(format!("format-{format}")), folder.path());
    folder
}

#[test]
fn a_store_of_the_present_format_reads_as_it_was_written() {
    let expected = fixtures().join(format!("format-{FORMAT_VERSION}.json"));
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    let folder = fixture(FORMAT_VERSION);
    assert_eq!(content(folder.path()), expected);
    let found = verify(folder.path(), &settings(), &resources()).unwrap();
    assert_eq!(found.faults, 0, "{found:?}");
}

/// Format 2 says of no visit what its action was, so nothing of this one follows from it.
#[test]
fn a_store_of_format_2_is_refused_with_the_remedy_and_left_as_it_was() {
    let folder = fixture(2);
    let files = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let tables = entries.filter(|path| path.extension().is_some_and(|end| end == "sst"));
        let mut tables: Vec<_> = tables.map(|path| (std::fs::read(&path).unwrap(), path)).collect();
        tables.sort();
        tables
    };
    let before = files();
    let error = PartitionStore::open(folder.path(), &identity(), &settings(), &resources()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnknownFormat);
    for part in ["format version 2", "run that version", "empty data folder", "hmisr backfill"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    for error in [
        inspect(folder.path(), &resources()).map(drop).unwrap_err(),
        verify(folder.path(), &settings(), &resources()).map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::UnknownFormat, "{error}");
        assert!(error.to_string().contains("format version 2"), "{error}");
    }
    assert_eq!(files(), before);
}

#[test]
fn the_present_format_has_its_fixture() {
    let fixture = fixtures().join(format!("format-{FORMAT_VERSION}"));
    assert!(fixture.join("CURRENT").exists(), "write {}: see above", fixture.display());
}

#[test]
fn a_store_of_a_format_that_is_not_known_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for format in [FORMAT_VERSION - 1, FORMAT_VERSION + 1] {
        let path = folder.path().join(format.to_string());
        let other = Identity { format, ..identity() };
        drop(PartitionStore::open(&path, &other, &settings(), &resources()).unwrap());
        let error = PartitionStore::open(&path, &identity(), &settings(), &resources()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::UnknownFormat);
        let text = error.to_string();
        assert!(
            text.contains(&format!("format version {format}")) && text.contains("run that version"),
            "{text}"
        );
    }
}
