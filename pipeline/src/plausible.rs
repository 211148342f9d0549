//! What is said of a time that cannot be.

use chrono::{DateTime, SecondsFormat};
use hmisr_features::{FeatureSettings, MAX_TS};

/// Why `ts` is refused, where it is, with what the number would be in the units that producers use.
pub fn refusal(features: &FeatureSettings, ts: i64) -> Option<String> {
    (!features.is_plausible(ts)).then(|| {
        let read = [("seconds", 1_000_000), ("milliseconds", 1_000), ("microseconds", 1), ("nanoseconds", 0)];
        let read = read.map(|(unit, micros)| format!("{} as {unit}", time(ts, micros)));
        format!(
            "field `ts`: {ts} is not from features.min_ts_ms {} ({}) to before {MAX_TS} ({}), epoch milliseconds; it would be {}",
            features.min_ts_ms,
            time(features.min_ts_ms, 1_000),
            time(MAX_TS, 1_000),
            read.join(", ")
        )
    })
}

/// The time that is `count` units after 1970, each of so many microseconds; 0 stands for a nanosecond.
fn time(count: i64, micros: i64) -> String {
    let micros = if micros == 0 { Some(count.div_euclid(1_000)) } else { count.checked_mul(micros) };
    let time = micros.and_then(DateTime::from_timestamp_micros);
    // Beyond four digits of a year no calendar is of use.
    match time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)) {
        Some(text) if !text.starts_with(['+', '-']) => text,
        _ if count < 0 => "before the year 0".to_owned(),
        _ => "after the year 9999".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(ts: i64) -> Option<String> {
        refusal(&FeatureSettings::default(), ts)
    }

    #[test]
    fn the_number_is_told_in_every_unit() {
        let text = said(1_700_000_000).unwrap();
        for part in [
            "1700000000",
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
    }

    #[test]
    fn the_bounds_are_exact() {
        assert!(said(631_152_000_000).is_none() && said(631_151_999_999).is_some());
        assert!(said(7_258_118_399_999).is_none() && said(7_258_118_400_000).is_some());
        let all = FeatureSettings { min_ts_ms: 0, ..FeatureSettings::default() };
        assert!(refusal(&all, 0).is_none() && refusal(&all, -1).is_some());
    }

    proptest! {
        #[test]
        fn any_number_is_told(ts in any::<i64>()) {
            prop_assert_eq!(said(ts).is_some(), !FeatureSettings::default().is_plausible(ts));
        }
    }
}
