//! A whole store is found whole; what is broken in one is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;

use hmisr_features::{FeatureSettings, Id, Interaction};
use hmisr_state::{
    ErrorKind, FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings, bind, inspect, verify,
};
use rocksdb::{DB, Options};

fn settings() -> FeatureSettings {
    FeatureSettings { window: 5, popularity_epoch: 11, half_life_events: 70, ..Default::default() }
}

fn resources() -> Resources {
    Resources::new(StateSettings::default())
}

fn identity() -> Identity {
    Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "job".into(),
        partition: 0,
        partitions: 1,
        features: settings().identity(),
        visits_kept: 20,
    }
}

/// A store of 200 events of 8 users with 30 items.
fn written(path: &Path) {
    let mut store = PartitionStore::open(path, &identity(), &settings(), &resources()).unwrap();
    for n in 0..200_u32 {
        let (user, item) = (Id::from(n * n % 8), Id::from(n * 7 % 30));
        let category = Id::from(n % 5);
        let event = Interaction::new(&item, &category, i64::from(n));
        let place = store.place(&user, &item).unwrap();
        let slots = store.slots(place);
        slots.partition.update(&settings(), 20, (&user, slots.user), slots.item, &event);
        store.changed(place);
    }
    store.commit(200, 1 << 20).unwrap();
}

/// Writes into the store behind its back; no value deletes the entry.
fn break_in(path: &Path, family: &str, key: &[u8], value: Option<&[u8]>) {
    let names = ["default", "users", "items", "meta"];
    let db = DB::open_cf(&Options::default(), path, names).unwrap();
    let family = db.cf_handle(family).unwrap();
    match value {
        Some(value) => db.put_cf(family, key, value).unwrap(),
        None => db.delete_cf(family, key).unwrap(),
    }
}

#[test]
fn a_whole_store_is_found_whole() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let found = verify(folder.path(), &settings(), &resources()).unwrap();
    assert_eq!((found.faults, found.first_faults.len()), (0, 0), "{found:?}");
    assert_eq!(found.items, 30);
    let seen = inspect(folder.path(), &resources()).unwrap();
    assert_eq!((seen.identity, seen.next_offset, seen.clock), (identity(), Some(200), None));
    assert_eq!((seen.events, seen.users, seen.items), (200, found.users, found.items));
    assert!(seen.bytes > 0);
}

#[test]
fn what_is_broken_is_named() {
    let user = Id::from(1).key();
    let mut short = Vec::new();
    type Case<'a> = (&'a str, &'a [u8], Option<&'a [u8]>, &'a str);
    let cases: [Case<'_>; 5] = [
        ("users", &user, Some(b"rubbish"), "cannot be read"),
        ("items", &Id::from(7).key(), Some(b"\x80"), "cannot be read"),
        ("items", &Id::from(7).key(), Some(b"\x7f\x00"), "do not add up"),
        ("items", &Id::from(7).key(), Some(b"\x01\x7f"), "halved 127 times"),
        ("items", &Id::from(7).key(), None, "do not add up"),
    ];
    for (family, key, value, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        break_in(folder.path(), family, key, value);
        let found = verify(folder.path(), &settings(), &resources()).unwrap();
        assert!(found.faults > 0 && found.first_faults[0].contains(expected), "{expected}: {found:?}");
    }
    // Another newest time than the partition's clock has of the user, a sum that is not its counts', and a
    // visit less than there are.
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let store = PartitionStore::open(folder.path(), &identity(), &settings(), &resources()).unwrap();
    let whole = store.reader().user(&Id::from(1)).unwrap().unwrap().user;
    drop(store);
    whole.write(&mut short);
    // Newest time (two bytes for 100 and more), then the lifetime's sum; the last visit comes last.
    let last = short.len() - 1;
    for (at, bits, expected) in [
        (0, 2, "the partition's clock has another newest time"),
        (2 + 6, 0x55, "sum does not follow from its counts"),
        (last, 0x40, "a visit cannot be read"),
    ] {
        let mut broken = short.clone();
        broken[at] ^= bits;
        break_in(folder.path(), "users", &user, Some(&broken));
        let found = verify(folder.path(), &settings(), &resources()).unwrap();
        assert!(found.first_faults[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_changed_block_fails_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    // Opening writes what is in the log to tables.
    inspect(folder.path(), &resources()).unwrap();
    let table = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let tables = table.filter(|path| path.extension().is_some_and(|end| end == "sst"));
    let table = tables.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let error = verify(folder.path(), &settings(), &resources()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn only_unbound_state_of_the_same_definition_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let live = Identity { topic: "a-topic-id".into(), group: "new".into(), ..identity() };
    let bind = |live: &Identity, offset| bind(folder.path(), "events", live, offset, &resources());
    for other in [
        Identity { partitions: 2, ..live.clone() },
        Identity { features: "others".into(), ..live.clone() },
        Identity { visits_kept: 21, ..live.clone() },
        Identity { partition: 1, ..live.clone() },
    ] {
        assert_eq!(bind(&other, 7).unwrap_err().kind(), ErrorKind::Foreign);
    }
    bind(&live, 7).unwrap();
    let store = PartitionStore::open(folder.path(), &live, &settings(), &resources()).unwrap();
    assert_eq!(store.next_offset(), 7);
    assert!(store.reader().user(&Id::from(1)).unwrap().is_some());
    drop(store);
    bind(&live, 9).unwrap();
    let error = bind(&Identity { topic: "third".into(), ..live.clone() }, 9).unwrap_err();
    assert!(error.to_string().contains("bound to topic `a-topic-id` of group `new`"), "{error}");
    assert_eq!(inspect(folder.path(), &resources()).unwrap().next_offset, Some(9));
}
