//! How diverse the users are, and whether the recommendations are worth it, for who owns the product.

use super::{heat, lines, number};
use crate::grafana::{Dashboard, Panel, Row, Shape};

/// Where the least diverse tenth, the middle and the most diverse tenth lie.
const USERS: [(&str, &str); 3] = [("0.1", "lowest tenth"), ("0.5", "middle"), ("0.9", "highest tenth")];

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "hmisr-business",
        title: "HMISR / Business",
        description: "The users' diversity as it is, from the feature records: each user counts as often as they act.",
        present: "hmisr_pipeline_events_total",
        version: None,
        rows: vec![now(), diversity(), switching(), tail(), worth()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            number("Users known", "short", "Users with state, estimated by RocksDB: one that was rewritten and not yet compacted counts again.").query("sum(hmisr_state_users{$s})", "users"),
            number("Actions", "cps", "Events applied per second.").query("sum(rate(hmisr_pipeline_events_total{$s}[$i]))", "events"),
            number("Interests of the middle user", "short", "e to the median entropy: as many categories of equal share.")
                .query("exp(histogram_quantile(0.5, sum by (le) (rate(hmisr_pipeline_user_entropy_nats_bucket{$s}[$i]))))", "categories"),
            number("Single-minded", "percentunit", "Share of actions by users whose whole window is one category.")
                .query(at_most("hmisr_pipeline_user_entropy_nats", "0"), "one category"),
            number("Mainstream only", "percentunit", "Share of actions by users without one long-tail item in their window.")
                .query(at_most("hmisr_pipeline_user_tail_ratio", "0"), "no tail"),
            number("Mean tail share", "percentunit", "Long-tail items in a user's window, on average.")
                .query("sum(rate(hmisr_pipeline_user_tail_ratio_sum{$s}[$i])) / (sum(rate(hmisr_pipeline_user_tail_ratio_count{$s}[$i])) > 0)", "tail share"),
        ],
    }
}

/// Share of observations that are at most `bound`, which is one of the histogram's.
fn at_most(histogram: &str, bound: &str) -> String {
    format!(
        "sum(rate({histogram}_bucket{{$s,le=\"{bound}\"}}[$i])) / (sum(rate({histogram}_count{{$s}}[$i])) > 0)"
    )
}

/// Share of actions by users up to each bound, the last half hour.
fn bars(title: &'static str, histogram: &str, description: &'static str) -> Panel {
    let query = format!(
        "sum by (le) (increase({histogram}_bucket{{$s}}[30m])) / on () group_left () (sum(increase({histogram}_count{{$s}}[30m])) > 0)"
    );
    Panel::new(Shape::Bars, title, "percentunit", description).query(query, "≤ {{le}}").up_to(1.0)
}

fn diversity() -> Row {
    Row {
        title: "Diversity of users",
        panels: vec![
            heat(
                "Entropy",
                "none",
                "hmisr_pipeline_user_entropy_nats",
                "Categories in the user's window, nats: 0 is one category, ln k is k of equal share.",
            ),
            lines(
                "Entropy: tenths and middle",
                "none",
                "Nats. Drifting apart: some users narrow while others widen.",
            )
            .quantiles("hmisr_pipeline_user_entropy_nats", "", USERS)
            .wide(12),
            bars(
                "Entropy: users up to",
                "hmisr_pipeline_user_entropy_nats",
                "Cumulative, over the last half hour, nats.",
            )
            .wide(24),
            lines(
                "Evenness",
                "percentunit",
                "Entropy as a share of what it could be over the user's categories.",
            )
            .quantiles("hmisr_pipeline_user_evenness_ratio", "", USERS)
            .up_to(1.0)
            .wide(12),
            lines(
                "Recent diversity",
                "percentunit",
                "Distinct categories among a user's newest events, as a share.",
            )
            .quantiles("hmisr_pipeline_user_recent_diversity_ratio", "", USERS)
            .up_to(1.0)
            .wide(12),
        ],
    }
}

fn switching() -> Row {
    Row {
        title: "Switching",
        panels: vec![
            heat(
                "Switching rate",
                "percentunit",
                "hmisr_pipeline_user_switch_ratio",
                "Share of neighbouring events that differ in category.",
            ),
            lines(
                "Switching rate: tenths and middle",
                "percentunit",
                "Low: sessions on one thing. High: browsing.",
            )
            .quantiles("hmisr_pipeline_user_switch_ratio", "", USERS)
            .up_to(1.0)
            .wide(12),
        ],
    }
}

fn tail() -> Row {
    Row {
        title: "Long tail",
        panels: vec![
            heat(
                "Tail share",
                "percentunit",
                "hmisr_pipeline_user_tail_ratio",
                "Share of long-tail items in the user's window.",
            ),
            lines(
                "Tail share: tenths and middle",
                "percentunit",
                "Who goes beyond the head of the catalogue.",
            )
            .quantiles("hmisr_pipeline_user_tail_ratio", "", USERS)
            .up_to(1.0)
            .wide(12),
            bars(
                "Tail share: users up to",
                "hmisr_pipeline_user_tail_ratio",
                "Cumulative, over the last half hour.",
            )
            .wide(24),
        ],
    }
}

fn worth() -> Row {
    Row {
        title: "What the recommendations are worth",
        panels: vec![
            lines("Next item foreseen", "percentunit", "HR@10: how often a user's next item is among ten, before the model learns from it; beside it running popularity. All instances.")
                .query("avg by (ranker) (hmisr_trainer_hr10_ratio)", "{{ranker}}"),
            lines("Recommendations", "reqps", "Given per second, by what ranked them. All instances.")
                .query("sum by (source) (rate(hmisr_serving_recommendations_total[$i]))", "{{source}}"),
            lines("Catalogue", "short", "Items that the model knows, and items that users have touched, summed over partitions. All instances.")
                .query("sum(hmisr_trainer_catalogue_items)", "known to the model")
                .query("sum(hmisr_state_items)", "touched"),
        ],
    }
}
