//! `hmisr bridge`, for who brings in a topic of another shape.

use super::{lines, number, stack};
use crate::grafana::{Dashboard, Row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-bridge",
        title: "HMISR / Bridge",
        description: "The bridge from a topic of another shape to events: what flows, how far it is behind, what it cannot read.",
        present: "hmisr_bridge_events_total",
        version: None,
        rows: vec![now(), flow()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("Events", "cps", "Records copied as events and committed, per second.")
                .query("sum(rate(hmisr_bridge_events_total{$s}[$i]))", "events"),
            number("Lag", "short", "Records of the other topic that are yet to be read.")
                .query("sum(hmisr_bridge_lag_records{$s})", "records")
                .warns(10_000.0, 100_000.0),
            number("Dead letters", "cps", "Records that do not fit the mapping, per second.")
                .query("sum(rate(hmisr_bridge_dead_letters_total{$s}[$i]))", "dead letters")
                .warns(1.0, 100.0),
        ],
    }
}

fn flow() -> Row {
    Row {
        title: "Flow",
        panels: vec![
            lines("Events per second", "cps", "Records copied as events, by instance.")
                .query("rate(hmisr_bridge_events_total{$s}[$i])", "{{instance}}"),
            lines("Lag by instance", "short", "Records yet to be read. One that grows while records flow is too slow; one that grows while none flow is stuck.")
                .query("hmisr_bridge_lag_records{$s}", "{{instance}}"),
            stack("Dead letters by reason", "cps", "`hmisr dlq list` shows them; docs/dead-letters.md tells the reasons.")
                .query("sum by (reason) (rate(hmisr_bridge_dead_letters_total{$s}[$i]))", "{{reason}}"),
            lines("Failed commits", "cps", "Transactions that took no effect, and were done again.")
                .query("rate(hmisr_bridge_failed_commits_total{$s}[$i])", "{{instance}}"),
        ],
    }
}
