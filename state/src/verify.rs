//! What a store holds, and whether its parts agree.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use hmisr_features::{FeatureSettings, Id, PartitionState, Totals, UserState};
use rocksdb::IteratorMode;
use serde::Serialize;

use crate::cache::{ITEMS, USERS};
use crate::codec::{Progress, decode_item};
use crate::store::{family, read_progress};
use crate::{Error, Identity, Resources, Result, StoreReader};

/// Faults that are told one by one; more are only counted.
const FAULTS: usize = 20;

/// How far a running sum may be from the one computed anew, relative to it.
const DRIFT: f64 = 1e-6;

/// What stands in a store, without a look at every user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// What it belongs to.
    pub identity: Identity,
    /// The next input offset; none where nothing was committed.
    pub next_offset: Option<i64>,
    /// The partition's clock, epoch milliseconds of event time; none while it is undefined.
    pub clock: Option<i64>,
    /// Events applied.
    pub events: u64,
    /// An item counted fewer times is long-tail.
    pub tail_threshold: u64,
    /// Users, estimated by RocksDB.
    pub users: u64,
    /// Items counted, estimated by RocksDB.
    pub items: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What a look at every entry found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Users, expired ones included.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Things that are wrong.
    pub faults: u64,
    /// The first of them in words.
    pub first_faults: Vec<String>,
}

impl Verified {
    fn fault(&mut self, text: String) {
        self.faults += 1;
        if self.first_faults.len() < FAULTS {
            self.first_faults.push(text);
        }
    }
}

/// Looks into the store in `path`, which must not be in use.
///
/// # Errors
/// Kinds `UnknownFormat`, `Corrupt`, `Unavailable`.
pub fn inspect(path: &Path, resources: &Resources) -> Result<Inspection> {
    let identity = Identity::of(path, resources)?;
    let reader = StoreReader::open(path, &FeatureSettings::default(), resources)?;
    let progress = read_progress(reader.db(), &reader.db().snapshot())?;
    let figures = reader.figures()?;
    let Progress { next_offset, partition: PartitionState { clock, popularity } } =
        progress.clone().unwrap_or_default();
    Ok(Inspection {
        identity,
        next_offset: progress.map(|_| next_offset),
        clock: clock.now(),
        events: popularity.applied,
        tail_threshold: popularity.threshold,
        users: figures.users,
        items: figures.items,
        bytes: bytes(path)?,
    })
}

/// Reads every entry of the store in `path`, which was written under `features` and must not be
/// in use: whether each can be read and is what its own parts say, whether the items' counts add
/// up to the histogram, and whether the clock's slots have the users' newest times. RocksDB checks the
/// checksum of every block on the way.
///
/// # Errors
/// Kinds `UnknownFormat`, `Unavailable`, or `Corrupt` where the tables themselves cannot be read.
pub fn verify(path: &Path, features: &FeatureSettings, resources: &Resources) -> Result<Verified> {
    let reader = StoreReader::open(path, features, resources)?;
    let db = reader.db();
    let PartitionState { clock, popularity } =
        read_progress(db, &db.snapshot())?.unwrap_or_default().partition;
    let slots: HashMap<&Id, i64> = clock.slots().collect();
    let mut verified = Verified::default();
    for entry in db.iterator_cf(family(db, USERS)?, IteratorMode::Start) {
        let (key, value) = entry.map_err(|error| Error::disk("reading users", error))?;
        verified.users += 1;
        match (Id::from_key(&key), UserState::read(features, &value)) {
            (Some(id), Some(user)) => {
                if slots.get(&id).is_some_and(|slot| user.newest_ts() != Some(*slot)) {
                    verified.fault(format!("user {id}: the partition's clock has another newest time"));
                } else if let Some(what) = disagreement(&user, &value) {
                    verified.fault(format!("user {id}: {what}"));
                }
            }
            _ => verified.fault(format!("user entry {key:02x?}: cannot be read")),
        }
    }
    let mut histogram = BTreeMap::new();
    for entry in db.iterator_cf(family(db, ITEMS)?, IteratorMode::Start) {
        let (key, value) = entry.map_err(|error| Error::disk("reading items", error))?;
        verified.items += 1;
        match (Id::from_key(&key), decode_item(&value)) {
            (Some(id), Some(item)) if item.halvings > popularity.halvings => {
                verified.fault(format!(
                    "item {id}: halved {} times, the partition {}",
                    item.halvings, popularity.halvings
                ));
            }
            (Some(_), Some(item)) => *histogram.entry(popularity.current(item)).or_insert(0_u64) += 1,
            _ => verified.fault(format!("item entry {key:02x?}: cannot be read")),
        }
    }
    histogram.remove(&0);
    if histogram != popularity.histogram {
        verified.fault("the items' counts do not add up to the histogram of counts".to_owned());
    }
    Ok(verified)
}

/// What of a user's state contradicts the rest of it.
fn disagreement(user: &UserState, value: &[u8]) -> Option<&'static str> {
    let (lifetime, window) = (user.lifetime(), user.window());
    let settled = |totals: &Totals, counts: Vec<u32>| {
        let mut exact = *totals;
        exact.settle(counts.into_iter());
        (exact.s - totals.s).abs() <= DRIFT * (1.0 + exact.s.abs())
    };
    let categories = user.categories();
    let mut written = Vec::new();
    user.write(&mut written);
    [
        (categories.iter().any(|it| it.window > it.lifetime), "the window holds more than the lifetime"),
        (lifetime.switches.max(lifetime.tails) > lifetime.events, "more switches or tails than events"),
        (lifetime.events > user.visited(), "more positive events than events"),
        (
            !settled(lifetime, categories.iter().map(|it| it.lifetime).collect()),
            "the lifetime's sum does not follow from its counts",
        ),
        (
            !settled(window, categories.iter().map(|it| it.window).collect()),
            "the window's sum does not follow from its events",
        ),
        (!user.has_whole_visits(), "a visit cannot be read, or the visits are not those counted"),
        (written != value, "it would be written as other bytes"),
    ]
    .into_iter()
    .find_map(|(is_wrong, what)| is_wrong.then_some(what))
}

fn bytes(path: &Path) -> Result<u64> {
    let failed = |error| Error::unavailable(path.display(), error);
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(bytes)
}
