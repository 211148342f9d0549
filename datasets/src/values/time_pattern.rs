//! Times by a pattern that somebody gives, as `strptime` has them.

use std::fmt;

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Utc};

use super::ValueError;

/// A pattern such as `%d/%m/%Y %H:%M`: the signs of C's and Python's `strptime`.
///
/// Without an offset (`%z`) the time is UTC, without a time of day it is the day's beginning. `.%f` is a
/// fraction of any length.
///
/// ```
/// use hmisr_datasets::values::TimePattern;
///
/// let pattern = TimePattern::new("%d/%m/%Y %H:%M").unwrap();
/// assert_eq!(pattern.ms("03/04/2012 18:00"), Some(1_333_476_000_000));
/// assert_eq!(pattern.ms("2012-04-03"), None);
/// assert!(TimePattern::new("%H:%M").unwrap_err().to_string().contains("date"));
/// ```
#[derive(Debug, Clone)]
pub struct TimePattern {
    text: String,
    items: Vec<Item<'static>>,
}

impl TimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sign that does not exist or says nothing certain, and a pattern without a whole date.
    pub fn new(pattern: &str) -> Result<Self, ValueError> {
        let refuse = |problem: &str| Err(ValueError::new(pattern, problem));
        // Python's microseconds; %f alone would be read as nanoseconds.
        let known = pattern.replace(".%f", "%.f");
        if known.contains("%f") {
            return refuse("has %f without a point before it: write .%f for a fraction of a second");
        }
        if known.contains("%Z") {
            return refuse("has %Z, and names of zones are no offsets: write %z, or the name as it stands");
        }
        let Ok(items) = StrftimeItems::new(&known).parse_to_owned() else {
            return refuse("is no pattern of a time, such as \"%d/%m/%Y %H:%M\"");
        };
        let pattern = Self { text: pattern.to_owned(), items };
        // What it writes it must read; without a year, for example, it cannot.
        if pattern.reads_itself() {
            return Ok(pattern);
        }
        Err(ValueError::new(&pattern.text, "tells no whole date: it needs a year, a month and a day"))
    }

    /// Epoch milliseconds of a text; none where it is not as the pattern says.
    pub fn ms(&self, text: &str) -> Option<i64> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text.trim(), self.items.iter()).ok()?;
        if parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some() {
            // An hour alone is the full hour.
            if parsed.minute().is_none() {
                parsed.set_minute(0).ok()?;
            }
        } else if parsed.timestamp().is_none() {
            parsed.set_hour(0).ok()?;
            parsed.set_minute(0).ok()?;
        }
        let offset = i64::from(parsed.offset().unwrap_or(0));
        let time = parsed.to_naive_datetime_with_offset(i32::try_from(offset).ok()?).ok()?;
        time.and_utc().timestamp_millis().checked_sub(offset * 1_000)
    }

    fn reads_itself(&self) -> bool {
        use fmt::Write;
        let moment: DateTime<Utc> = DateTime::UNIX_EPOCH + chrono::Duration::seconds(1_764_000_000);
        let mut written = String::new();
        if write!(written, "{}", moment.format_with_items(self.items.iter())).is_err() {
            return false;
        }
        let day = |ms: i64| ms.div_euclid(86_400_000);
        self.ms(&written).is_some_and(|ms| day(ms) == day(moment.timestamp_millis()))
    }
}

impl PartialEq for TimePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TimePattern {}

impl fmt::Display for TimePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_read_what_they_say() {
        for (pattern, text, expected) in [
            ("%Y-%m-%d %H:%M:%S", "2012-04-03 18:00:09", 1_333_476_009_000),
            ("%Y-%m-%dT%H:%M:%S.%f", "2012-04-03T18:00:09.123456", 1_333_476_009_123),
            ("%Y-%m-%d %H:%M:%S%z", "2012-04-03 20:00:09+0200", 1_333_476_009_000),
            ("%Y-%m-%d %H:%M:%S UTC", "2012-04-03 18:00:09 UTC", 1_333_476_009_000),
            ("%d.%m.%Y", "03.04.2012", 1_333_411_200_000),
            ("%m/%d/%y %I:%M %p", "04/03/12 06:00 PM", 1_333_476_000_000),
            ("%Y%m%d%H", "2012040318", 1_333_476_000_000),
            ("%s", "1333476009", 1_333_476_009_000),
            ("%b %d, %Y", "Apr 03, 2012", 1_333_411_200_000),
            ("%Y-%j", "2012-094", 1_333_411_200_000),
        ] {
            assert_eq!(TimePattern::new(pattern).unwrap().ms(text), Some(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (pattern, told) in [
            ("%H:%M", "date"),
            ("%Y", "date"),
            ("%d/%m", "date"),
            ("", "date"),
            ("date", "date"),
            ("%Q", "no pattern"),
            ("%", "no pattern"),
            ("%Y-%m-%d %Z", "%z"),
            ("%Y-%m-%d %H:%M:%S,%f", ".%f"),
        ] {
            let error = TimePattern::new(pattern).unwrap_err().to_string();
            assert!(error.contains(told), "{pattern}: {error}");
        }
        let pattern = TimePattern::new("%Y-%m-%d").unwrap();
        for text in ["", "2012-04-31", "2012-04-03 18:00", "x", "20120403"] {
            assert_eq!(pattern.ms(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_over_any_text_is_no_panic(pattern in "[%a-zA-Z0-9 :/.-]{0,12}", text in ".{0,30}") {
            if let Ok(pattern) = TimePattern::new(&pattern) {
                let _ = pattern.ms(&text);
            }
        }
    }
}
