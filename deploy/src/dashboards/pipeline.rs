//! The streaming job, for who runs it.

use super::{TIMES, heat, lines, number, stack};
use crate::grafana::{Dashboard, Row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-pipeline",
        title: "HMISR / Pipeline",
        description: "The streaming job: what flows, how far it is behind, how commits and checkpoints go.",
        present: "hmisr_pipeline_events_total",
        version: None,
        rows: vec![now(), flow(), commits(), checkpoints(), process()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("Events", "cps", "Events applied and committed, per second.")
                .query("sum(rate(hmisr_pipeline_events_total{$s}[$i]))", "events"),
            number("Lag", "short", "Input records that no commit has processed.")
                .query("sum(hmisr_pipeline_lag_records{$s})", "records")
                .warns(10_000.0, 100_000.0),
            number(
                "Latency, 99 % within",
                "s",
                "From the timestamp of a commit's oldest record to the end of the commit.",
            )
            .query(
                "histogram_quantile(0.99, sum by (le) (rate(hmisr_pipeline_latency_seconds_bucket{$s}[$i])))",
                "latency",
            )
            .warns(2.0, 10.0),
            number("Dead letters", "cps", "Records that changed nothing and went to events-dlq, per second.")
                .query("sum(rate(hmisr_pipeline_dead_letters_total{$s}[$i]))", "dead letters")
                .warns(1.0, 100.0),
            number("Partitions", "short", "Input partitions that the chosen instances own.")
                .query("sum(hmisr_pipeline_partitions{$s})", "partitions"),
            number("Ready", "short", "Instances that have caught up with their commits.")
                .query("sum(hmisr_pipeline_ready{$s})", "instances")
                .needs(1.0),
        ],
    }
}

fn flow() -> Row {
    Row {
        title: "Flow",
        panels: vec![
            lines("Records per second", "cps", "In: events applied. Out: feature records and training examples. Replayed: records whose outputs were muted.")
                .query("sum(rate(hmisr_pipeline_events_total{$s}[$i]))", "events applied")
                .query("sum(rate(hmisr_pipeline_features_total{$s}[$i]))", "feature records")
                .query("sum(rate(hmisr_pipeline_examples_total{$s}[$i]))", "training examples")
                .query("sum(rate(hmisr_pipeline_replayed_total{$s}[$i]))", "replayed"),
            lines("Lag by instance", "short", "Input records not yet processed. One that grows while events flow is too slow; one that grows while none flow is stuck.")
                .query("hmisr_pipeline_lag_records{$s}", "{{instance}}"),
            stack("Dead letters by reason", "cps", "`hmisr dlq list` shows them; docs/dead-letters.md tells the reasons.")
                .query("sum by (reason) (rate(hmisr_pipeline_dead_letters_total{$s}[$i]))", "{{reason}}"),
            lines("Events that ended otherwise", "cps", "Duplicates left out, users forgotten, and events applied that are not positive, or whose action is in no configured list.")
                .query("sum(rate(hmisr_pipeline_duplicates_total{$s}[$i]))", "duplicates")
                .query("sum(rate(hmisr_pipeline_forgotten_total{$s}[$i]))", "users forgotten")
                .query("sum(rate(hmisr_pipeline_neutral_events_total{$s}[$i]))", "not positive")
                .query("sum(rate(hmisr_pipeline_unknown_actions_total{$s}[$i]))", "unknown actions"),
            lines("Feeder", "cps", "Of `hmisr up` alone: events that the log took from the feeder.")
                .query("sum(rate(hmisr_feed_events_total{$s}[$i]))", "events fed")
                .query("sum(rate(hmisr_feed_keyless_events_total{$s}[$i]))", "without a key")
                .query("sum(rate(hmisr_feed_cut_events_total{$s}[$i]))", "cut"),
            lines("Feeder held back", "percentunit", "Of `hmisr up` alone: share of time that the feeder waited for those who read.")
                .query("sum(rate(hmisr_feed_backpressure_seconds_total{$s}[$i]))", "waiting"),
        ],
    }
}

fn commits() -> Row {
    Row {
        title: "Commits",
        panels: vec![
            lines("Time of a commit", "s", "Outputs, offsets and state.")
                .quantiles("hmisr_pipeline_commit_seconds", "", TIMES),
            lines("Latency", "s", "From the timestamp of a commit's oldest record to the end of the commit: what a reader of features waits, at most.")
                .quantiles("hmisr_pipeline_latency_seconds", "", TIMES),
            lines("Commits", "cps", "Transactions that committed, and that did not.")
                .query("sum(rate(hmisr_pipeline_commit_seconds_count{$s}[$i]))", "committed")
                .query("sum(rate(hmisr_pipeline_failed_commits_total{$s}[$i]))", "failed"),
            lines("Records of a commit", "short", "Mean over commits, and of one poll.")
                .query("sum(rate(hmisr_pipeline_commit_records_sum{$s}[$i])) / sum(rate(hmisr_pipeline_commit_records_count{$s}[$i]))", "a commit")
                .query("sum(rate(hmisr_pipeline_batch_records_sum{$s}[$i])) / sum(rate(hmisr_pipeline_batch_records_count{$s}[$i]))", "a poll"),
            lines("State written", "Bps", "Bytes of state that commits hand to RocksDB, per second.")
                .query("sum(rate(hmisr_pipeline_state_written_bytes_total{$s}[$i]))", "written"),
            lines("Write-back cache", "bytes", "Decoded users in memory; state.cache_bytes bounds them.")
                .query("hmisr_pipeline_cache_bytes{$s}", "{{instance}}"),
            heat("Time of commits", "s", "hmisr_pipeline_commit_seconds", "How many commits took how long.").wide(24),
        ],
    }
}

fn checkpoints() -> Row {
    Row {
        title: "Checkpoints (where state.checkpoints is set)",
        panels: vec![
            lines("Oldest state in no checkpoint", "s", "What would be replayed if the disk of an instance were lost.")
                .query("hmisr_pipeline_checkpoint_age_seconds{$s}", "{{instance}}")
                .warns(900.0, 1800.0),
            lines("Checkpoints", "cps", "Published, failed, and left out because the last one was still under way.")
                .query("sum(rate(hmisr_pipeline_checkpoints_total{$s}[$i]))", "published")
                .query("sum(rate(hmisr_pipeline_checkpoint_failures_total{$s}[$i]))", "failed")
                .query("sum(rate(hmisr_pipeline_checkpoint_skipped_total{$s}[$i]))", "left out")
                .query("sum(rate(hmisr_pipeline_checkpoint_superseded_total{$s}[$i]))", "superseded"),
            lines("Uploaded", "Bps", "Bytes of checkpoints per second: only table files that are new.")
                .query("sum(rate(hmisr_pipeline_checkpoint_bytes_total{$s}[$i]))", "uploaded"),
            lines("Time of an upload", "s", "From a checkpoint of the store to its published manifest.")
                .quantiles("hmisr_pipeline_checkpoint_seconds", "", TIMES),
            lines("Restored", "short", "Partitions restored from a checkpoint, and checkpoints passed over as damaged, in the last hour.")
                .query("sum(increase(hmisr_pipeline_checkpoints_restored_total{$s}[1h]))", "restored")
                .query("sum(increase(hmisr_pipeline_checkpoint_damaged_total{$s}[1h]))", "damaged"),
        ],
    }
}

fn process() -> Row {
    Row {
        title: "Process",
        panels: vec![
            lines("Processor", "short", "Cores in use.")
                .query("rate(process_cpu_seconds_total{$s}[$i])", "{{instance}}"),
            lines("Memory", "bytes", "Resident.").query("process_resident_memory_bytes{$s}", "{{instance}}"),
            lines("Open files", "percentunit", "Share of the files that the process may open.")
                .query("process_open_fds{$s} / process_max_fds{$s}", "{{instance}}")
                .up_to(1.0)
                .warns(0.7, 0.9),
        ],
    }
}
