//! The feeder's metrics.

use prometheus::{Counter, Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

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
        let metrics = Self {
            events: IntCounter::new("hmisr_feed_events_total", "Events that the log took.")?,
            bytes: IntCounter::new("hmisr_feed_bytes_total", "Keys and payloads that the log took.")?,
            keyless: IntCounter::new(
                "hmisr_feed_keyless_events_total",
                "Events fed without a key, because no user_id could be read.",
            )?,
            cut: IntCounter::new(
                "hmisr_feed_cut_events_total",
                "Events too long for the log: fed cut, to become dead letters.",
            )?,
            skipped: IntCounter::new(
                "hmisr_feed_skipped_events_total",
                "Events that were in the log already when the feed began.",
            )?,
            backpressure: Counter::new(
                "hmisr_feed_backpressure_seconds_total",
                "Time spent waiting for those who read the events.",
            )?,
            flush: Histogram::with_opts(
                HistogramOpts::new(
                    "hmisr_feed_flush_duration_seconds",
                    "Time until the log had taken a batch.",
                )
                .buckets(prometheus::exponential_buckets(0.000_5, 2.0, 14)?),
            )?,
            done: IntGauge::new("hmisr_feed_done_state", "1 when the whole source is in the log, else 0.")?,
        };
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.keyless.clone()))?;
        registry.register(Box::new(metrics.cut.clone()))?;
        registry.register(Box::new(metrics.skipped.clone()))?;
        registry.register(Box::new(metrics.backpressure.clone()))?;
        registry.register(Box::new(metrics.flush.clone()))?;
        registry.register(Box::new(metrics.done.clone()))?;
        Ok(metrics)
    }
}
