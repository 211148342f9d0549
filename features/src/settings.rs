//! The settings on which the features depend.

use serde::{Deserialize, Serialize};

use crate::RECENT;
use crate::plausible::{self, MAX_TS, MIN_TS};

/// Changes whenever the same events and settings would give other numbers.
pub const MATHS_VERSION: u32 = 3;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Every setting that changes a feature's value. State is bound to them (and to
/// [`MATHS_VERSION`]): a store written under other settings is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureSettings {
    /// W: events in the `window` block.
    pub window: usize,
    /// N: events looked at by `recent_diversity`; may exceed the window.
    pub recent: usize,
    /// E: the tail threshold τ is computed anew after this many applied events of a partition.
    pub popularity_epoch: u64,
    /// The share of all counted events that the head of the catalogue holds.
    pub head_share: f64,
    /// L: all item counts are halved after this many applied events of a partition.
    pub half_life_events: u64,
    /// An event before this time is implausible, epoch milliseconds; so is one from [`MAX_TS`] on.
    pub min_ts_ms: i64,
    /// How much older than its user's newest event an event may be, in milliseconds.
    pub max_lateness_ms: i64,
    /// A user without events for longer than this, in its own event time, starts afresh (milliseconds).
    pub ttl_ms: i64,
    /// An event whose `event_id` is that of one of its user's last so many events that had one is
    /// a duplicate; 0: nothing is.
    pub dedup_events: usize,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        Self {
            window: 200,
            recent: RECENT,
            popularity_epoch: 10_000,
            head_share: 0.8,
            half_life_events: 10_000_000,
            min_ts_ms: MIN_TS,
            max_lateness_ms: DAY_MS,
            ttl_ms: 90 * DAY_MS,
            dedup_events: 0,
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("features.{field} = {value}: {expected}")]
pub struct InvalidSetting {
    field: &'static str,
    value: String,
    expected: &'static str,
}

impl FeatureSettings {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first setting outside its range, its value and the range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let check = |ok: bool, field, value: &dyn ToString, expected| {
            if ok { Ok(()) } else { Err(InvalidSetting { field, value: value.to_string(), expected }) }
        };
        const EVENTS: &str = "expected 1 to 10000 events";
        const AT_LEAST_ONE: &str = "expected at least 1 event";
        const MILLIS: &str = "expected 0 or more milliseconds";
        check((1..=10_000).contains(&self.window), "window", &self.window, EVENTS)?;
        check((1..=10_000).contains(&self.recent), "recent", &self.recent, EVENTS)?;
        check(self.popularity_epoch > 0, "popularity_epoch", &self.popularity_epoch, AT_LEAST_ONE)?;
        check(
            self.head_share > 0.0 && self.head_share <= 1.0,
            "head_share",
            &self.head_share,
            "expected a share above 0 and at most 1",
        )?;
        check(self.half_life_events > 0, "half_life_events", &self.half_life_events, AT_LEAST_ONE)?;
        check(
            (0..MAX_TS).contains(&self.min_ts_ms),
            "min_ts_ms",
            &self.min_ts_ms,
            "expected epoch milliseconds from 0 to before 2200-01-01 (7258118400000)",
        )?;
        check(self.max_lateness_ms >= 0, "max_lateness_ms", &self.max_lateness_ms, MILLIS)?;
        check(self.ttl_ms >= 0, "ttl_ms", &self.ttl_ms, MILLIS)?;
        check(self.dedup_events <= 10_000, "dedup_events", &self.dedup_events, "expected 0 to 10000 events")
    }

    /// Whether an event may have been at `ts`, epoch milliseconds; most of those that may not come from
    /// another unit.
    pub fn is_plausible(&self, ts: i64) -> bool {
        plausible::is_plausible(ts, self.min_ts_ms)
    }

    /// A text that is equal for equal settings and maths, and for no others; stores carry it.
    pub fn identity(&self) -> String {
        format!(
            "maths={MATHS_VERSION} window={} recent={} popularity_epoch={} head_share={} \
             half_life_events={} min_ts_ms={} max_lateness_ms={} ttl_ms={} dedup_events={}",
            self.window,
            self.recent,
            self.popularity_epoch,
            self.head_share,
            self.half_life_events,
            self.min_ts_ms,
            self.max_lateness_ms,
            self.ttl_ms,
            self.dedup_events
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let settings = FeatureSettings { head_share: 1.5, ..FeatureSettings::default() };
        assert_eq!(
            settings.validate().unwrap_err().to_string(),
            "features.head_share = 1.5: expected a share above 0 and at most 1"
        );
        assert!(FeatureSettings { head_share: f64::NAN, ..FeatureSettings::default() }.validate().is_err());
        assert!(FeatureSettings { window: 0, ..FeatureSettings::default() }.validate().is_err());
        assert!(FeatureSettings::default().validate().is_ok());
    }
}
