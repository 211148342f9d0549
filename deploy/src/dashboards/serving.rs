//! The server, for who answers for its objectives.

use super::{TIMES, heat, lines, number, stack};
use crate::grafana::{Dashboard, Row};

/// What clients ask for; health checks and scrapes would hide it.
const ASKED: &str = "endpoint=~\"recommend|user|model\"";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-serving",
        title: "HMISR / Serving",
        description: "Recommendations and look-ups: rates, errors, latency, and the snapshot in force.",
        present: "hmisr_serving_model_version",
        version: Some("hmisr_serving_model_version"),
        rows: vec![now(), requests(), work(), model()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("Requests", "reqps", "Recommendations, users and models asked for, per second.")
                .query(format!("sum(rate(hmisr_serving_request_seconds_count{{$s,{ASKED}}}[$i]))"), "requests"),
            number("Errors", "percentunit", "Share of them answered 5xx; 503 for want of room included.")
                .query(share_of_errors(), "errors")
                .warns(0.001, 0.01),
            number("Recommendation, 99 % within", "s", "From a request's head to its answer.")
                .query("histogram_quantile(0.99, sum by (le) (rate(hmisr_serving_request_seconds_bucket{$s,endpoint=\"recommend\"}[$i])))", "latency")
                .warns(0.2, 0.5),
            number("By the model", "percentunit", "Share of recommendations that the model ranked; popularity ranked the rest.")
                .query("sum(rate(hmisr_serving_recommendations_total{$s,source=\"model\"}[$i])) / (sum(rate(hmisr_serving_recommendations_total{$s}[$i])) > 0)", "model"),
            number("Snapshot", "none", "Oldest version in force.").query("min(hmisr_serving_model_version{$s} > 0)", "version"),
            number("Snapshot's age", "s", "Oldest of those in force.")
                .query("max(hmisr_serving_snapshot_age_seconds{$s})", "age")
                .warns(120.0, 900.0),
        ],
    }
}

fn share_of_errors() -> String {
    let rate =
        |status: &str| format!("sum(rate(hmisr_serving_request_seconds_count{{$s,{ASKED}{status}}}[$i]))");
    format!("{} / ({} > 0)", rate(",status=\"5xx\""), rate(""))
}

fn requests() -> Row {
    Row {
        title: "Requests",
        panels: vec![
            stack("By endpoint", "reqps", "All requests, health checks and scrapes included.").query(
                "sum by (endpoint) (rate(hmisr_serving_request_seconds_count{$s}[$i]))",
                "{{endpoint}}",
            ),
            stack("By class of status", "reqps", "Of recommendations, users and models.").query(
                format!("sum by (status) (rate(hmisr_serving_request_seconds_count{{$s,{ASKED}}}[$i]))"),
                "{{status}}",
            ),
            stack("Not answered as asked", "reqps", "By kind of error; docs/http.md tells the kinds.")
                .query("sum by (kind) (rate(hmisr_serving_rejected_total{$s}[$i]))", "{{kind}}"),
            lines("Time of a recommendation", "s", "From a request's head to its answer.").quantiles(
                "hmisr_serving_request_seconds",
                ",endpoint=\"recommend\"",
                TIMES,
            ),
            lines("Time of a user's view", "s", "GET /v1/users/{id}.").quantiles(
                "hmisr_serving_request_seconds",
                ",endpoint=\"user\"",
                TIMES,
            ),
            lines("Time of a look-up", "s", "Within the process, or at the pipeline that owns the user.")
                .quantiles("hmisr_serving_lookup_seconds", "", TIMES),
            heat(
                "Times of requests",
                "s",
                "hmisr_serving_request_seconds",
                "How many requests took how long.",
            )
            .wide(24),
        ],
    }
}

fn work() -> Row {
    Row {
        title: "Room",
        panels: vec![
            lines("In flight", "short", "Requests being answered.")
                .query("hmisr_serving_in_flight_requests{$s}", "{{instance}}"),
            lines(
                "Waiting",
                "short",
                "For a place to compute or to look up; beyond serving.max_queue 503 at once.",
            )
            .query("sum by (place) (hmisr_serving_waiting_requests{$s})", "{{place}}"),
            lines(
                "Look-ups",
                "reqps",
                "By outcome. A failed one leaves the recommendation to what is known without, or to an error.",
            )
            .query("sum by (outcome) (rate(hmisr_serving_lookup_seconds_count{$s}[$i]))", "{{outcome}}"),
            lines("Answers without a look-up", "reqps", "Recommendations for users who could not be looked up, by why.")
                .query("sum by (reason) (rate(hmisr_serving_degraded_total{$s}[$i]))", "{{reason}}"),
            lines("Processor", "short", "Cores in use.")
                .query("rate(process_cpu_seconds_total{$s}[$i])", "{{instance}}"),
            lines("Memory", "bytes", "Resident.").query("process_resident_memory_bytes{$s}", "{{instance}}"),
            lines("Recommendations by source", "reqps", "What ranked them.")
                .query("sum by (source) (rate(hmisr_serving_recommendations_total{$s}[$i]))", "{{source}}"),
        ],
    }
}

fn model() -> Row {
    Row {
        title: "Snapshot in force",
        panels: vec![
            lines("Version", "none", "Instances that stay behind show here.")
                .query("hmisr_serving_model_version{$s}", "{{instance}}"),
            lines("Age", "s", "Since the snapshot in force was published.")
                .query("hmisr_serving_snapshot_age_seconds{$s}", "{{instance}}")
                .warns(120.0, 900.0),
            lines(
                "Reloads",
                "cps",
                "Snapshots put in force, and attempts that failed; the old one then goes on serving.",
            )
            .query("sum(rate(hmisr_serving_swaps_total{$s}[$i]))", "put in force")
            .query("sum(rate(hmisr_serving_reload_failures_total{$s}[$i]))", "failed"),
            lines("Time to load", "s", "Beside the requests, which the old one answers meanwhile.")
                .quantiles("hmisr_serving_reload_seconds", "", TIMES)
                .wide(24),
        ],
    }
}
