//! Compaction removes expired users, and nothing that the job does tells whether it has.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::path::Path;

use hmisr_features::{FeatureSettings, Features, Id, Interaction};
use hmisr_state::{FORMAT_VERSION, Identity, PartitionStore, Resources, StateSettings, UserSnapshot};
use proptest::prelude::*;

const TTL_MS: i64 = 100;
const USERS: u32 = 6;
/// The users by whom the partition's clock goes.
const OTHERS: std::ops::Range<u32> = 100..120;

fn settings() -> FeatureSettings {
    FeatureSettings {
        ttl_ms: TTL_MS,
        window: 4,
        popularity_epoch: 7,
        max_lateness_ms: 30,
        ..Default::default()
    }
}

fn open(path: &Path) -> PartitionStore {
    let identity = Identity {
        format: FORMAT_VERSION,
        topic: "events".into(),
        group: "job".into(),
        partition: 0,
        partitions: 1,
        features: settings().identity(),
        visits_kept: 4,
    };
    // Expiry moves on with each commit that is on the disk.
    let resources = Resources::new(StateSettings { sync: true, ..StateSettings::default() });
    PartitionStore::open(path, &identity, &settings(), &resources).unwrap()
}

/// The features after an event, or that it came too late.
fn apply(store: &mut PartitionStore, (user, item, ts): (u32, u32, i64)) -> Option<Features> {
    let (user, item) = (Id::from(user), Id::from(item));
    let category = Id::from(1);
    let event = Interaction::new(&item, &category, ts);
    let place = store.place(&user, &item).unwrap();
    let slots = store.slots(place);
    slots.partition.admit(&settings(), slots.user, ts).ok()?;
    let features = slots.partition.update(&settings(), 0, (&user, slots.user), slots.item, &event);
    store.changed(place);
    Some(features)
}

/// Events of the others that take the clock to `ts`.
fn others(ts: i64) -> impl Iterator<Item = (u32, u32, i64)> {
    OTHERS.cycle().take(128).map(move |user| (user, 9, ts))
}

fn answers(store: &PartitionStore) -> Vec<Option<UserSnapshot>> {
    (0..USERS).map(|user| store.reader().user(&Id::from(user)).unwrap()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// User, item, and how far event time goes on (or back).
    Event(u32, u32, i64),
    /// The clock goes on by so much.
    Others(i64),
    Commit,
    /// What is not committed is dropped, and comes again.
    Replay,
    Restart,
    Forget(u32),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..USERS, 0..5u32, -40..60i64).prop_map(|(user, item, on)| Step::Event(user, item, on)),
        1 => (0..USERS, 0..5u32, TTL_MS - 1..TTL_MS * 2).prop_map(|(user, item, on)| Step::Event(user, item, on)),
        2 => prop_oneof![0..60i64, TTL_MS - 1..TTL_MS * 3].prop_map(Step::Others),
        3 => Just(Step::Commit),
        1 => Just(Step::Replay),
        1 => Just(Step::Restart),
        1 => (0..USERS).prop_map(Step::Forget),
        4 => Just(Step::Compact),
    ]
}

/// What the job sees and answers, with or without compactions.
fn run(steps: &[Step], with_compaction: bool) -> (Vec<Option<Features>>, Vec<Vec<Option<UserSnapshot>>>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Some(open(folder.path()));
    let (mut outputs, mut seen, mut pending, mut now) = (Vec::new(), Vec::new(), Vec::new(), 1_000_i64);
    for step in steps {
        let open_store = store.as_mut().unwrap();
        match step {
            Step::Event(user, item, on) => {
                now += on;
                pending.push((*user, *item, now));
                outputs.push(apply(open_store, (*user, *item, now)));
            }
            Step::Others(on) => {
                now += on;
                pending.extend(others(now));
                outputs.extend(others(now).map(|event| apply(open_store, event)));
            }
            Step::Commit => {
                pending.clear();
                open_store.commit(outputs.len() as i64, 0).unwrap();
                seen.push(answers(open_store));
            }
            Step::Replay | Step::Restart => {
                match step {
                    Step::Replay => open_store.rollback().unwrap(),
                    _ => {
                        drop(store.take());
                        store = Some(open(folder.path()));
                    }
                }
                let again = store.as_mut().unwrap();
                outputs.extend(pending.iter().map(|event| apply(again, *event)));
            }
            Step::Forget(user) => {
                // Only between commits: a replay knows events alone.
                if pending.is_empty() {
                    open_store.forget(&Id::from(*user)).unwrap();
                    open_store.commit(outputs.len() as i64, 0).unwrap();
                }
            }
            Step::Compact if with_compaction => {
                open_store.compact();
                seen.push(answers(open_store));
            }
            Step::Compact => seen.push(answers(open_store)),
        }
    }
    (outputs, seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn compaction_at_any_time_changes_no_output(steps in prop::collection::vec(step(), 1..60)) {
        prop_assert_eq!(run(&steps, true), run(&steps, false));
    }
}

#[test]
fn only_who_is_long_expired_by_the_committed_clock_leaves_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let registry = prometheus::Registry::new();
    let metrics = hmisr_state::StateMetrics::new(&registry).unwrap();
    let mut store = open(folder.path());
    let removed = |store: &PartitionStore| {
        store.compact();
        metrics.observe(&[store.reader()]).unwrap();
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == "hmisr_state_expired_users_total");
        family.unwrap().get_metric()[0].get_counter().get_value()
    };
    let take_to = |store: &mut PartitionStore, ts: i64| {
        others(ts).for_each(|event| assert!(apply(store, event).is_some()));
    };
    apply(&mut store, (1, 1, 10));
    apply(&mut store, (2, 1, 11));
    store.commit(2, 0).unwrap();
    assert_eq!(removed(&store), 0.0);
    // A clock that is far ahead moves nothing, however often it tells.
    (0..500).for_each(|n| assert!(apply(&mut store, (3, 1, 1_000_000 + n)).is_some()));
    store.commit(3, 0).unwrap();
    assert_eq!(removed(&store), 0.0);
    take_to(&mut store, 11 + TTL_MS * 2);
    assert_eq!(removed(&store), 0.0, "the clock that expires user 1 is not committed");
    store.rollback().unwrap();
    assert_eq!(removed(&store), 0.0);
    take_to(&mut store, 11 + TTL_MS * 2);
    store.commit(4, 0).unwrap();
    assert_eq!(removed(&store), 1.0, "user 2 is at twice the TTL, not beyond it");
    assert_eq!(store.reader().figures().unwrap().users, 2 + OTHERS.len() as u64);
    assert_eq!(answers(&store).iter().flatten().count(), 1, "user 2 is answered as never seen all the same");
    drop(store);
    let store = open(folder.path());
    let answered = answers(&store);
    assert_eq!(answered.iter().flatten().count(), 1);
    assert!(answered[1].is_none() && answered[3].is_some());
}
