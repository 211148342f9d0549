//! Metrics of checkpoints.

use hmisr_stream::Registrar;
use prometheus::{Gauge, Histogram, IntCounter, Registry};

/// Counters, a gauge and a histogram over all partitions of the process.
#[derive(Clone)]
pub(crate) struct CheckpointMetrics {
    pub(super) published: IntCounter,
    pub(super) superseded: IntCounter,
    pub(super) bytes: IntCounter,
    pub(super) failures: IntCounter,
    pub(super) skipped: IntCounter,
    pub(super) restored: IntCounter,
    pub(super) damaged: IntCounter,
    pub(super) seconds: Histogram,
    pub(super) age: Gauge,
}

impl CheckpointMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        Ok(Self {
            seconds: new.histogram(
                "hmisr_pipeline_checkpoint_seconds",
                "Time to upload a checkpoint.",
                prometheus::exponential_buckets(0.01, 2.0, 16)?,
            )?,
            age: new.float_gauge(
                "hmisr_pipeline_checkpoint_age_seconds",
                "Longest time for which an owned partition has had state that is in no checkpoint.",
            )?,
            published: new.counter("hmisr_pipeline_checkpoints_total", "Checkpoints published.")?,
            superseded: new.counter(
                "hmisr_pipeline_checkpoint_superseded_total",
                "Checkpoints published after a later one of another writer.",
            )?,
            bytes: new.counter("hmisr_pipeline_checkpoint_bytes_total", "Bytes of checkpoints uploaded.")?,
            failures: new.counter(
                "hmisr_pipeline_checkpoint_failures_total",
                "Checkpoints that could not be made or uploaded.",
            )?,
            skipped: new.counter(
                "hmisr_pipeline_checkpoint_skipped_total",
                "Checkpoints left out because the partition's last one was still being uploaded.",
            )?,
            restored: new.counter(
                "hmisr_pipeline_checkpoints_restored_total",
                "Partitions restored from a checkpoint.",
            )?,
            damaged: new.counter(
                "hmisr_pipeline_checkpoint_damaged_total",
                "Checkpoints passed over at a restore because a file was missing or different.",
            )?,
        })
    }
}
