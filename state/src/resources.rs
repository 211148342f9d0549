//! One memory budget over all the stores of a process.

use std::sync::Arc;

use rocksdb::statistics::StatsLevel;
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager};
use serde::{Deserialize, Serialize};

/// How state is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// RocksDB's block cache and memtables together, over all partitions, in bytes. A commit
    /// waits for its flush where memtables take five eighths. Half a megabyte a partition is the
    /// least that is of use.
    pub memory_bytes: usize,
    /// The write-back cache of decoded users, over all partitions, in bytes. What is not yet
    /// committed cannot be evicted, so a commit comes at the latest when half of it is dirty. State
    /// takes this and `memory_bytes` together.
    pub cache_bytes: usize,
    /// Whether a commit of state waits for the disk. Without it state survives `kill -9`; after
    /// a power failure it may be older than the committed offset and is then rebuilt by replay.
    pub sync: bool,
    /// Where checkpoints go, such as `file:///var/lib/hmisr/checkpoints`; empty: nowhere.
    pub checkpoints: String,
    /// Time between two checkpoints of a partition, in seconds; 0: only when it is given up and
    /// when the job stops.
    pub checkpoint_interval_s: u64,
    /// Checkpoints kept of each partition.
    pub keep_checkpoints: usize,
    /// How long giving a partition up, or stopping, may wait for its last checkpoint, in
    /// milliseconds; 0: none is made then.
    pub checkpoint_on_revoke_ms: u64,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            cache_bytes: 256 << 20,
            sync: false,
            checkpoints: String::new(),
            checkpoint_interval_s: 300,
            keep_checkpoints: 3,
            checkpoint_on_revoke_ms: 10_000,
        }
    }
}

impl StateSettings {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// A text naming field, value and range.
    pub fn validate(&self) -> Result<(), String> {
        for (field, value) in [("memory_bytes", self.memory_bytes), ("cache_bytes", self.cache_bytes)] {
            if value < 8 << 20 {
                return Err(format!("state.{field} = {value}: expected at least {} (8 MiB)", 8 << 20));
            }
        }
        if !(2..=1_000).contains(&self.keep_checkpoints) {
            return Err(format!("state.keep_checkpoints = {}: expected 2 to 1000", self.keep_checkpoints));
        }
        if self.checkpoint_on_revoke_ms > 60_000 {
            let value = self.checkpoint_on_revoke_ms;
            return Err(format!("state.checkpoint_on_revoke_ms = {value}: expected 0 to 60000 milliseconds"));
        }
        Ok(())
    }
}

/// Log of one store whose oldest entries are only in memory, at most. Beyond it they are flushed,
/// so that a store's size on disk follows from what it holds.
const WAL_BYTES: u64 = 16 << 20;
/// A memtable grows by this much at a time: with RocksDB's 1 MiB, a thousand partitions of a few
/// users each would use the whole budget.
const ARENA_BYTES: usize = 32 << 10;

/// What the stores of a process share. Clones share it.
#[derive(Clone)]
pub struct Resources {
    pub(crate) settings: StateSettings,
    pub(crate) cache: Cache,
    write_buffers: WriteBufferManager,
    database: Arc<Options>,
}

impl Resources {
    /// Sets the budget aside.
    pub fn new(settings: StateSettings) -> Self {
        let cache = Cache::new_lru_cache(settings.memory_bytes);
        // Memtables are charged to the cache, so that one number bounds both.
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            settings.memory_bytes / 2,
            false,
            cache.clone(),
        );
        let database = Arc::new(database(&write_buffers));
        Self { settings, cache, write_buffers, database }
    }

    /// Whether flushes have fallen so far behind that who writes must wait for his own: RocksDB
    /// begins them at half of the budget, and would itself let memtables grow on.
    pub(crate) fn is_behind(&self) -> bool {
        self.write_buffers.get_usage() > self.settings.memory_bytes / 8 * 5
    }

    /// Options of a store. Copies share the statistics, so that one set counts for all stores.
    pub(crate) fn database(&self) -> &Arc<Options> {
        &self.database
    }

    /// Options of a column family of point reads. Every family is opened with them: RocksDB
    /// would otherwise give it defaults, without filter or shared cache.
    pub(crate) fn family(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.cache);
        blocks.set_bloom_filter(10.0, false);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_arena_block_size(ARENA_BYTES);
        options
    }
}

fn database(write_buffers: &WriteBufferManager) -> Options {
    // Without it log and manifest occupy tens of megabytes before the first user. Only RocksDB's
    // text form of options has it; a RocksDB that did not know it would work all the same.
    let mut options = Options::default().get_options_from_string("allow_fallocate=false").unwrap_or_default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(write_buffers);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_keep_log_file_num(4);
    // RocksDB would start fifteen threads for each family of each store that is opened; a partition
    // has tens of files, whose opening takes milliseconds.
    options.set_max_file_opening_threads(1);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}
