//! What the server measures.

use hmisr_stream::Registrar;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry};

use crate::{ErrorKind, Origin};

/// Upper bounds of request and look-up times, seconds.
const SECONDS: [f64; 14] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// An endpoint, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Recommend,
    User,
    Model,
    Activity,
    Metrics,
    Healthz,
    Readyz,
    Index,
    /// A file of the page.
    Page,
    /// Every path that is no endpoint: paths are the clients' choice, so they are no labels.
    Other,
}

impl Endpoint {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Recommend, "recommend"),
        (Self::User, "user"),
        (Self::Model, "model"),
        (Self::Activity, "activity"),
        (Self::Metrics, "metrics"),
        (Self::Healthz, "healthz"),
        (Self::Readyz, "readyz"),
        (Self::Index, "index"),
        (Self::Page, "page"),
        (Self::Other, "other"),
    ];

    /// The endpoint of a path.
    pub(crate) fn of(path: &str) -> Self {
        let user = path.strip_prefix("/v1/users/");
        match path {
            "/v1/recommend" => Self::Recommend,
            "/v1/model" => Self::Model,
            "/v1/activity" => Self::Activity,
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/" => Self::Index,
            _ if path.starts_with("/page/") => Self::Page,
            _ if user.is_some_and(|id| !id.is_empty() && !id.contains('/')) => Self::User,
            _ => Self::Other,
        }
    }
}

/// How a look-up ended, as a label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LookupOutcome {
    Found,
    Unknown,
    Failed,
}

/// Why a user could not be looked up whose request was answered all the same, as a label and in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Degraded {
    /// The pipelines cannot be reached, or are not ready.
    LookupUnavailable,
    /// Nobody owns the user's partition now.
    NotOwned,
    /// More look-ups wait than are let wait.
    Overloaded,
    /// The look-up took too long.
    Timeout,
}

impl Degraded {
    const ALL: [Self; 4] = [Self::LookupUnavailable, Self::NotOwned, Self::Overloaded, Self::Timeout];

    /// The reason as it stands in answers and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LookupUnavailable => "lookup_unavailable",
            Self::NotOwned => "not_owned",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
        }
    }
}

/// The server's metrics, labels resolved.
pub struct Metrics {
    /// Per endpoint, per class of status (2xx and 3xx, 4xx, 5xx).
    requests: Vec<[Histogram; 3]>,
    rejected: Vec<IntCounter>,
    lookups: [Histogram; 3],
    recommendations: [IntCounter; 2],
    degraded: Vec<IntCounter>,
    pub(crate) in_flight: IntGauge,
    pub(crate) waiting_compute: IntGauge,
    pub(crate) waiting_lookup: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) displaced: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) swaps: IntCounter,
    pub(crate) reload_failures: IntCounter,
    pub(crate) reload_seconds: Histogram,
    pub(crate) reload_busy_seconds: Gauge,
    pub(crate) future_snapshots: IntCounter,
    pub(crate) model_version: IntGauge,
    pub(crate) snapshot_age_seconds: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// Where one of the same name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Registrar::new(registry);
        let requests = new.histogram_vec(
            "hmisr_serving_request_seconds",
            "Time from a request's head to its answer, by endpoint and class of status.",
            SECONDS.to_vec(),
            &["endpoint", "status"],
        )?;
        let rejected = new.counter_vec(
            "hmisr_serving_rejected_total",
            "Requests not answered as asked, by kind of error.",
            &["kind"],
        )?;
        let lookups = new.histogram_vec(
            "hmisr_serving_lookup_seconds",
            "Time of a user look-up, by outcome.",
            SECONDS.to_vec(),
            &["outcome"],
        )?;
        let recommendations = new.counter_vec(
            "hmisr_serving_recommendations_total",
            "Recommendations given, by what ranked them.",
            &["source"],
        )?;
        let degraded = new.counter_vec(
            "hmisr_serving_degraded_total",
            "Recommendations given without looking the user up, by why that could not be done.",
            &["reason"],
        )?;
        let waiting = new.gauge_vec(
            "hmisr_serving_waiting_requests",
            "Requests that wait for a place, by what for.",
            &["place"],
        )?;
        Ok(Self {
            requests: Endpoint::ALL
                .iter()
                .map(|(_, name)| {
                    ["2xx", "4xx", "5xx"].map(|class| requests.with_label_values(&[*name, class]))
                })
                .collect(),
            rejected: ErrorKind::ALL
                .iter()
                .map(|kind| rejected.with_label_values(&[kind.as_str()]))
                .collect(),
            lookups: ["found", "unknown", "failed"].map(|outcome| lookups.with_label_values(&[outcome])),
            recommendations: ["model", "popularity"].map(|name| recommendations.with_label_values(&[name])),
            degraded: Degraded::ALL
                .iter()
                .map(|reason| degraded.with_label_values(&[reason.as_str()]))
                .collect(),
            in_flight: new.gauge("hmisr_serving_in_flight_requests", "Requests being answered.")?,
            waiting_compute: waiting.with_label_values(&["compute"]),
            waiting_lookup: waiting.with_label_values(&["lookup"]),
            connections: new.gauge("hmisr_serving_connections", "Connections that are open.")?,
            displaced: new.counter(
                "hmisr_serving_displaced_connections_total",
                "Connections closed to make room for others, while they waited for their client.",
            )?,
            refused: new.counter(
                "hmisr_serving_refused_connections_total",
                "Connections closed at once, whose address had as many as one may have.",
            )?,
            swaps: new.counter("hmisr_serving_swaps_total", "Snapshots put in force, the first included.")?,
            reload_failures: new.counter(
                "hmisr_serving_reload_failures_total",
                "Attempts to find or load a snapshot that failed; the old one went on serving.",
            )?,
            reload_seconds: new.histogram(
                "hmisr_serving_reload_seconds",
                "Time to load a snapshot.",
                vec![0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0],
            )?,
            reload_busy_seconds: new.float_gauge(
                "hmisr_serving_reload_busy_seconds",
                "For how long a snapshot has been looked for or read; 0 while none is.",
            )?,
            future_snapshots: new.counter(
                "hmisr_serving_future_snapshots_total",
                "Snapshots put in force that say they were published later than it is here.",
            )?,
            model_version: new
                .gauge("hmisr_serving_model_version", "Version of the snapshot in force; 0 where none is.")?,
            snapshot_age_seconds: new.float_gauge(
                "hmisr_serving_snapshot_age_seconds",
                "Time since the snapshot in force was published, as of the last look for a newer one.",
            )?,
        })
    }

    /// Notes an answered request.
    pub(crate) fn answered(&self, endpoint: Endpoint, status: u16, seconds: f64) {
        let class = match status {
            ..400 => 0,
            400..500 => 1,
            500.. => 2,
        };
        self.requests[endpoint as usize][class].observe(seconds);
    }

    /// Notes a request that was not answered as asked.
    pub(crate) fn rejected(&self, kind: ErrorKind) {
        self.rejected[kind as usize].inc();
    }

    /// Notes a look-up.
    pub(crate) fn looked_up(&self, outcome: LookupOutcome, seconds: f64) {
        self.lookups[outcome as usize].observe(seconds);
    }

    /// Notes a recommendation.
    pub(crate) fn recommended(&self, source: Origin) {
        self.recommendations[source as usize].inc();
    }

    /// Notes a recommendation for a user who could not be looked up.
    pub(crate) fn degraded(&self, reason: Degraded) {
        self.degraded[reason as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_at_their_index() {
        for (at, (endpoint, _)) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, at);
        }
        for (at, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
        for (at, reason) in Degraded::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        metrics.degraded(Degraded::Timeout);
        metrics.rejected(ErrorKind::Overloaded);
        metrics.answered(Endpoint::of("/v1/users/a"), 503, 0.1);
        metrics.recommended(Origin::Popularity);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "hmisr_serving_rejected_total{kind=\"overloaded\"} 1",
            "hmisr_serving_request_seconds_count{endpoint=\"user\",status=\"5xx\"} 1",
            "hmisr_serving_recommendations_total{source=\"popularity\"} 1",
            "hmisr_serving_degraded_total{reason=\"timeout\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
