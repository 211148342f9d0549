//! Stores of every format that this version reads, as older versions wrote them: one folder
//! `fixtures/format-N` each, with what it holds in `fixtures/format-N.json`.
//!
//! A new format is added by `cargo test --release --workspace --test state formats -- --ignored`, which writes
//! the fixture of the present one and refuses to write over one that is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::{Path, PathBuf};

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{
    ErrorKind, FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings, inspect, verify,
};
use serde_json::{Value, json};

fn settings() -> FeatureSettings {
    FeatureSettings { window: 4, recent: 3, popularity_epoch: 9, ..Default::default() }
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
        0 => Id::from(n % 4),
        1 => Id::text("17").unwrap(),
        _ => Id::text("ünï").unwrap(),
    };
    let (item, category) = (Id::from(n * 5 % 7), Id::text(["a", "b", "c"][n as usize % 3]).unwrap());
    let event = Interaction { item: item.clone(), category, ts: 1_000 + i64::from(n), is_tail: None };
    let place = store.place(&user, &item).unwrap();
    let slots = store.slots(place);
    slots.partition.update(&settings(), 6, slots.user, slots.item, event);
    store.changed(place);
}

/// What a store says of itself and of every user.
fn content(path: &Path) -> Value {
    let seen = inspect(path, &resources()).unwrap();
    let store = PartitionStore::open(path, &seen.identity, &settings(), &resources()).unwrap();
    let mut users = Vec::new();
    let each = |id: Id, user: &hmisr_features::UserState| {
        let features = user.features(&settings());
        let visits: Vec<_> = user
            .visits()
            .map(|visit| format!("{} {} {} {}", visit.item, visit.category, visit.ts, visit.tail))
            .collect();
        let user = json!({"id": id.to_string(), "features": format!("{features:?}"), "visits": visits});
        users.push(user);
        Ok::<_, hmisr_state::Error>(())
    };
    store.reader().for_each_user(each).unwrap();
    json!({
        "features": seen.identity.features,
        "next_offset": seen.next_offset,
        "watermark": seen.watermark,
        "events": seen.events,
        "tail_threshold": seen.tail_threshold,
        "users": users,
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
#[ignore = "writes the fixture of the present format, once"]
fn write_the_fixture_of_the_present_format() {
    let folder = fixtures().join(format!("format-{FORMAT_VERSION}"));
    assert!(!folder.exists(), "{} is there already and never changes", folder.display());
    let scratch = tempfile::tempdir().unwrap();
    let mut store = PartitionStore::open(scratch.path(), &identity(), &settings(), &resources()).unwrap();
    for n in 0..60 {
        apply(&mut store, n);
    }
    store.commit(60, 0).unwrap();
    store.compact();
    let files = scratch.path().join("checkpoint");
    store.checkpoint(&files).unwrap();
    copy(&files, &folder);
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

#[test]
fn stores_of_every_known_format_read_as_they_were_written() {
    let mut versions = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = entry.unwrap().path();
        if !fixture.is_dir() {
            continue;
        }
        let expected = std::fs::read_to_string(fixture.with_extension("json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture, folder.path());
        assert_eq!(content(folder.path()), serde_json::from_str::<Value>(&expected).unwrap(), "{fixture:?}");
        let found = verify(folder.path(), &settings(), &resources()).unwrap();
        assert_eq!(found.faults, 0, "{fixture:?}: {found:?}");
        versions += 1;
    }
    assert!(versions > 0);
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
