//! The job's metrics.

use hmisr_stream::Registrar;
use hmisr_stream::contract::Reason;
use prometheus::{Histogram, IntCounter, IntGauge, Registry};

use crate::checkpoints::CheckpointMetrics;
use crate::partitioning::PartitioningMetrics;
use crate::population::PopulationMetrics;

/// Counters, gauges and histograms of the job, labels resolved once.
pub struct PipelineMetrics {
    pub(crate) events: IntCounter,
    pub(crate) replayed: IntCounter,
    pub(crate) neutral: IntCounter,
    pub(crate) unknown_actions: IntCounter,
    pub(crate) forgotten: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) features: IntCounter,
    pub(crate) examples: IntCounter,
    pub(crate) dead_letters: Vec<IntCounter>,
    pub(crate) batch_records: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) commit_records: Histogram,
    pub(crate) latency_seconds: Histogram,
    pub(crate) state_bytes_written: IntCounter,
    pub(crate) failed_commits: IntCounter,
    pub(crate) lag: IntGauge,
    pub(crate) topic_lag: IntGauge,
    pub(crate) silent_seconds: IntGauge,
    pub(crate) unowned: IntGauge,
    pub(crate) stuck: IntGauge,
    pub(crate) skipped: IntCounter,
    pub(crate) partitions: IntGauge,
    pub(crate) cache_bytes: IntGauge,
    pub(crate) ready: IntGauge,
    pub(crate) checkpoints: CheckpointMetrics,
    pub(crate) partitioning: PartitioningMetrics,
    pub(crate) population: PopulationMetrics,
}

impl PipelineMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// Where one of the names is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        let seconds = || prometheus::exponential_buckets(0.000_5, 2.0, 16);
        let records = || prometheus::exponential_buckets(1.0, 4.0, 10);
        let by_reason = new.counter_vec(
            "hmisr_pipeline_dead_letters_total",
            "Dead letters committed, by reason.",
            &["reason"],
        )?;
        Ok(Self {
            events: new.counter("hmisr_pipeline_events_total", "Events applied and committed.")?,
            replayed: new.counter("hmisr_pipeline_replayed_total", "Records replayed with outputs muted.")?,
            neutral: new.counter(
                "hmisr_pipeline_neutral_events_total",
                "Events applied whose action is not positive: they enter their user's visits and no feature.",
            )?,
            unknown_actions: new.counter(
                "hmisr_pipeline_unknown_actions_total",
                "Events applied whose action is in no configured list.",
            )?,
            duplicates: new.counter(
                "hmisr_pipeline_duplicates_total",
                "Events left out because their user had had one of the same event_id.",
            )?,
            forgotten: new.counter("hmisr_pipeline_forgotten_total", "Tombstones applied.")?,
            features: new.counter("hmisr_pipeline_features_total", "Feature records committed.")?,
            examples: new.counter("hmisr_pipeline_examples_total", "Training examples committed.")?,
            dead_letters: Reason::ALL
                .iter()
                .map(|reason| by_reason.with_label_values(&[reason.as_str()]))
                .collect(),
            batch_records: new.histogram("hmisr_pipeline_batch_records", "Records of one poll.", records()?)?,
            commit_seconds: new.histogram(
                "hmisr_pipeline_commit_seconds",
                "Time of a commit: outputs, offsets, state.",
                seconds()?,
            )?,
            commit_records: new.histogram("hmisr_pipeline_commit_records", "Records of one commit.", records()?)?,
            latency_seconds: new.histogram(
                "hmisr_pipeline_latency_seconds",
                "From the timestamp of a commit's oldest record to the end of the commit.",
                seconds()?,
            )?,
            state_bytes_written: new.counter(
                "hmisr_pipeline_state_written_bytes_total",
                "Bytes of state committed.",
            )?,
            failed_commits: new.counter(
                "hmisr_pipeline_failed_commits_total",
                "Transactions that did not commit.",
            )?,
            lag: new.gauge(
                "hmisr_pipeline_lag_records",
                "Input records not yet processed, over owned partitions.",
            )?,
            topic_lag: new.gauge(
                "hmisr_pipeline_topic_lag_records",
                "Input records that the group has not committed, over all partitions, whoever owns them.",
            )?,
            silent_seconds: new.gauge(
                "hmisr_pipeline_brokers_silent_seconds",
                "How long no broker has answered, where that is more than 15 s.",
            )?,
            unowned: new.gauge(
                "hmisr_pipeline_unowned_partitions",
                "Input partitions that no member of the group has, or that nobody reads though they grow (protocol consumer).",
            )?,
            stuck: new.gauge(
                "hmisr_pipeline_stuck_partitions",
                "Owned partitions that cannot be read on: a batch that cannot be read, or nothing comes.",
            )?,
            skipped: new.counter(
                "hmisr_pipeline_skipped_offsets_total",
                "Offsets of batches that could not be read and were skipped by pipeline.skip_unreadable.",
            )?,
            partitions: new.gauge("hmisr_pipeline_partitions", "Input partitions owned.")?,
            cache_bytes: new.gauge("hmisr_pipeline_cache_bytes", "Bytes of the write-back caches.")?,
            checkpoints: CheckpointMetrics::new(registry)?,
            partitioning: PartitioningMetrics::new(registry)?,
            population: PopulationMetrics::new(registry)?,
            ready: new.gauge(
                "hmisr_pipeline_ready",
                "1 where all owned partitions have caught up with their commits, none is stuck, and none of the topic is left without an owner.",
            )?,
        })
    }

    pub(crate) fn dead_letter(&self, reason: Reason) -> &IntCounter {
        // One counter for each of `Reason::ALL`, in its order, which is the order of the variants.
        &self.dead_letters[reason as usize]
    }
}
