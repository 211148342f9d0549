//! The store that the engine writes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmisr_features::{FeatureSettings, Id, ItemCount, PartitionState, UserState, is_removable};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, Options, WriteBatch, WriteOptions};

use crate::cache::{Cache, ITEMS, Stored, USERS};
use crate::codec::{Head, Progress, decode_head, decode_progress, encode_progress};
use crate::expiry::Expiry;
use crate::{Error, ErrorKind, FORMAT_VERSION, Identity, Resources, Result, StoreReader};

pub(crate) const META: &str = "meta";
/// How often expiry moves on where commits do not wait for the disk.
const SYNC_EVERY: Duration = Duration::from_secs(60);
pub(crate) const IDENTITY: &[u8] = b"identity";
pub(crate) const PROGRESS: &[u8] = b"progress";

/// What a commit wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Users written or deleted.
    pub users: usize,
    /// Item counts written.
    pub items: usize,
    /// Bytes of the batch.
    pub bytes: usize,
}

/// How long readers of a store that was closed in this process are waited for when it is opened again.
const READERS: Duration = Duration::from_secs(10);

/// What one event reads and changes.
pub struct Slots<'a> {
    /// The event's user; empty for one without state.
    pub user: &'a mut UserState,
    /// The count of the event's item; where none was asked for, one that is thrown away.
    pub item: &'a mut ItemCount,
    /// What the users of the partition share.
    pub partition: &'a mut PartitionState,
}

/// Where a user and an item, if one was asked for, lie in a store's cache.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    user: u32,
    item: Option<u32>,
}

/// One partition's state: RocksDB, and a write-back cache before it.
///
/// Changes stay in memory until [`PartitionStore::commit`]; until then
/// [`PartitionStore::rollback`] goes back to the last commit.
pub struct PartitionStore {
    db: Arc<DB>,
    features: FeatureSettings,
    resources: Resources,
    users: Cache<UserState>,
    items: Cache<ItemCount>,
    /// Lent out where no item was asked for.
    no_item: ItemCount,
    progress: Progress,
    expiry: Expiry,
    /// When commits were last made to reach the disk, where not each of them is.
    synced: Option<Instant>,
}

impl PartitionStore {
    /// Opens the store in `path`, or makes it.
    ///
    /// # Errors
    /// Kinds `Foreign` or `UnknownFormat` where it belongs to something else, `Unavailable` where
    /// the disk fails or another process holds it.
    pub fn open(
        path: &Path,
        identity: &Identity,
        features: &FeatureSettings,
        resources: &Resources,
    ) -> Result<Self> {
        let expiry = Expiry::new(features);
        let db = open_after_readers(path, resources, &expiry)?;
        claim(&db, identity, path)?;
        let progress = read_progress(&db, &db.snapshot())?.unwrap_or_default();
        expiry.committed(progress.partition.clock.now());
        Ok(Self {
            progress,
            expiry,
            db: Arc::new(db),
            features: features.clone(),
            resources: resources.clone(),
            users: Cache::default(),
            items: Cache::default(),
            no_item: ItemCount::default(),
            synced: None,
        })
    }

    /// The next input offset as last committed: the store holds all events before it.
    pub fn next_offset(&self) -> i64 {
        self.progress.next_offset
    }

    /// Whether nothing was ever committed.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn is_new(&self) -> Result<bool> {
        Ok(read_progress(&self.db, &self.db.snapshot())?.is_none())
    }

    /// Where the users and items lie that are about to be read, loaded with one sorted look-up
    /// each. The places hold until the next commit or rollback.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn places<'a>(
        &mut self,
        wanted: impl Iterator<Item = (&'a Id, Option<&'a Id>)> + Clone,
    ) -> Result<std::vec::IntoIter<Place>> {
        let (db, features) = (&self.db, &self.features);
        let users = self
            .users
            .places(wanted.clone().map(|(user, _)| user), |cache, ids| load(db, features, cache, ids))?;
        let items = self.items.places(wanted.clone().filter_map(|(_, item)| item), |cache, ids| {
            load(db, features, cache, ids)
        })?;
        let mut items = items.into_iter();
        let places = users.into_iter().zip(wanted).map(|(user, (_, item))| {
            let item = item.and_then(|_| items.next());
            Place { user, item }
        });
        Ok(places.collect::<Vec<_>>().into_iter())
    }

    /// Where one user and one item lie.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn place(&mut self, user: &Id, item: &Id) -> Result<Place> {
        let mut places = self.places(std::iter::once((user, Some(item))))?;
        places.next().ok_or_else(|| corrupt(USERS, user))
    }

    /// What an event at this place reads and changes. After a change it must be marked with
    /// [`PartitionStore::changed`].
    pub fn slots(&mut self, at: Place) -> Slots<'_> {
        Slots {
            user: self.users.get_mut(at.user),
            item: match at.item {
                Some(item) => self.items.get_mut(item),
                None => {
                    self.no_item = ItemCount::default();
                    &mut self.no_item
                }
            },
            partition: &mut self.progress.partition,
        }
    }

    /// Marks what [`PartitionStore::slots`] lent out as changed.
    pub fn changed(&mut self, at: Place) {
        self.users.mark_dirty(at.user);
        if let Some(item) = at.item {
            self.items.mark_dirty(item);
        }
    }

    /// Forgets a user; item counts keep what the user contributed. Whether there was anything to forget.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn forget(&mut self, user: &Id) -> Result<bool> {
        let (db, features) = (&self.db, &self.features);
        let places = self.users.places(std::iter::once(user), |cache, ids| load(db, features, cache, ids))?;
        let (mut known, now) = (false, self.progress.partition.clock.now());
        for place in places {
            let state = self.users.get_mut(place);
            // What a compaction may have removed, or not yet, counts as removed.
            known |= state.newest_ts().is_some_and(|newest| !is_removable(features, now, newest));
            *state = UserState::default();
            self.users.mark_dirty(place);
        }
        self.progress.partition.clock.forget(user);
        Ok(known)
    }

    /// Memory that is not committed, in bytes, about.
    pub fn dirty_bytes(&self) -> usize {
        self.users.dirty_bytes() + self.items.dirty_bytes()
    }

    /// Memory of the write-back cache, in bytes, about.
    pub fn cached_bytes(&self) -> usize {
        self.users.bytes() + self.items.bytes()
    }

    /// Writes every change and the next input offset in one `WriteBatch`, then trims the cache
    /// to `cache_limit` bytes.
    ///
    /// # Errors
    /// Kind `Unavailable`; then a rollback is possible, to the commit where it was written.
    pub fn commit(&mut self, next_offset: i64, cache_limit: usize) -> Result<Committed> {
        let mut batch = WriteBatch::default();
        let mut value = Vec::new();
        let users = put_dirty(&self.db, &mut self.users, &mut batch, &mut value)?;
        let items = put_dirty(&self.db, &mut self.items, &mut batch, &mut value)?;
        let before = std::mem::replace(&mut self.progress.next_offset, next_offset);
        value.clear();
        encode_progress(&self.progress, &mut value);
        batch.put_cf(family(&self.db, META)?, PROGRESS, &value);
        let bytes = batch.size_in_bytes();
        let mut options = WriteOptions::default();
        options.set_sync(self.resources.settings.sync);
        if let Err(error) = self.db.write_opt(batch, &options) {
            self.progress.next_offset = before;
            return Err(Error::disk("committing", error));
        }
        self.let_expire()?;
        if self.resources.is_behind() {
            for name in [USERS, ITEMS, META] {
                // The commit is there whatever becomes of the flush; the next one would fail.
                let _ = self.db.flush_cf(family(&self.db, name)?);
            }
        }
        // Items are small and shared by all users: they get the smaller part.
        self.users.settle(cache_limit / 4 * 3);
        self.items.settle(cache_limit / 4);
        Ok(Committed { users, items, bytes })
    }

    /// Lets compaction remove the users that have expired by the last commit, once it is on the disk:
    /// after a power failure an older store must still hold whom its replay will meet.
    fn let_expire(&mut self) -> Result<()> {
        if !self.resources.settings.sync {
            if self.synced.is_some_and(|at| at.elapsed() < SYNC_EVERY) {
                return Ok(());
            }
            self.db.flush_wal(true).map_err(|error| Error::disk("committing", error))?;
            self.synced = Some(Instant::now());
        }
        self.expiry.committed(self.progress.partition.clock.now());
        Ok(())
    }

    /// Trims the cache of a store in which nothing is uncommitted to `cache_limit` bytes.
    pub fn trim(&mut self, cache_limit: usize) {
        if self.dirty_bytes() == 0 {
            self.users.settle(cache_limit / 4 * 3);
            self.items.settle(cache_limit / 4);
        }
    }

    /// Drops everything that is not committed.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn rollback(&mut self) -> Result<()> {
        self.users.clear();
        self.items.clear();
        self.progress = read_progress(&self.db, &self.db.snapshot())?.unwrap_or_default();
        Ok(())
    }

    /// Makes a copy of the committed state in `folder`, which must not exist and be on the same
    /// file system: table files are hard links.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn checkpoint(&self, folder: &Path) -> Result<()> {
        let made = Checkpoint::new(&*self.db).and_then(|checkpoint| checkpoint.create_checkpoint(folder));
        made.map_err(|error| Error::disk(&format!("checkpoint in {}", folder.display()), error))
    }

    /// Rewrites every table now: what was overwritten and who has expired leave the disk.
    pub fn compact(&self) {
        for family in [USERS, ITEMS, META].into_iter().filter_map(|name| self.db.cf_handle(name)) {
            self.db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// A reader of committed state, for other threads.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(self.db.clone(), self.features.clone(), self.resources.database().clone())
    }
}

fn put_dirty<V: Stored>(
    db: &DB,
    cache: &mut Cache<V>,
    batch: &mut WriteBatch,
    value: &mut Vec<u8>,
) -> Result<usize> {
    let family = family(db, V::FAMILY)?;
    let (mut key, mut count) = (Vec::new(), 0);
    for (id, entry) in cache.dirty() {
        key.clear();
        id.write_key(&mut key);
        if entry.is_absent() {
            batch.delete_cf(family, &key);
        } else {
            value.clear();
            entry.encode(value);
            batch.put_cf(family, &key, &value);
        }
        count += 1;
    }
    Ok(count)
}

fn load<V: Stored>(
    db: &DB,
    settings: &FeatureSettings,
    cache: &mut Cache<V>,
    absent: Vec<&Id>,
) -> Result<()> {
    let keys: Vec<Vec<u8>> = absent.iter().map(|id| id.key()).collect();
    let found = db.batched_multi_get_cf(family(db, V::FAMILY)?, &keys, true);
    for (id, bytes) in absent.into_iter().zip(found) {
        let value = match bytes.map_err(|error| Error::disk("reading", error))? {
            None => V::default(),
            Some(bytes) => V::decode(settings, &bytes).ok_or_else(|| corrupt(V::FAMILY, id))?,
        };
        cache.insert_clean(id.clone(), value);
    }
    Ok(())
}

fn claim(db: &DB, identity: &Identity, path: &Path) -> Result<()> {
    match stored_identity(db, path)? {
        Some(found) => identity.check(&found, &path.display().to_string()),
        None => {
            let text = serde_json::to_vec_pretty(identity).unwrap_or_default();
            db.put_cf(family(db, META)?, IDENTITY, text)
                .map_err(|error| Error::disk("writing identity", error))
        }
    }
}

pub(crate) fn stored_identity(db: &DB, path: &Path) -> Result<Option<Identity>> {
    let stored =
        db.get_cf(family(db, META)?, IDENTITY).map_err(|error| Error::disk("reading identity", error))?;
    let Some(stored) = stored else { return Ok(None) };
    serde_json::from_slice(&stored).map(Some).map_err(|error| {
        Error::new(
            ErrorKind::UnknownFormat,
            format!("state store {}: its identity cannot be read ({error}); it was written by another version of this program: run that version, or rebuild the state in an empty data folder", path.display()),
        )
    })
}

pub(crate) fn open(path: &Path, resources: &Resources, create: bool, expiry: Option<&Expiry>) -> Result<DB> {
    let mut options = Options::clone(resources.database());
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    DB::open_cf_descriptors(&options, path, families(resources, expiry))
        .map_err(|error| Error::open(path, error))
}

/// The column families, each with its options: RocksDB would give one without a descriptor its
/// defaults.
pub(crate) fn families(resources: &Resources, expiry: Option<&Expiry>) -> [ColumnFamilyDescriptor; 3] {
    [USERS, ITEMS, META].map(|name| {
        let mut options = resources.family();
        if let Some(expiry) = expiry.filter(|_| name == USERS) {
            expiry.add_to(&mut options);
        }
        ColumnFamilyDescriptor::new(name, options)
    })
}

/// Opens as [`open`] does; a store that this process closed a moment ago stays locked while a
/// look-up still reads it, which takes no longer than one look-up.
fn open_after_readers(path: &Path, resources: &Resources, expiry: &Expiry) -> Result<DB> {
    let deadline = Instant::now() + READERS;
    loop {
        match open(path, resources, true, Some(expiry)) {
            Err(error) if error.is_held_here() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

pub(crate) fn read_identity(path: &Path, resources: &Resources) -> Result<Identity> {
    let identity = stored_identity(&open(path, resources, false, None)?, path)?.ok_or_else(|| {
        let text = format!("state store {}: has no identity: no job has used it", path.display());
        Error::new(ErrorKind::UnknownFormat, text)
    })?;
    identity.check_format(FORMAT_VERSION, &path.display().to_string())?;
    Ok(identity)
}

pub(crate) fn read_progress(db: &DB, at: &rocksdb::Snapshot<'_>) -> Result<Option<Progress>> {
    progress(db, at, decode_progress)
}

/// The beginning of [`read_progress`], which costs as little as a look-up needs of it.
pub(crate) fn read_head(db: &DB, at: &rocksdb::Snapshot<'_>) -> Result<Option<Head>> {
    progress(db, at, decode_head)
}

fn progress<T>(db: &DB, at: &rocksdb::Snapshot<'_>, decode: fn(&[u8]) -> Option<T>) -> Result<Option<T>> {
    let stored = at
        .get_pinned_cf(family(db, META)?, PROGRESS)
        .map_err(|error| Error::disk("reading progress", error))?;
    stored.map(|bytes| decode(&bytes).ok_or_else(|| corrupt(META, &"progress"))).transpose()
}

pub(crate) fn family<'a>(db: &'a DB, name: &str) -> Result<&'a ColumnFamily> {
    db.cf_handle(name).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, format!("state store: column family `{name}` is missing"))
    })
}

pub(crate) fn corrupt(family: &str, key: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "state store: the entry {key} of `{family}` cannot be read; rebuild the state in an empty data folder"
        ),
    )
}
