//! What is said of an event's time that cannot be.

use hmisr_features::{FeatureSettings, implausible};

/// Why an event at `ts` is refused, where it is, with what the number would be in the units that producers use.
pub fn refusal(features: &FeatureSettings, ts: i64) -> Option<String> {
    implausible(ts, features.min_ts_ms).map(|problem| format!("field `ts`: {ts} is {problem}"))
}
