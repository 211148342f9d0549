//! Which times events may have, and what is said of one that cannot be.

use chrono::{DateTime, SecondsFormat};

/// The first plausible time of an event where nothing else is set: 1990-01-01T00:00:00Z, epoch milliseconds.
pub const MIN_TS: i64 = 631_152_000_000;

/// The first event time that is implausible: 2200-01-01T00:00:00Z, epoch milliseconds.
pub const MAX_TS: i64 = 7_258_118_400_000;

/// The milliseconds of a number in some unit; what is less than one is cut off.
type InMilliseconds = fn(i64) -> Option<i64>;

/// Units that producers write times in.
const UNITS: [(&str, InMilliseconds); 4] = [
    ("seconds", |count| count.checked_mul(1_000)),
    ("milliseconds", Some),
    ("microseconds", |count| Some(count.div_euclid(1_000))),
    ("nanoseconds", |count| Some(count.div_euclid(1_000_000))),
];

/// Whether an event may have been at `ts`, epoch milliseconds, where the first that may is at `min_ts_ms`.
pub(crate) fn is_plausible(ts: i64, min_ts_ms: i64) -> bool {
    (min_ts_ms..MAX_TS).contains(&ts)
}

/// What `ts` is not, where it is not plausible, with what the number would be in the units that producers use: words
/// that follow "it is".
///
/// ```
/// use hmisr_features::{MIN_TS, implausible};
///
/// assert_eq!(implausible(1_700_000_000_000, MIN_TS), None);
/// let text = implausible(1_700_000_000, MIN_TS).unwrap();
/// assert!(text.contains("2023-11-14T22:13:20Z as seconds, ") && text.ends_with("; it looks like seconds"));
/// ```
pub fn implausible(ts: i64, min_ts_ms: i64) -> Option<String> {
    if is_plausible(ts, min_ts_ms) {
        return None;
    }
    let read = UNITS.map(|(unit, ms)| format!("{} as {unit}", ms(ts).map_or_else(|| beyond(ts), time)));
    let looks_like = UNITS.into_iter().find(|(_, ms)| ms(ts).is_some_and(|ms| is_plausible(ms, min_ts_ms)));
    Some(format!(
        "not from features.min_ts_ms {min_ts_ms} ({}) to before {MAX_TS} ({}), epoch milliseconds; it would be {}{}",
        time(min_ts_ms),
        time(MAX_TS),
        read.join(", "),
        looks_like.map_or_else(String::new, |(unit, _)| format!("; it looks like {unit}"))
    ))
}

fn time(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)) {
        // Beyond four digits of a year no calendar is of use.
        Some(text) if !text.starts_with(['+', '-']) => text,
        _ => beyond(ms),
    }
}

fn beyond(count: i64) -> String {
    if count < 0 { "before the year 0".to_owned() } else { "after the year 9999".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(ts: i64) -> Option<String> {
        implausible(ts, MIN_TS)
    }

    #[test]
    fn the_number_is_told_in_every_unit() {
        let text = said(1_700_000_000).unwrap();
        for part in [
            "features.min_ts_ms 631152000000 (1990-01-01T00:00:00Z)",
            "2200-01-01T00:00:00Z",
            "2023-11-14T22:13:20Z as seconds",
            "1970-01-20T16:13:20Z as milliseconds",
            "1970-01-01T00:28:20Z as microseconds",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let micros = said(1_700_000_000_000_000).unwrap();
        assert!(micros.contains("2023-11-14T22:13:20Z as microseconds"), "{micros}");
        assert!(micros.contains("after the year 9999 as seconds"), "{micros}");
        assert!(said(1_700_000_000_000_000_000).unwrap().contains("2023-11-14T22:13:20Z as nanoseconds"));
        assert!(said(i64::MIN).unwrap().contains("before the year 0 as seconds, before the year 0 as milli"));
    }

    #[test]
    fn the_unit_that_makes_it_plausible_is_named() {
        assert!(said(1_700_000_000).unwrap().ends_with("looks like seconds"));
        assert!(said(1_700_000_000_000_000).unwrap().ends_with("looks like microseconds"));
        assert!(said(1_700_000_000_000_000_000).unwrap().ends_with("looks like nanoseconds"));
        for ts in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!said(ts).unwrap().contains("looks like"), "{ts}");
        }
    }

    #[test]
    fn the_bounds_are_exact() {
        assert!(said(631_152_000_000).is_none() && said(631_151_999_999).is_some());
        assert!(said(7_258_118_399_999).is_none() && said(7_258_118_400_000).is_some());
        assert!(implausible(0, 0).is_none() && implausible(-1, 0).is_some());
    }

    proptest! {
        #[test]
        fn any_number_is_told(ts in any::<i64>()) {
            prop_assert_eq!(said(ts).is_some(), !is_plausible(ts, MIN_TS));
        }
    }
}
