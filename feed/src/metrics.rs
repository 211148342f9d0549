//! The feeder's metrics.

use hmisr_stream::Registrar;
use prometheus::{Counter, Histogram, IntCounter, IntGauge, Registry};

/// The metrics `hmisr_feed_…`.
#[derive(Debug, Clone)]
pub struct FeedMetrics {
    /// `hmisr_feed_events_total`: events that the log took.
    pub events: IntCounter,
    /// `hmisr_feed_bytes_total`: their keys and payloads, bytes.
    pub bytes: IntCounter,
    /// `hmisr_feed_keyless_events_total`: those without a key, because no `user_id` could be read.
    pub keyless: IntCounter,
    /// `hmisr_feed_cut_events_total`: those longer than [`crate::MAX_EVENT_BYTES`], of which only the
    /// beginning was fed.
    pub cut: IntCounter,
    /// `hmisr_feed_skipped_events_total`: events that were in the log already at a restart.
    pub skipped: IntCounter,
    /// `hmisr_feed_backpressure_seconds_total`: time spent waiting for those who read.
    pub backpressure: Counter,
    /// `hmisr_feed_flush_duration_seconds`: time until the log had taken a batch.
    pub flush: Histogram,
    /// `hmisr_feed_done_state`: 1 when the whole source is in the log.
    pub done: IntGauge,
}

impl FeedMetrics {
    /// Makes and registers the metrics.
    ///
    /// # Errors
    /// Where the registry has them already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        Ok(Self {
            events: new.counter("hmisr_feed_events_total", "Events that the log took.")?,
            bytes: new.counter("hmisr_feed_bytes_total", "Keys and payloads that the log took.")?,
            keyless: new.counter(
                "hmisr_feed_keyless_events_total",
                "Events fed without a key, because no user_id could be read.",
            )?,
            cut: new.counter(
                "hmisr_feed_cut_events_total",
                "Events too long for the log: fed cut, to become dead letters.",
            )?,
            skipped: new.counter(
                "hmisr_feed_skipped_events_total",
                "Events that were in the log already when the feed began.",
            )?,
            backpressure: new.float_counter(
                "hmisr_feed_backpressure_seconds_total",
                "Time spent waiting for those who read the events.",
            )?,
            flush: new.histogram(
                "hmisr_feed_flush_duration_seconds",
                "Time until the log had taken a batch.",
                prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
            )?,
            done: new.gauge("hmisr_feed_done_state", "1 when the whole source is in the log, else 0.")?,
        })
    }
}
