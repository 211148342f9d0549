//! When checkpoints are made and restored.
//!
//! A checkpoint is a copy of a partition's committed state: RocksDB makes it between two commits
//! out of hard links, after writing out what is in memory; a thread uploads it ([`uploader`]). At
//! most one partition's is made in a turn, so that a turn is held up by one at most.

mod metrics;
mod uploader;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmisr_state::{
    CheckpointStore, Identity, PartitionCheckpoints, PartitionStore, StateSettings, put_in_place,
};

pub(crate) use self::metrics::CheckpointMetrics;
use self::uploader::{Job, Uploader};
use crate::engine::{Point, World};
use crate::{Error, Result};

/// Makes and restores the checkpoints of a process's partitions; does nothing where
/// `state.checkpoints` is empty.
pub(crate) struct Checkpoints {
    place: Option<Place>,
    interval: Option<Duration>,
    at_the_end: Duration,
    folder: PathBuf,
    world: Arc<dyn World>,
    metrics: CheckpointMetrics,
}

struct Place {
    store: CheckpointStore,
    uploader: Uploader,
    owned: BTreeMap<i32, Owned>,
}

struct Owned {
    checkpoints: PartitionCheckpoints,
    /// When one was last due.
    at: Duration,
    /// Since when the store has been ahead of its newest checkpoint.
    behind_since: Option<Duration>,
    /// Whether nothing was committed to the store yet.
    is_new: bool,
}

impl Checkpoints {
    /// For stores below `folder`.
    ///
    /// # Errors
    /// Where the setting names no place that can be used.
    pub(crate) fn new(
        settings: &StateSettings,
        folder: &Path,
        world: Arc<dyn World>,
        metrics: CheckpointMetrics,
    ) -> Result<Self> {
        let open = |url: &str| -> Result<Place> {
            let store = CheckpointStore::open(url)?;
            let uploader = Uploader::start(settings.keep_checkpoints, world.clone(), metrics.clone())?;
            Ok(Place { store, uploader, owned: BTreeMap::new() })
        };
        let url = settings.checkpoints.as_str();
        let place = if url.is_empty() { None } else { Some(open(url)?) };
        let interval =
            (settings.checkpoint_interval_s > 0).then(|| Duration::from_secs(settings.checkpoint_interval_s));
        let at_the_end = Duration::from_millis(settings.checkpoint_on_revoke_ms);
        Ok(Self { place, interval, at_the_end, folder: folder.to_owned(), world, metrics })
    }

    /// Takes a partition on. Where its `store` is of no use by `fits`, the newest checkpoint whose
    /// offset is in `range` takes the place of the store, which is set aside if it holds anything.
    /// `open` opens what is in the store's folder. `begins_anew`: the group has committed nothing.
    ///
    /// # Errors
    /// Where disk or object store fails.
    pub(crate) fn begin(
        &mut self,
        identity: &Identity,
        path: &Path,
        range: &RangeInclusive<i64>,
        begins_anew: bool,
        fits: impl Fn(&PartitionStore) -> Result<bool>,
        open: impl Fn() -> hmisr_state::Result<PartitionStore>,
    ) -> Result<PartitionStore> {
        let mut store = open()?;
        let Some(place) = &mut self.place else { return Ok(store) };
        let number = identity.partition;
        let checkpoints = place.store.partition(identity);
        if begins_anew && store.is_new()? && !checkpoints.offsets().map_err(Error::later)?.is_empty() {
            return Err(Error::refused(format!(
                "partition {number}: neither a store nor a committed offset of the group is there, but checkpoints in \
                 state.checkpoints are: the group was deleted or its offsets expired; start once with \
                 --adopt-store-offset to go on from the newest checkpoint, or use a new group to begin anew"
            )));
        }
        let mut restored = None;
        if !fits(&store)? {
            let folder = scratch(&self.folder, ".restoring", number)?;
            let found = checkpoints.download(&folder, range.clone(), |error| {
                self.metrics.damaged.inc();
                tracing::warn!(partition = number, %error, "a damaged checkpoint is passed over");
            });
            restored = found.map_err(Error::later)?;
            if let Some(manifest) = &restored {
                let is_new = store.is_new()?;
                drop(store);
                // At once, even of a store that holds nothing: killed amid its removal, half of one would stay, which
                // cannot be opened.
                let aside = scratch(&self.folder, if is_new { ".empty" } else { ".aside" }, number)?;
                std::fs::rename(path, &aside)?;
                self.world.reached(Point::BeforeCheckpointRename)?;
                put_in_place(&folder, path)?;
                if is_new {
                    std::fs::remove_dir_all(&aside)?;
                } else {
                    tracing::warn!(partition = number, folder = %aside.display(), "the store does not fit the group's offset and was set aside");
                }
                self.world.reached(Point::AfterCheckpointRename)?;
                self.metrics.restored.inc();
                tracing::info!(
                    partition = number,
                    offset = manifest.next_offset,
                    bytes = manifest.bytes(),
                    "restored from a checkpoint"
                );
                store = open()?;
            }
        }
        // What a predecessor left there holds on to tables that are deleted by now.
        scratch(&self.folder, ".checkpoint", number)?;
        place.uploader.begin(number, restored);
        let is_new = store.is_new()?;
        let owned = Owned { checkpoints, at: self.world.now(), behind_since: None, is_new };
        place.owned.insert(number, owned);
        Ok(store)
    }

    /// Between two commits: makes the checkpoint of a partition for which it is due, of one at
    /// most. A failure is counted and does not hold the job up.
    ///
    /// # Errors
    /// The world's, and where a store cannot be read.
    pub(crate) fn turn<'a>(&mut self, stores: impl Iterator<Item = (i32, &'a PartitionStore)>) -> Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        place.uploader.check()?;
        let now = self.world.now();
        let (mut oldest, mut made) = (Duration::ZERO, false);
        for (number, store) in stores {
            let Some(owned) = place.owned.get_mut(&number) else { continue };
            if owned.is_new {
                // There is nothing to keep, and a checkpoint that no committed offset goes with would
                // pass for what a lost group has left.
                owned.is_new = store.is_new()?;
                continue;
            }
            if place.uploader.newest(number) == Some(store.next_offset()) {
                (owned.at, owned.behind_since) = (now, None);
                continue;
            }
            oldest = oldest.max(now.saturating_sub(*owned.behind_since.get_or_insert(now)));
            if made || self.interval.is_none_or(|interval| now.saturating_sub(owned.at) < interval) {
                continue;
            }
            owned.at = now;
            if place.uploader.is_under_way(number) {
                self.metrics.skipped.inc();
                continue;
            }
            made = true;
            make(&self.folder, &self.metrics, &place.uploader, owned, number, store);
        }
        self.metrics.age.set(oldest.as_secs_f64());
        Ok(())
    }

    /// Partitions go: makes the last checkpoint of each and waits for them, no longer than
    /// `state.checkpoint_on_revoke_ms` in all. What is not uploaded by then goes on by itself
    /// while the process lives.
    ///
    /// # Errors
    /// Only the world's.
    pub(crate) fn end<'a>(&mut self, stores: impl Iterator<Item = (i32, &'a PartitionStore)>) -> Result<()> {
        let Some(place) = &mut self.place else { return Ok(()) };
        let until = Instant::now() + self.at_the_end;
        let left = || until.saturating_duration_since(Instant::now());
        let mut waited_for = Vec::new();
        for (number, store) in stores {
            let Some(owned) = place.owned.remove(&number) else { continue };
            if left().is_zero() || store.is_new()? {
                continue;
            }
            // The one under way is older than the state that is to be kept.
            if place.uploader.wait(&[number], left())
                && place.uploader.newest(number) != Some(store.next_offset())
            {
                make(&self.folder, &self.metrics, &place.uploader, &owned, number, store);
            }
            waited_for.push(number);
        }
        if !place.uploader.wait(&waited_for, left()) {
            tracing::warn!("the last checkpoint was not uploaded within state.checkpoint_on_revoke_ms");
        }
        place.uploader.check()
    }
}

/// Makes a local checkpoint and has it uploaded.
fn make(
    folder: &Path,
    metrics: &CheckpointMetrics,
    uploader: &Uploader,
    owned: &Owned,
    number: i32,
    store: &PartitionStore,
) {
    let made = scratch(folder, ".checkpoint", number)
        .and_then(|folder| store.checkpoint(&folder).map_err(Error::from).map(|()| folder));
    match made {
        Ok(folder) => uploader.add(Job {
            partition: number,
            checkpoints: owned.checkpoints.clone(),
            folder,
            next_offset: store.next_offset(),
        }),
        Err(error) => {
            metrics.failures.inc();
            tracing::warn!(partition = number, %error, "a checkpoint failed; the next one is made as planned");
        }
    }
}

/// A place beside the stores, on their file system, where nothing is.
fn scratch(folder: &Path, purpose: &str, number: i32) -> Result<PathBuf> {
    let parent = folder.join(purpose);
    std::fs::create_dir_all(&parent)?;
    let path = parent.join(format!("partition-{number:05}"));
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(path),
    }
}
