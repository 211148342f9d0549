//! Times as text: RFC 3339 and its relatives.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Forms with the name of a month, and Amazon's: Twitter's, RFC 2822's relatives, C's `ctime`.
const ZONED: [&str; 2] = ["%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z"];
const PLAIN: [&str; 6] = [
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S UTC %Y",
    "%a %b %d %H:%M:%S GMT %Y",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M",
    "%d %b %Y, %H:%M",
];
const DATES: [&str; 2] = ["%d %b %Y", "%m %d, %Y"];

/// Epoch milliseconds of a text that is a time; UTC where it names no offset. What is less than a
/// millisecond is cut off. None where it can be read in no way or in more than one (`03/04/2012`: give
/// a [`TimePattern`](super::TimePattern)).
///
/// ```
/// use hmisr_datasets::values::epoch_ms;
///
/// for text in [
///     "2012-04-03T18:00:09Z",
///     "2012-04-03T20:00:09+02:00",
///     "2012-04-03T20:00:09+0200",
///     "2012-04-03 20:00:09+02",
///     "2012-04-03 18:00:09 UTC",
///     "2012-04-03 18:00:09",
///     "2012/04/03 18:00:09.000000",
///     "20120403T180009Z",
///     "Tue Apr 03 18:00:09 +0000 2012",
///     "Tue, 03 Apr 2012 18:00:09 GMT",
/// ] {
///     assert_eq!(epoch_ms(text), Some(1_333_476_009_000), "{text}");
/// }
/// assert_eq!(epoch_ms("2012-04-03T18:00Z"), Some(1_333_476_000_000));
/// assert_eq!(epoch_ms("2012-04-03"), Some(1_333_411_200_000));
/// assert_eq!(epoch_ms("03/04/2012"), None);
/// ```
pub fn epoch_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.as_bytes().first()? {
        b'0'..=b'9' => iso(text.as_bytes()).or_else(|| named(text)),
        byte if byte.is_ascii_alphabetic() => named(text),
        _ => None,
    }
}

/// Times with a month's name, and `07 9, 2012`.
fn named(text: &str) -> Option<i64> {
    // No known form is as long, and each is tried in full.
    if text.len() > 40 {
        return None;
    }
    let zoned = ZONED.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    let zoned = zoned.or_else(|| DateTime::parse_from_rfc2822(text).ok());
    let plain = || PLAIN.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || DATES.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    zoned
        .map(|time| time.timestamp_millis())
        .or_else(|| plain().map(|time| time.and_utc().timestamp_millis()))
        .or_else(|| date().and_then(midnight))
}

/// Epoch milliseconds of a day's beginning in UTC.
fn midnight(date: NaiveDate) -> Option<i64> {
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// Epoch milliseconds of `yyyymmdd`, `yyyymmddhh`, `yyyymmddhhmm` or `yyyymmddhhmmss`.
pub(super) fn digits_ms(digits: &str) -> Option<i64> {
    if !matches!(digits.len(), 8 | 10 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("0").parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(digits[..4].parse().ok()?, part(4, 6)?, part(6, 8)?)?;
    let time = date.and_hms_opt(part(8, 10)?, part(10, 12)?, part(12, 14)?)?;
    Some(time.and_utc().timestamp_millis())
}

/// `2012-04-03[T18[:00[:09[.5]]]][offset]`, with `/` and without any signs, too.
fn iso(text: &[u8]) -> Option<i64> {
    let mut scan = Scan(text);
    let year = scan.number(4, 4)?;
    let separator = scan.one_of(b"-/");
    let (month, day) = match separator {
        Some(sign) => {
            let month = scan.number(1, 2)?;
            scan.one_of(&[sign])?;
            (month, scan.number(1, 2)?)
        }
        None => (scan.number(2, 2)?, scan.number(2, 2)?),
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let at_day = midnight(date)?;
    let mut in_day = 0;
    if scan.one_of(b"Tt_").is_some() || (scan.spaces() && scan.0.first().is_some_and(u8::is_ascii_digit)) {
        in_day = scan.time_of_day()?;
    } else if separator.is_none() && scan.0.is_empty() {
        // Eight digits alone may be a number as well: only a whole column can say.
        return None;
    }
    let offset_s = scan.offset()?;
    Some(at_day + in_day - offset_s * 1_000)
}

/// What is left of a text.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    /// The next byte, where it is one of these.
    fn one_of(&mut self, signs: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first().filter(|(first, _)| signs.contains(first))?;
        self.0 = rest;
        Some(first)
    }

    /// Skips spaces; whether there were any.
    fn spaces(&mut self) -> bool {
        let before = self.0.len();
        while self.one_of(b" ").is_some() {}
        self.0.len() < before
    }

    /// How many digits come next.
    fn digits(&self) -> usize {
        self.0.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// A number of so many digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.digits().min(most);
        if length < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    /// Milliseconds into the day.
    fn time_of_day(&mut self) -> Option<i64> {
        let is_plain = self.digits() > 2;
        let hour = self.number(1, 2)?;
        let (mut minute, mut second, mut ms) = (0, 0, 0);
        if is_plain || self.one_of(b":").is_some() {
            minute = self.number(2, 2)?;
            if (is_plain && self.digits() > 0) || self.one_of(b":").is_some() {
                second = self.number(2, 2)?;
                if self.one_of(b".,").is_some() {
                    let length = self.digits();
                    let (fraction, rest) = self.0.split_at(length);
                    self.0 = rest;
                    let first = fraction.first()?;
                    let digit = |at: usize| u32::from(fraction.get(at).unwrap_or(&b'0') - b'0');
                    ms = u32::from(first - b'0') * 100 + digit(1) * 10 + digit(2);
                }
            }
        }
        // 60 is a leap second; 24:00 is the end of the day.
        let ends_day = hour == 24 && minute == 0 && second == 0 && ms == 0;
        if (hour > 23 && !ends_day) || minute > 59 || second > 60 {
            return None;
        }
        Some(i64::from((hour * 3_600 + minute * 60 + second) * 1_000 + ms))
    }

    /// Seconds east of UTC at the end of the text; 0 where there is nothing.
    fn offset(&mut self) -> Option<i64> {
        self.spaces();
        if let Some(rest) = [&b"UTC"[..], b"GMT", b"utc", b"gmt", b"Z", b"z"]
            .into_iter()
            .find_map(|name| self.0.strip_prefix(name))
        {
            return rest.is_empty().then_some(0);
        }
        let Some(sign) = self.one_of(b"+-") else { return self.0.is_empty().then_some(0) };
        let hours = self.number(2, 2)?;
        let is_written = self.one_of(b":").is_some() || self.digits() > 0;
        let minutes = if is_written { self.number(2, 2)? } else { 0 };
        // Java adds the zone's name to the offset.
        let is_named = self.0.starts_with(b"[") && self.0.ends_with(b"]");
        if hours > 18 || minutes > 59 || !(self.0.is_empty() || is_named) {
            return None;
        }
        let seconds = i64::from(hours * 3_600 + minutes * 60);
        Some(if sign == b'-' { -seconds } else { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn relatives_of_rfc_3339_are_read() {
        // 2026-01-31T08:30:00.250Z
        const MS: i64 = 1_769_848_200_250;
        for text in [
            "2026-01-31T08:30:00.250Z",
            "2026-01-31t08:30:00.25z",
            "2026-01-31 08:30:00.250999999999",
            "2026-01-31T08:30:00,250Z",
            "2026-01-31T09:30:00.250+01:00",
            "2026-01-31T09:30:00.250+0100",
            "2026-01-31 09:30:00.250+01",
            "2026-01-31 09:30:00.250 +0100",
            "2026-01-31 08:30:00.250 UTC",
            "2026-01-31T03:00:00.250-05:30",
            "2026-01-31T09:30:00.250+01:00[Europe/Berlin]",
            "2026-01-31_08:30:00.250",
            "2026-1-31 8:30:00.250",
            "20260131T083000.250Z",
            " 2026-01-31T08:30:00.250Z\r",
        ] {
            assert_eq!(epoch_ms(text), Some(MS), "{text}");
        }
        for text in ["2026-01-31T08:30Z", "2026-01-31 08:30", "20260131T0830", "31 Jan 2026 08:30"] {
            assert_eq!(epoch_ms(text), Some(MS - 250), "{text}");
        }
        for text in ["2026-01-31", "2026/01/31", "2026-01-31Z", "31 Jan 2026", "01 31, 2026"] {
            assert_eq!(epoch_ms(text), Some(1_769_817_600_000), "{text}");
        }
        assert_eq!(epoch_ms("2016-12-31T23:59:60Z"), epoch_ms("2017-01-01T00:00:00Z"));
        assert_eq!(epoch_ms("2016-12-31T24:00:00Z"), epoch_ms("2017-01-01"));
        assert_eq!(epoch_ms("1969-12-31T23:59:59.5Z"), Some(-500));
    }

    #[test]
    fn twitters_and_mails_are_read() {
        for text in [
            "Tue Apr 03 18:00:09 +0000 2012",
            "Tue Apr 03 20:00:09 +0200 2012",
            "Tue, 03 Apr 2012 18:00:09 +0000",
            "3 Apr 2012 18:00:09 +0000",
            "Tue Apr  3 18:00:09 2012",
            "Tue Apr 03 18:00:09 UTC 2012",
        ] {
            assert_eq!(epoch_ms(text), Some(1_333_476_009_000), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_two_is_refused() {
        for text in [
            "",
            "yesterday",
            "12",
            "20120403",
            "2026",
            "2026-01",
            "2026-02-30",
            "2026-13-01",
            "2026-01-31T",
            "2026-01-31T25:00",
            "2026-01-31T08:60",
            "2026-01-31T08:30:61",
            "2026-01-31T08:30:00.",
            "2026-01-31T08:30:00+1",
            "2026-01-31T08:30:00+25:00",
            "2026-01-31T08:30:00 CET",
            "2026-01-31x",
            "2026-01/31",
            "03/04/2012",
            "2026-01-31 08:30 PM",
            "Wed Apr 03 18:00:09 +0000 2012",
            "ü",
        ] {
            assert_eq!(epoch_ms(text), None, "{text}");
        }
    }

    #[test]
    fn digits_are_dates() {
        assert_eq!(digits_ms("20120403"), epoch_ms("2012-04-03"));
        assert_eq!(digits_ms("20120403180009"), epoch_ms("2012-04-03T18:00:09"));
        assert_eq!(digits_ms("201204031800"), epoch_ms("2012-04-03T18:00"));
        assert_eq!(digits_ms("2012040318"), epoch_ms("2012-04-03T18:00"));
        for text in ["20121303", "2012040", "201204031", "20120403250000", "2012040x", ""] {
            assert_eq!(digits_ms(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,50}", near in "[0-9TtZz:+ ./-]{0,35}") {
            let _ = (epoch_ms(&text), epoch_ms(&near), digits_ms(&text), digits_ms(&near));
        }

        #[test]
        fn a_text_cut_anywhere_is_no_panic(cut in 0..40_usize) {
            let text = "2026-01-31T09:30:00.250+01:00[Europe/Berlin]";
            let _ = epoch_ms(&text[..cut.min(text.len())]);
        }

        #[test]
        fn what_is_written_reads_back(ms in -62_135_596_800_000_i64..253_402_300_800_000) {
            let time = DateTime::from_timestamp_millis(ms).unwrap();
            prop_assert_eq!(epoch_ms(&time.to_rfc3339()), Some(ms));
        }
    }
}
