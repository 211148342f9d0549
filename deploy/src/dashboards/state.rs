//! RocksDB under the job, for who sizes and tunes it.

use super::{lines, number};
use crate::grafana::{Dashboard, Row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-state",
        title: "HMISR / State",
        description: "The users' state in RocksDB: how much there is, how it is read, whether writes are held back.",
        present: "hmisr_state_stores",
        version: None,
        rows: vec![now(), size(), reads(), writes()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("Users", "short", "Users with state, estimated by RocksDB: one that was rewritten and not yet compacted counts again.")
                .query("sum(hmisr_state_users{$s})", "users"),
            number("Items", "short", "Items counted, summed over partitions.")
                .query("sum(hmisr_state_items{$s})", "items"),
            number("On disk", "bytes", "Live table files.")
                .query("sum(hmisr_state_disk_bytes{$s})", "tables"),
            number("Stores", "short", "Partition stores that are open.")
                .query("sum(hmisr_state_stores{$s})", "stores"),
            number("Writes held back", "percentunit", "Share of time that RocksDB held writes back.")
                .query("sum(rate(hmisr_state_stall_seconds_total{$s}[$i]))", "stalled")
                .warns(0.01, 0.05),
            number(
                "Background errors",
                "short",
                "Errors of flush and compaction: the disk is full or failing.",
            )
            .query("sum(hmisr_state_background_errors{$s})", "errors")
            .warns(1.0, 1.0),
        ],
    }
}

fn size() -> Row {
    Row {
        title: "How much there is",
        panels: vec![
            lines("Users by instance", "short", "Users with state, estimated by RocksDB: one that was rewritten and not yet compacted counts again.")
                .query("hmisr_state_users{$s}", "{{instance}}"),
            lines(
                "Disk by instance",
                "bytes",
                "Live table files; a checkpoint under way holds older ones too.",
            )
            .query("hmisr_state_disk_bytes{$s}", "{{instance}}"),
            lines(
                "Users expired",
                "cps",
                "Users that compactions removed, twice features.ttl_ms after their last event by the partition's clock.",
            )
            .query("sum(rate(hmisr_state_expired_users_total{$s}[$i]))", "expired"),
            lines("Memory", "bytes", "Block cache and memtables share state.memory_bytes.")
                .query("sum(hmisr_state_block_cache_bytes{$s})", "block cache")
                .query("sum(hmisr_state_memtable_bytes{$s})", "memtables")
                .wide(12),
            lines("Bytes a user", "bytes", "Disk over users: grows with the window and the categories.")
                .query("sum(hmisr_state_disk_bytes{$s}) / (sum(hmisr_state_users{$s}) > 0)", "a user")
                .wide(12),
        ],
    }
}

fn reads() -> Row {
    Row {
        title: "Reads",
        panels: vec![
            lines(
                "Keys",
                "cps",
                "Keys looked up and written, per second: what the write-back cache did not spare.",
            )
            .query("sum(rate(hmisr_state_keys_read_total{$s}[$i]))", "read")
            .query("sum(rate(hmisr_state_keys_written_total{$s}[$i]))", "written"),
            lines(
                "Blocks",
                "cps",
                "Blocks found in the block cache, and read from the disk or the page cache.",
            )
            .query("sum(rate(hmisr_state_block_cache_hits_total{$s}[$i]))", "cached")
            .query("sum(rate(hmisr_state_block_cache_misses_total{$s}[$i]))", "missed"),
            lines("Tables spared by filters", "cps", "Reads of a table that its Bloom filter answered.")
                .query("sum(rate(hmisr_state_bloom_filtered_total{$s}[$i]))", "spared"),
        ],
    }
}

fn writes() -> Row {
    Row {
        title: "Writes and compaction",
        panels: vec![
            lines("Written to disk", "Bps", "By flushes of memtables and by compactions.")
                .query("sum(rate(hmisr_state_flushed_bytes_total{$s}[$i]))", "flushed")
                .query("sum(rate(hmisr_state_compacted_bytes_total{$s}[$i]))", "compacted"),
            lines(
                "Compaction to do",
                "bytes",
                "Bytes that compaction has yet to rewrite; RocksDB slows writes when it is too much.",
            )
            .query("hmisr_state_pending_compaction_bytes{$s}", "{{instance}}"),
            lines("Writes held back", "percentunit", "Share of time that RocksDB held writes back.")
                .query("rate(hmisr_state_stall_seconds_total{$s}[$i])", "{{instance}}")
                .warns(0.01, 0.05),
            lines("Writes stopped", "short", "Column families to which writes are stopped.")
                .query("hmisr_state_write_stopped{$s}", "{{instance}}")
                .wide(12),
            lines("Background errors", "short", "Errors of flush and compaction.")
                .query("hmisr_state_background_errors{$s}", "{{instance}}")
                .wide(12),
        ],
    }
}
