//! How the times of a column or topic are written.

use std::fmt;
use std::str::FromStr;

use super::time_text::digits_ms;
use super::{Decimal, TimePattern, TimeUnit, ValueError, epoch_ms};

/// How the times of one column or topic are written: all of them alike.
///
/// As text, for an option: `s`, `ms`, `us`, `ns`, `rfc3339`, `yyyymmdd`, or a pattern with `%`.
///
/// ```
/// use hmisr_datasets::values::TimeForm;
///
/// let form: TimeForm = "s".parse().unwrap();
/// assert_eq!(form.ms("1333476009.5").unwrap(), 1_333_476_009_500);
/// assert!(form.ms("2012-04-03").unwrap_err().to_string().contains("number"));
/// let form: TimeForm = "%d.%m.%Y".parse().unwrap();
/// assert_eq!(form.ms("03.04.2012").unwrap(), 1_333_411_200_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeForm {
    /// Numbers of this unit since 1970.
    Number(TimeUnit),
    /// Digits of a date: `20120403`, `2012040318`, `201204031800`, `20120403180009`; also as `20120403.0`.
    Digits,
    /// Texts that [`epoch_ms`] reads.
    Text,
    /// Texts of a pattern that was given.
    Pattern(TimePattern),
}

impl TimeForm {
    /// Epoch milliseconds of a value. It may be implausible: see [`is_plausible`](super::is_plausible).
    ///
    /// # Errors
    /// A value of another form.
    pub fn ms(&self, text: &str) -> Result<i64, ValueError> {
        match self {
            Self::Number(unit) => {
                let number = Decimal::parse(text)
                    .ok_or_else(|| ValueError::new(text, format!("is no number of {unit} since 1970")))?;
                unit.ms(&number)
                    .ok_or_else(|| ValueError::new(text, format!("is beyond any time, as {unit} since 1970")))
            }
            Self::Digits => {
                let whole = Decimal::parse(text).and_then(|number| number.whole());
                whole
                    .and_then(|whole| digits_ms(&whole.to_string()))
                    .ok_or_else(|| ValueError::new(text, "is no date such as 20120403 (yyyymmdd)"))
            }
            Self::Text => epoch_ms(text).ok_or_else(|| {
                ValueError::new(
                    text,
                    "is no time such as 2026-01-31T08:30:00Z or 2026-01-31 09:30:00+01:00 (RFC 3339)",
                )
            }),
            Self::Pattern(pattern) => pattern
                .ms(text)
                .ok_or_else(|| ValueError::new(text, format!("is no time of the pattern {pattern}"))),
        }
    }
}

impl fmt::Display for TimeForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(unit) => unit.fmt(f),
            Self::Digits => f.write_str("yyyymmdd"),
            Self::Text => f.write_str("rfc3339"),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

impl FromStr for TimeForm {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "yyyymmdd" => Ok(Self::Digits),
            "rfc3339" | "text" => Ok(Self::Text),
            pattern if pattern.contains('%') => TimePattern::new(pattern).map(Self::Pattern),
            unit => unit.parse().map(Self::Number).map_err(|_| {
                ValueError::new(
                    unit,
                    "is no form of a time; there are s, ms, us, ns, rfc3339, yyyymmdd, and patterns such as \"%d/%m/%Y %H:%M\"",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_back() {
        for text in ["s", "ms", "us", "ns", "rfc3339", "yyyymmdd", "%d/%m/%Y"] {
            assert_eq!(text.parse::<TimeForm>().unwrap().to_string(), text);
        }
        assert!("hours".parse::<TimeForm>().unwrap_err().to_string().contains("yyyymmdd"));
        assert!("%H".parse::<TimeForm>().is_err());
    }

    #[test]
    fn each_form_reads_its_own_and_refuses_the_others() {
        let ms = |form: &str, text: &str| form.parse::<TimeForm>().unwrap().ms(text);
        assert_eq!(ms("s", "9.783e8"), Ok(978_300_000_000));
        assert_eq!(ms("ms", "1764000000000.0"), Ok(1_764_000_000_000));
        assert_eq!(ms("us", "1764000000000999"), Ok(1_764_000_000_000));
        assert_eq!(ms("yyyymmdd", "20120403"), Ok(1_333_411_200_000));
        assert_eq!(ms("yyyymmdd", "20120403.0"), Ok(1_333_411_200_000));
        assert_eq!(ms("rfc3339", "2012-04-03"), Ok(1_333_411_200_000));
        for (form, text) in [
            ("s", "2012-04-03"),
            ("s", "nan"),
            ("s", "1e300"),
            ("yyyymmdd", "1333476009"),
            ("yyyymmdd", "20120431"),
            ("rfc3339", "1333476009"),
            ("%d.%m.%Y", "2012-04-03"),
        ] {
            let error = ms(form, text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{form} {text}: {error}");
        }
    }
}
