//! Metrics of checkpoints.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, Registry};

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
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("hmisr_pipeline_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let seconds = Histogram::with_opts(
            HistogramOpts::new("hmisr_pipeline_checkpoint_seconds", "Time to upload a checkpoint.")
                .buckets(prometheus::exponential_buckets(0.01, 2.0, 16)?),
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let age = Gauge::new(
            "hmisr_pipeline_checkpoint_age_seconds",
            "Longest time for which an owned partition has had state that is in no checkpoint.",
        )?;
        registry.register(Box::new(age.clone()))?;
        Ok(Self {
            seconds,
            age,
            published: counter("checkpoints_total", "Checkpoints published.")?,
            superseded: counter(
                "checkpoint_superseded_total",
                "Checkpoints published after a later one of another writer.",
            )?,
            bytes: counter("checkpoint_bytes_total", "Bytes of checkpoints uploaded.")?,
            failures: counter(
                "checkpoint_failures_total",
                "Checkpoints that could not be made or uploaded.",
            )?,
            skipped: counter(
                "checkpoint_skipped_total",
                "Checkpoints left out because the partition's last one was still being uploaded.",
            )?,
            restored: counter("checkpoints_restored_total", "Partitions restored from a checkpoint.")?,
            damaged: counter(
                "checkpoint_damaged_total",
                "Checkpoints passed over at a restore because a file was missing or different.",
            )?,
        })
    }
}
