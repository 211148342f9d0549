//! Commit, rollback and refusal of a partition's store, on a real RocksDB.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;

use hmisr_features::{FeatureSettings, Id, Interaction, MATHS_VERSION};
use hmisr_state::{ErrorKind, FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings};

const CACHE: usize = 16 << 20;

fn identity() -> Identity {
    Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "job".into(),
        partition: 0,
        partitions: 1,
        features: FeatureSettings::default().identity(),
        visits_kept: 200,
    }
}

fn open_as(path: &Path, identity: &Identity) -> hmisr_state::Result<PartitionStore> {
    let resources = Resources::new(StateSettings::default());
    PartitionStore::open(path, identity, &FeatureSettings::default(), &resources)
}

fn apply(store: &mut PartitionStore, user: u32, ts: i64) {
    let settings = FeatureSettings::default();
    let (user, item) = (Id::from(user), Id::from(7));
    let category = Id::from(1);
    let event = Interaction::new(&item, &category, ts);
    let place = store.place(&user, &item).unwrap();
    let slots = store.slots(place);
    slots.partition.admit(&settings, slots.user, ts).unwrap();
    slots.partition.update(&settings, 4, (&user, slots.user), slots.item, &event);
    store.changed(place);
}

fn events(store: &PartitionStore, user: u32) -> Option<u64> {
    store.reader().user(&Id::from(user)).unwrap().map(|snapshot| snapshot.user.lifetime().events)
}

#[test]
fn only_what_is_committed_is_seen_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut store = open_as(folder.path(), &identity()).unwrap();
        assert!(store.is_new().unwrap());
        apply(&mut store, 1, 10);
        assert_eq!(events(&store, 1), None);
        let committed = store.commit(1, CACHE).unwrap();
        assert_eq!((committed.users, committed.items), (1, 1));
        assert_eq!(events(&store, 1), Some(1));
        apply(&mut store, 1, 20);
        apply(&mut store, 2, 20);
        assert_eq!(events(&store, 1), Some(1));
    }
    let mut store = open_as(folder.path(), &identity()).unwrap();
    assert!(!store.is_new().unwrap());
    assert_eq!((store.next_offset(), events(&store, 1), events(&store, 2)), (1, Some(1), None));
    apply(&mut store, 2, 30);
    store.rollback().unwrap();
    assert_eq!(store.dirty_bytes(), 0);
    apply(&mut store, 1, 30);
    store.commit(9, CACHE).unwrap();
    assert_eq!((store.next_offset(), events(&store, 1), events(&store, 2)), (9, Some(2), None));
}

#[test]
fn the_cache_can_be_trimmed_to_nothing_without_a_difference() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut states = Vec::new();
    for (folder, limit) in folders.iter().zip([0, CACHE]) {
        let mut store = open_as(folder.path(), &identity()).unwrap();
        for n in 0..2_000 {
            apply(&mut store, n % 7, i64::from(n));
            if n % 31 == 0 {
                store.commit(i64::from(n) + 1, limit).unwrap();
                assert!(limit > 0 || store.cached_bytes() == 0);
            }
        }
        store.commit(2_000, limit).unwrap();
        let state = |user: u32| store.reader().user(&Id::from(user)).unwrap();
        states.push((0..7).map(state).collect::<Vec<_>>());
    }
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_forgotten_user_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_as(folder.path(), &identity()).unwrap();
    apply(&mut store, 1, 10);
    store.commit(1, CACHE).unwrap();
    store.forget(&Id::from(1)).unwrap();
    store.commit(2, CACHE).unwrap();
    assert_eq!(events(&store, 1), None);
    apply(&mut store, 1, 5);
    store.commit(3, CACHE).unwrap();
    assert_eq!(events(&store, 1), Some(1), "and may come back, with no memory of newer events");
}

#[test]
fn an_expired_user_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_as(folder.path(), &identity()).unwrap();
    let ttl = FeatureSettings::default().ttl_ms;
    // The clock goes by many users: twenty send what takes it to `ts`.
    let others = |store: &mut PartitionStore, ts: i64| (0..64).for_each(|n| apply(store, 100 + n % 20, ts));
    others(&mut store, 20);
    apply(&mut store, 1, 10);
    apply(&mut store, 2, 15 + ttl);
    store.commit(2, CACHE).unwrap();
    assert_eq!(events(&store, 1), Some(1), "one user's clock expires nobody");
    others(&mut store, 10 + ttl);
    store.commit(3, CACHE).unwrap();
    assert_eq!(events(&store, 1), Some(1), "exactly the TTL is not beyond it");
    others(&mut store, 11 + ttl);
    store.commit(4, CACHE).unwrap();
    assert_eq!(events(&store, 1), None);
    let mut users = Vec::new();
    store
        .reader()
        .for_each_user::<hmisr_state::Error>(|id, _| {
            users.push(id);
            Ok(())
        })
        .unwrap();
    assert_eq!((users.len(), &users[0]), (21, &Id::from(2)));
    assert_eq!(store.reader().first_users(2).unwrap(), [(Id::from(2), 15 + ttl)]);
    assert_eq!(store.reader().first_users(1).unwrap(), [], "the expired one is looked at too");
    apply(&mut store, 1, 10);
    store.commit(5, CACHE).unwrap();
    assert_eq!(events(&store, 1), None, "an event of its own time moves no clock");
    apply(&mut store, 1, 11 + ttl);
    store.commit(6, CACHE).unwrap();
    assert_eq!(events(&store, 1), Some(1), "and starts afresh after a gap of its own");
}

#[test]
fn an_event_that_is_not_positive_touches_no_item() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_as(folder.path(), &identity()).unwrap();
    let (user, item, category) = (Id::from(1), Id::from(7), Id::from(2));
    let place = store.places([(&user, None)].into_iter()).unwrap().next().unwrap();
    let slots = store.slots(place);
    let event = Interaction { action: "impression", ..Interaction::new(&item, &category, 5) };
    slots.partition.note(&FeatureSettings::default(), 200, (&user, slots.user), &event);
    store.changed(place);
    let committed = store.commit(1, CACHE).unwrap();
    assert_eq!((committed.users, committed.items), (1, 0));
    let found = store.reader().user(&user).unwrap().unwrap().user;
    assert_eq!((found.lifetime().events, found.visited(), found.newest_ts()), (0, 1, Some(5)));
    assert_eq!(found.visits().map(|visit| visit.action.to_owned()).collect::<Vec<_>>(), ["impression"]);
}

#[test]
fn the_clock_comes_back_with_the_store_and_goes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let clock = |store: &mut PartitionStore| {
        let place = store.place(&Id::from(0), &Id::from(0)).unwrap();
        store.slots(place).partition.clock.clone()
    };
    let mut store = open_as(folder.path(), &identity()).unwrap();
    (0..300).for_each(|n| apply(&mut store, n, i64::from(n)));
    store.commit(300, CACHE).unwrap();
    let committed = clock(&mut store);
    assert_eq!((committed.now(), committed.len()), (Some(128), 255));
    (0..64).for_each(|n| apply(&mut store, n, 1_000));
    assert_ne!(clock(&mut store), committed);
    store.rollback().unwrap();
    assert_eq!(clock(&mut store), committed);
    drop(store);
    let mut store = open_as(folder.path(), &identity()).unwrap();
    assert_eq!(clock(&mut store), committed);
    store.forget(&Id::from(299)).unwrap();
    store.commit(301, CACHE).unwrap();
    drop(store);
    let mut store = open_as(folder.path(), &identity()).unwrap();
    let forgotten = clock(&mut store);
    assert!(forgotten.len() == 254 && forgotten.slots().all(|(user, _)| *user != Id::from(299)));
}

#[test]
fn a_store_of_something_else_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    drop(open_as(folder.path(), &identity()).unwrap());
    let other_window = FeatureSettings { window: 8, ..FeatureSettings::default() };
    for (field, identity, kind) in [
        ("format", Identity { format: FORMAT_VERSION + 1, ..identity() }, ErrorKind::UnknownFormat),
        ("topic", Identity { topic: "other".into(), ..identity() }, ErrorKind::Foreign),
        ("group", Identity { group: "other".into(), ..identity() }, ErrorKind::Foreign),
        ("partition", Identity { partition: 3, ..identity() }, ErrorKind::Foreign),
        ("partitions", Identity { partitions: 9, ..identity() }, ErrorKind::Foreign),
        ("features", Identity { features: other_window.identity(), ..identity() }, ErrorKind::Foreign),
        ("visits_kept", Identity { visits_kept: 300, ..identity() }, ErrorKind::Foreign),
    ] {
        let error = open_as(folder.path(), &identity).err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(field) && text.contains("data folder"), "{text}");
    }
    assert!(open_as(folder.path(), &identity()).is_ok());
    assert!(identity().features.contains(&format!("maths={MATHS_VERSION}")));
}

#[test]
fn a_store_that_comes_back_waits_for_the_look_ups_that_still_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let shown = std::sync::Mutex::new(None);
    let shown = &shown;
    std::thread::scope(|threads| {
        let (_running, ended) = std::sync::mpsc::channel::<()>();
        threads.spawn(move || {
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                // A clone outlives the store that it was taken from, as in a look-up.
                let reader: Option<hmisr_state::StoreReader> = shown.lock().unwrap().clone();
                if let Some(reader) = reader {
                    (0..50).for_each(|user| drop(reader.user(&Id::from(user % 3_u32)).unwrap()));
                }
            }
        });
        for turn in 0..100 {
            let mut store = open_as(folder.path(), &identity()).unwrap();
            assert_eq!(store.next_offset(), turn);
            *shown.lock().unwrap() = Some(store.reader());
            apply(&mut store, 1, turn);
            store.commit(turn + 1, CACHE).unwrap();
            *shown.lock().unwrap() = None;
        }
    });
}
