//! Committed state, for look-ups from other threads.

use std::path::Path;
use std::sync::Arc;

use hmisr_features::{FeatureSettings, Id, UserState, is_expired};
use rocksdb::properties::{
    BACKGROUND_ERRORS, BLOCK_CACHE_USAGE, CUR_SIZE_ALL_MEM_TABLES, ESTIMATE_NUM_KEYS,
    ESTIMATE_PENDING_COMPACTION_BYTES, IS_WRITE_STOPPED, LIVE_SST_FILES_SIZE,
};
use rocksdb::statistics::Ticker;
use rocksdb::{DB, IteratorMode, Options};

use crate::cache::{ITEMS, USERS};
use crate::store::{corrupt, families, family, read_head, stored_identity};
use crate::{Error, FORMAT_VERSION, Resources, Result};

/// Reads what the last commit left, while the owner goes on writing.
#[derive(Clone)]
pub struct StoreReader {
    db: Arc<DB>,
    features: FeatureSettings,
    /// Holds the statistics that the stores of a process share.
    options: Arc<Options>,
}

/// A user's committed state, with the offset up to which the store was built.
#[derive(Debug, Clone, PartialEq)]
pub struct UserSnapshot {
    /// The state.
    pub user: UserState,
    /// The store's next input offset.
    pub next_offset: i64,
}

/// RocksDB's own figures of one store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Users, estimated.
    pub users: u64,
    /// Items counted, estimated.
    pub items: u64,
    /// Bytes of live table files.
    pub disk_bytes: u64,
    /// Bytes of memtables.
    pub memtable_bytes: u64,
    /// Bytes in the block cache, which all stores of a process share.
    pub block_cache_bytes: u64,
    /// Bytes that compaction has yet to rewrite.
    pub pending_compaction_bytes: u64,
    /// Column families to which writes are stopped.
    pub write_stopped: u64,
    /// Errors of flush and compaction.
    pub background_errors: u64,
}

impl StoreReader {
    pub(crate) fn new(db: Arc<DB>, features: FeatureSettings, options: Arc<Options>) -> Self {
        Self { db, features, options }
    }

    /// Opens the store in `path` for reading alone: nothing is written, compacted or removed. It
    /// sees what was committed at that time.
    ///
    /// # Errors
    /// Kinds `Unavailable`, `Corrupt`, or `UnknownFormat` where another version wrote it.
    pub fn open(path: &Path, features: &FeatureSettings, resources: &Resources) -> Result<Self> {
        let mut options = Options::clone(resources.database());
        options.create_if_missing(false);
        let db = DB::open_cf_descriptors_read_only(&options, path, families(resources, None), false)
            .map_err(|error| Error::open(path, error))?;
        if let Some(identity) = stored_identity(&db, path)? {
            identity.check_format(FORMAT_VERSION, &path.display().to_string())?;
        }
        Ok(Self::new(Arc::new(db), features.clone(), resources.database().clone()))
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    /// RocksDB's count, over all stores that were opened with the same `Resources`.
    pub(crate) fn ticker(&self, ticker: Ticker) -> u64 {
        self.options.get_ticker_count(ticker)
    }

    /// The user's state; none where there is no such user, or the state has expired by the
    /// committed clock (whatever compaction has removed by then).
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn user(&self, id: &Id) -> Result<Option<UserSnapshot>> {
        // A RocksDB snapshot, so that user and clock are of the same commit.
        let snapshot = self.db.snapshot();
        let stored = snapshot
            .get_pinned_cf(family(&self.db, USERS)?, id.key())
            .map_err(|error| Error::disk("reading", error))?;
        let Some(stored) = stored else { return Ok(None) };
        let user = UserState::read(&self.features, &stored).ok_or_else(|| corrupt(USERS, id))?;
        let head = read_head(&self.db, &snapshot)?.unwrap_or_default();
        let expired = user.newest_ts().is_some_and(|newest| is_expired(&self.features, head.clock, newest));
        Ok((!expired).then_some(UserSnapshot { user, next_offset: head.next_offset }))
    }

    /// The next input offset as committed.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn next_offset(&self) -> Result<i64> {
        Ok(read_head(&self.db, &self.db.snapshot())?.unwrap_or_default().next_offset)
    }

    /// Calls `visit` with every user that has not expired, in the order of the keys.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn for_each_user<E: From<Error>>(
        &self,
        visit: impl FnMut(Id, &UserState) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.visit_users(usize::MAX, visit)
    }

    /// Users that have not expired, of the first `most` by key, with the time of their newest event.
    ///
    /// # Errors
    /// Kinds `Unavailable` or `Corrupt`.
    pub fn first_users(&self, most: usize) -> Result<Vec<(Id, i64)>> {
        let mut users = Vec::new();
        self.visit_users::<Error>(most, |id, user| {
            users.extend(user.newest_ts().map(|newest| (id, newest)));
            Ok(())
        })?;
        Ok(users)
    }

    fn visit_users<E: From<Error>>(
        &self,
        most: usize,
        mut visit: impl FnMut(Id, &UserState) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let clock = read_head(&self.db, &self.db.snapshot())?.unwrap_or_default().clock;
        for entry in self.db.iterator_cf(family(&self.db, USERS)?, IteratorMode::Start).take(most) {
            let (key, value) = entry.map_err(|error| Error::disk("reading", error))?;
            let id = Id::from_key(&key).ok_or_else(|| corrupt(USERS, &format!("{key:02x?}")))?;
            let user = UserState::read(&self.features, &value).ok_or_else(|| corrupt(USERS, &id))?;
            if !user.newest_ts().is_some_and(|newest| is_expired(&self.features, clock, newest)) {
                visit(id, &user)?;
            }
        }
        Ok(())
    }

    /// RocksDB's own figures.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn figures(&self) -> Result<StoreFigures> {
        let of = |name: &str, property: &rocksdb::properties::PropName| -> Result<u64> {
            let value = self.db.property_int_value_cf(family(&self.db, name)?, property);
            Ok(value.map_err(|error| Error::disk("reading a property", error))?.unwrap_or_default())
        };
        let both = |property| -> Result<u64> { Ok(of(USERS, property)? + of(ITEMS, property)?) };
        Ok(StoreFigures {
            users: of(USERS, ESTIMATE_NUM_KEYS)?,
            items: of(ITEMS, ESTIMATE_NUM_KEYS)?,
            disk_bytes: both(LIVE_SST_FILES_SIZE)?,
            memtable_bytes: both(CUR_SIZE_ALL_MEM_TABLES)?,
            block_cache_bytes: of(USERS, BLOCK_CACHE_USAGE)?,
            pending_compaction_bytes: both(ESTIMATE_PENDING_COMPACTION_BYTES)?,
            write_stopped: both(IS_WRITE_STOPPED)?,
            background_errors: of(USERS, BACKGROUND_ERRORS)?,
        })
    }
}
