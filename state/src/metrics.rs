//! RocksDB's figures for Prometheus.

use prometheus::{Counter, IntCounter, IntGauge, Registry};
use rocksdb::statistics::Ticker;

use crate::{Result, StoreReader};

/// RocksDB's counts that are shown as they are: tickers to be added up, name, meaning.
const COUNTS: [(&[Ticker], &str, &str); 8] = [
    (
        &[Ticker::BlockCacheHit],
        "hmisr_state_block_cache_hits_total",
        "Blocks read that were in the block cache.",
    ),
    (
        &[Ticker::BlockCacheMiss],
        "hmisr_state_block_cache_misses_total",
        "Blocks read that were not in the block cache.",
    ),
    (
        &[Ticker::BloomFilterUseful],
        "hmisr_state_bloom_filtered_total",
        "Reads of a table that its filter spared.",
    ),
    // RocksDB counts keys that are read together apart from those that are read alone.
    (
        &[Ticker::NumberKeysRead, Ticker::NumberMultigetKeysRead],
        "hmisr_state_keys_read_total",
        "Keys looked up in RocksDB.",
    ),
    (&[Ticker::NumberKeysWritten], "hmisr_state_keys_written_total", "Keys written to RocksDB."),
    (&[Ticker::FlushWriteBytes], "hmisr_state_flushed_bytes_total", "Bytes that flushes wrote."),
    (&[Ticker::CompactWriteBytes], "hmisr_state_compacted_bytes_total", "Bytes that compactions wrote."),
    (
        &[Ticker::CompactionKeyDropUser],
        "hmisr_state_expired_users_total",
        "Expired users that compactions removed.",
    ),
];

/// Figures over all stores of a process, as sums; there is no label.
#[derive(Clone)]
pub struct StateMetrics {
    stores: IntGauge,
    users: IntGauge,
    items: IntGauge,
    disk_bytes: IntGauge,
    memtable_bytes: IntGauge,
    block_cache_bytes: IntGauge,
    pending_compaction_bytes: IntGauge,
    write_stopped: IntGauge,
    background_errors: IntGauge,
    /// In the order of [`COUNTS`].
    counts: Vec<IntCounter>,
    stall_seconds: Counter,
}

impl StateMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// Where one of the names is taken.
    pub fn new(registry: &Registry) -> std::result::Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counts = COUNTS.iter().map(|(_, name, help)| {
            let counter = IntCounter::new(*name, *help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        });
        let stall_seconds =
            Counter::new("hmisr_state_stall_seconds_total", "Time that RocksDB held writes back.")?;
        registry.register(Box::new(stall_seconds.clone()))?;
        Ok(Self {
            counts: counts.collect::<std::result::Result<_, prometheus::Error>>()?,
            stall_seconds,
            stores: gauge("hmisr_state_stores", "Partition stores that are open.")?,
            users: gauge("hmisr_state_users", "Users with state, estimated by RocksDB.")?,
            items: gauge(
                "hmisr_state_items",
                "Items counted, summed over partitions, estimated by RocksDB.",
            )?,
            disk_bytes: gauge("hmisr_state_disk_bytes", "Bytes of live table files.")?,
            memtable_bytes: gauge("hmisr_state_memtable_bytes", "Bytes of memtables.")?,
            block_cache_bytes: gauge("hmisr_state_block_cache_bytes", "Bytes in the shared block cache.")?,
            pending_compaction_bytes: gauge(
                "hmisr_state_pending_compaction_bytes",
                "Bytes that compaction has yet to rewrite.",
            )?,
            write_stopped: gauge(
                "hmisr_state_write_stopped",
                "Column families to which writes are stopped.",
            )?,
            background_errors: gauge("hmisr_state_background_errors", "Errors of flush and compaction.")?,
        })
    }

    /// Reads the figures of `stores` anew.
    ///
    /// # Errors
    /// Kind `Unavailable`.
    pub fn observe(&self, stores: &[StoreReader]) -> Result<()> {
        let figures = stores.iter().map(StoreReader::figures).collect::<Result<Vec<_>>>()?;
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.stores, figures.len() as u64);
        set(&self.users, figures.iter().map(|store| store.users).sum());
        set(&self.items, figures.iter().map(|store| store.items).sum());
        set(&self.disk_bytes, figures.iter().map(|store| store.disk_bytes).sum());
        set(&self.memtable_bytes, figures.iter().map(|store| store.memtable_bytes).sum());
        // One cache serves all stores: each reports the same number.
        set(&self.block_cache_bytes, figures.iter().map(|store| store.block_cache_bytes).max().unwrap_or(0));
        set(&self.pending_compaction_bytes, figures.iter().map(|store| store.pending_compaction_bytes).sum());
        set(&self.write_stopped, figures.iter().map(|store| store.write_stopped).sum());
        set(&self.background_errors, figures.iter().map(|store| store.background_errors).sum());
        // The stores of a process count together: any of them tells for all.
        let Some(store) = stores.first() else { return Ok(()) };
        for (counter, (tickers, ..)) in self.counts.iter().zip(COUNTS) {
            let count: u64 = tickers.iter().map(|ticker| store.ticker(*ticker)).sum();
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        let stalled = store.ticker(Ticker::StallMicros) as f64 / 1e6;
        self.stall_seconds.inc_by((stalled - self.stall_seconds.get()).max(0.0));
        Ok(())
    }
}
