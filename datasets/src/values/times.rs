//! Units of numbers that are times, and what is plausible.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};

use super::{Decimal, ValueError};

/// The first plausible time of an event: 1990-01-01T00:00:00Z, epoch milliseconds.
pub const MIN_PLAUSIBLE_MS: i64 = hmisr_features::MIN_TS;
/// The first time after all plausible ones: 2200-01-01T00:00:00Z, epoch milliseconds.
pub const MAX_PLAUSIBLE_MS: i64 = hmisr_features::MAX_TS;

/// Whether an event can have happened then.
pub fn is_plausible(ms: i64) -> bool {
    (MIN_PLAUSIBLE_MS..MAX_PLAUSIBLE_MS).contains(&ms)
}

/// What a number counts, since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    /// Seconds, also with a fraction.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl TimeUnit {
    /// Every unit, the longest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];

    /// `s`, `ms`, `us` or `ns`, as on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Nanos => "ns",
        }
    }

    /// Epoch milliseconds. A fraction of seconds is rounded to the millisecond, for it has often been a
    /// binary number; of shorter units what is less than a millisecond is cut off. None beyond 64 bits.
    ///
    /// ```
    /// use hmisr_datasets::values::{Decimal, TimeUnit};
    ///
    /// let ms = |unit: TimeUnit, text: &str| unit.ms(&Decimal::parse(text).unwrap());
    /// assert_eq!(ms(TimeUnit::Seconds, "978300760.0"), Some(978_300_760_000));
    /// assert_eq!(ms(TimeUnit::Micros, "1701025678123456"), Some(1_701_025_678_123));
    /// assert_eq!(ms(TimeUnit::Nanos, "1701025678123456789"), Some(1_701_025_678_123));
    /// ```
    pub fn ms(self, number: &Decimal) -> Option<i64> {
        let ms = match self {
            Self::Seconds => number.rounded(3),
            Self::Millis => number.floor(0),
            Self::Micros => number.floor(-3),
            Self::Nanos => number.floor(-6),
        };
        i64::try_from(ms?).ok()
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TimeUnit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let known = Self::ALL.into_iter().find(|unit| unit.as_str() == text);
        let micros = (text == "µs" || text == "μs").then_some(Self::Micros);
        known
            .or(micros)
            .ok_or_else(|| ValueError::new(text, "is no unit of time; there are s, ms, us and ns"))
    }
}

/// A time in words: `2025-11-24T16:00:00Z`, with milliseconds where there are some; the number where no
/// calendar reaches.
pub fn date_text(ms: i64) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => format!("{ms} ms"),
    }
}

/// What a number would be in each unit, for a refusal that helps.
///
/// ```
/// use hmisr_datasets::values::{Decimal, in_each_unit};
///
/// let text = in_each_unit(&Decimal::parse("1764000000").unwrap());
/// assert!(text.starts_with("2025-11-24T16:00:00Z in s, 1970-01-21T10:00:00Z in ms, "), "{text}");
/// ```
pub fn in_each_unit(number: &Decimal) -> String {
    let told = |unit: TimeUnit| match unit.ms(number) {
        Some(ms) => format!("{} in {unit}", date_text(ms)),
        None => format!("beyond any date in {unit}"),
    };
    TimeUnit::ALL.map(told).join(", ")
}

/// The first and the last of many times, for a report.
///
/// ```
/// use hmisr_datasets::values::TimeRange;
///
/// let mut range = TimeRange::default();
/// range.see(1_764_000_000_000);
/// range.see(978_300_760_000);
/// assert_eq!(range.to_string(), "2000-12-31T22:12:40Z to 2025-11-24T16:00:00Z");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeRange {
    bounds: Option<(i64, i64)>,
}

impl TimeRange {
    /// Takes a time into account, epoch milliseconds.
    pub fn see(&mut self, ms: i64) {
        let (first, last) = self.bounds.unwrap_or((ms, ms));
        self.bounds = Some((first.min(ms), last.max(ms)));
    }

    /// The first time; none before any was seen.
    pub fn first_ms(&self) -> Option<i64> {
        self.bounds.map(|(first, _)| first)
    }

    /// The last time; none before any was seen.
    pub fn last_ms(&self) -> Option<i64> {
        self.bounds.map(|(_, last)| last)
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bounds {
            Some((first, last)) => write!(f, "{} to {}", date_text(first), date_text(last)),
            None => f.write_str("no times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plausible_is_from_1990_to_before_2200() {
        assert_eq!(date_text(MIN_PLAUSIBLE_MS), "1990-01-01T00:00:00Z");
        assert_eq!(date_text(MAX_PLAUSIBLE_MS), "2200-01-01T00:00:00Z");
        assert!(is_plausible(MIN_PLAUSIBLE_MS) && !is_plausible(MIN_PLAUSIBLE_MS - 1));
        assert!(!is_plausible(MAX_PLAUSIBLE_MS) && is_plausible(MAX_PLAUSIBLE_MS - 1));
    }

    #[test]
    fn units_read_back() {
        for unit in TimeUnit::ALL {
            assert_eq!(unit.to_string().parse(), Ok(unit));
        }
        assert_eq!("µs".parse(), Ok(TimeUnit::Micros));
        assert!("minutes".parse::<TimeUnit>().unwrap_err().to_string().contains("s, ms, us and ns"));
    }

    #[test]
    fn no_number_is_beyond_words() {
        for text in ["1e300", "-1e300", "0", "9223372036854775807", "-9223372036854775808", "1e-9"] {
            assert!(in_each_unit(&Decimal::parse(text).unwrap()).contains(" in ns"), "{text}");
        }
    }
}
