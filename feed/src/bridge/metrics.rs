//! The bridge's metrics.

use std::sync::Arc;

use hmisr_stream::contract::Reason;
use hmisr_stream::{Registrar, Waits};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

/// The metrics `hmisr_bridge_…`; they count what is committed.
#[derive(Debug, Clone)]
pub struct BridgeMetrics {
    /// `hmisr_bridge_events_total`: events that were written.
    pub events: IntCounter,
    /// `hmisr_bridge_dead_letters_total`: those that did not, by reason.
    pub dead_letters: IntCounterVec,
    /// `hmisr_bridge_skipped_total`: records without an event, as the filter says or their list is empty.
    pub skipped: IntCounter,
    /// `hmisr_bridge_schema_prefixes_total`: payloads before which a schema registry's prefix was skipped.
    pub schema_prefixes: IntCounter,
    /// `hmisr_bridge_failed_commits_total`: transactions that took no effect.
    pub failed_commits: IntCounter,
    /// `hmisr_bridge_lag_records`: records yet to be read, over owned partitions.
    pub lag: IntGauge,
    /// `hmisr_bridge_topic_lag_records`: the same over all partitions, whoever owns them.
    pub topic_lag: IntGauge,
    /// `hmisr_bridge_brokers_silent_seconds`: how long no broker has answered, where that is long.
    pub silent_seconds: IntGauge,
    /// `hmisr_bridge_unowned_partitions`: partitions that no instance has.
    pub unowned: IntGauge,
    /// `hmisr_bridge_stuck_partitions`: owned partitions that cannot be read on.
    pub stuck: IntGauge,
    /// `hmisr_bridge_skipped_offsets_total`: offsets of unreadable batches that were skipped on request.
    pub skipped_offsets: IntCounter,
    waits: Arc<Waits>,
}

impl BridgeMetrics {
    /// Makes and registers the metrics.
    ///
    /// # Errors
    /// Where the registry has them already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        let metrics = Self {
            events: new.counter("hmisr_bridge_events_total", "Events that were written.")?,
            dead_letters: new.counter_vec(
                "hmisr_bridge_dead_letters_total",
                "Records that are no events, by reason.",
                &["reason"],
            )?,
            skipped: new.counter(
                "hmisr_bridge_skipped_total",
                "Records without an event: filtered out, or with an empty list.",
            )?,
            schema_prefixes: new.counter(
                "hmisr_bridge_schema_prefixes_total",
                "Payloads before which a schema registry's prefix was skipped.",
            )?,
            failed_commits: new.counter(
                "hmisr_bridge_failed_commits_total",
                "Transactions that took no effect, and were done again.",
            )?,
            lag: new.gauge("hmisr_bridge_lag_records", "Records yet to be read, over owned partitions.")?,
            topic_lag: new.gauge(
                "hmisr_bridge_topic_lag_records",
                "Records that the group has not committed, over all partitions, whoever owns them.",
            )?,
            silent_seconds: new.gauge(
                "hmisr_bridge_brokers_silent_seconds",
                "How long no broker has answered, where that is more than 15 s.",
            )?,
            unowned: new.gauge(
                "hmisr_bridge_unowned_partitions",
                "Partitions that no instance of the bridge has, or that none reads though they grow.",
            )?,
            stuck: new.gauge(
                "hmisr_bridge_stuck_partitions",
                "Owned partitions that cannot be read on: a batch that cannot be read, or nothing comes.",
            )?,
            skipped_offsets: new.counter(
                "hmisr_bridge_skipped_offsets_total",
                "Offsets of batches that could not be read and were skipped by bridge.skip_unreadable.",
            )?,
            waits: Arc::default(),
        };
        for reason in [
            Reason::Malformed,
            Reason::Invalid,
            Reason::MissingId,
            Reason::ImplausibleTime,
            Reason::TooLarge,
            Reason::Unreadable,
        ] {
            metrics.dead_letters.with_label_values(&[reason.as_str()]);
        }
        Ok(metrics)
    }

    /// What holds the bridge up.
    pub fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }
}
