//! In which form a column or topic writes its times.

use super::time_text::digits_ms;
use super::{Decimal, TimeForm, TimeUnit, date_text, epoch_ms, is_missing, is_plausible};

/// How many forms are told apart.
const COUNT: usize = 6;
/// Forms that are told apart, in the order of the votes.
const FORMS: [TimeForm; COUNT] = [
    TimeForm::Number(TimeUnit::Seconds),
    TimeForm::Number(TimeUnit::Millis),
    TimeForm::Number(TimeUnit::Micros),
    TimeForm::Number(TimeUnit::Nanos),
    TimeForm::Digits,
    TimeForm::Text,
];

/// Numbers that may be `yyyymmddhh`.
const HOURS: std::ops::Range<i128> = 1_990_010_100..2_200_000_000;

/// The share of a sample that must agree, in percent.
const AGREE: u64 = 90;

/// Sees the times of one column or topic and says in which form they are written.
///
/// A value speaks for the form in which it is plausible, from 1990 to before 2200: of numbers that is
/// one at most, digits of a date before a unit. The form for which nine in ten speak is the column's; the others are for whoever
/// reads them to refuse. No value ever has a form of its own.
///
/// ```
/// use hmisr_datasets::values::{TimeForm, TimeSample};
///
/// let mut sample = TimeSample::default();
/// ["20120403", "20120404", "20120405"].iter().for_each(|text| sample.see(text));
/// assert_eq!(sample.decide().unwrap().form, TimeForm::Digits);
///
/// let mut mixed = TimeSample::default();
/// ["1764000000", "1764000000000"].iter().for_each(|text| mixed.see(text));
/// let told = mixed.decide().unwrap_err().to_string();
/// assert!(told.contains("1 are s") && told.contains("1 are ms"), "{told}");
/// ```
#[derive(Debug, Clone, Default)]
pub struct TimeSample {
    seen: u64,
    votes: [u64; COUNT],
    /// The first value of each form.
    examples: [Option<String>; COUNT],
    /// The least and the greatest number.
    numbers: Option<(i128, i128)>,
    /// The first value that is neither a number nor a time.
    unreadable: Option<String>,
}

/// The form of a column or topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedTime {
    /// The form.
    pub form: TimeForm,
    /// Values that were seen; words for a missing one do not count.
    pub seen: u64,
    /// Those that speak for the form.
    pub agreed: u64,
}

/// Why a column has no form; the text says what was seen. Whoever asks adds the place and how a form
/// is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// There was no value.
    #[error("there are no times")]
    Nothing,
    /// No value is a plausible time in any form.
    #[error("no time is from 1990 to 2200 in any form: {0}")]
    Implausible(String),
    /// Values speak for different forms, or too many for none.
    #[error("times are not written alike: {0}")]
    Mixed(String),
}

impl TimeSample {
    /// Takes a value into account; words for a missing one are passed over.
    pub fn see(&mut self, text: &str) {
        if is_missing(text) {
            return;
        }
        self.seen += 1;
        let Some(number) = Decimal::parse(text) else {
            match epoch_ms(text) {
                Some(ms) if is_plausible(ms) => self.vote(COUNT - 1, text),
                _ => drop(self.unreadable.get_or_insert_with(|| text.to_owned())),
            }
            return;
        };
        if let Some(value) = number.floor(0) {
            let (least, greatest) = self.numbers.unwrap_or((value, value));
            self.numbers = Some((least.min(value), greatest.max(value)));
        }
        let unit = TimeUnit::ALL.iter().position(|unit| unit.ms(&number).is_some_and(is_plausible));
        let whole = number.whole();
        // `2017112501` would be a second of 2033 as well; of such seconds one in a hundred has the digits of
        // an hour, of hours all have.
        let may_be_digits = unit.is_none() || whole.is_some_and(|whole| HOURS.contains(&whole));
        let digits = whole.filter(|_| may_be_digits).and_then(|whole| digits_ms(&whole.to_string()));
        match unit {
            _ if digits.is_some_and(is_plausible) => self.vote(TimeUnit::ALL.len(), text),
            Some(at) => self.vote(at, text),
            None => {}
        }
    }

    /// Values seen so far, missing ones left out.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The form of the column.
    ///
    /// # Errors
    /// [`Undecided`], with what was seen.
    pub fn decide(&self) -> Result<DecidedTime, Undecided> {
        self.decide_by(AGREE)
    }

    /// The form for which so many percent of the values speak: for a sample that still grows.
    ///
    /// # Errors
    /// As [`TimeSample::decide`].
    pub fn decide_by(&self, percent: u64) -> Result<DecidedTime, Undecided> {
        if self.seen == 0 {
            return Err(Undecided::Nothing);
        }
        let most = self.votes.iter().zip(FORMS).max_by_key(|(votes, _)| **votes);
        match most {
            Some((&agreed, form))
                if u128::from(agreed) * 100 >= u128::from(self.seen) * u128::from(percent) =>
            {
                Ok(DecidedTime { form, seen: self.seen, agreed })
            }
            Some((0, _)) | None => Err(Undecided::Implausible(self.told())),
            Some(_) => Err(Undecided::Mixed(self.told())),
        }
    }

    fn vote(&mut self, at: usize, text: &str) {
        self.votes[at] += 1;
        self.examples[at].get_or_insert_with(|| text.trim().to_owned());
    }

    /// What was seen.
    fn told(&self) -> String {
        let mut parts = Vec::new();
        for ((votes, form), example) in self.votes.iter().zip(FORMS).zip(&self.examples) {
            if *votes > 0 {
                let example = example.as_deref().unwrap_or_default();
                parts.push(format!("{votes} are {form} ({example:?})"));
            }
        }
        let others = self.seen - self.votes.iter().sum::<u64>();
        if others > 0 {
            let example = self.unreadable.as_ref().map(|text| format!(" ({text:?})")).unwrap_or_default();
            parts.push(format!("{others} are none{example}"));
        }
        let mut told = format!("of {} values {}", self.seen, parts.join(", "));
        if let Some((least, greatest)) = self.numbers {
            told.push_str(&format!("; numbers go from {least} to {greatest}"));
            for unit in TimeUnit::ALL {
                let date = |number: i128| {
                    let ms = Decimal::parse(&number.to_string()).and_then(|number| unit.ms(&number));
                    ms.map_or_else(|| "beyond any date".to_owned(), date_text)
                };
                told.push_str(&format!(", in {unit} from {} to {}", date(least), date(greatest)));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decided(values: &[&str]) -> Result<TimeForm, Undecided> {
        let mut sample = TimeSample::default();
        values.iter().for_each(|text| sample.see(text));
        sample.decide().map(|decided| decided.form)
    }

    #[test]
    fn a_column_has_one_form() {
        for (values, form) in [
            (&["1701025678", "978300760"][..], "s"),
            (&["1.701025678e+09", "1594943334.438", "978300760.0"], "s"),
            (&["1701025678123"], "ms"),
            (&["1701025678123456"], "us"),
            (&["1701025678123456789"], "ns"),
            (&["20120403", "20200716.0"], "yyyymmdd"),
            (&["20120403180009"], "yyyymmdd"),
            (&["2017112501", "2017112600"], "yyyymmdd"),
            (&["2017112561", "2017139900"], "s"),
            (&["2023-11-26T19:07:58.512Z", "2023-11-27"], "rfc3339"),
            (&["Tue Apr 03 18:00:09 +0000 2012"], "rfc3339"),
            (&["", "NULL", "nan", "1701025678"], "s"),
        ] {
            assert_eq!(decided(values).unwrap().to_string(), form, "{values:?}");
        }
    }

    #[test]
    fn a_few_odd_values_change_nothing() {
        let mut sample = TimeSample::default();
        (0..95).for_each(|second| sample.see(&format!("{}", 1_701_025_678 + second)));
        ["0", "-1", "1701025678000", "x", "20120403"].iter().for_each(|text| sample.see(text));
        let decided = sample.decide().unwrap();
        assert_eq!((decided.form.to_string().as_str(), decided.seen, decided.agreed), ("s", 100, 95));
    }

    #[test]
    fn mixed_and_implausible_columns_are_told_with_their_dates() {
        let mixed = decided(&["1701025678", "1701025678000", "1701025679"]).unwrap_err();
        assert!(matches!(mixed, Undecided::Mixed(_)), "{mixed}");
        let text = mixed.to_string();
        assert!(text.contains("2 are s") && text.contains("1 are ms"), "{text}");
        assert!(text.contains("in ms from 1970-01-20T16:30:25.678Z to 2023-11-26T19:07:58Z"), "{text}");

        let small = decided(&["1", "2", "3000"]).unwrap_err();
        assert!(matches!(small, Undecided::Implausible(_)), "{small}");
        assert!(
            small.to_string().contains("in s from 1970-01-01T00:00:01Z to 1970-01-01T00:50:00Z"),
            "{small}"
        );

        let text = decided(&["03/04/2012", "2012-04-03"]).unwrap_err().to_string();
        assert!(text.contains("1 are none (\"03/04/2012\")"), "{text}");
        assert!(matches!(decided(&["yesterday"]), Err(Undecided::Implausible(_))));
        assert_eq!(decided(&["NULL", ""]), Err(Undecided::Nothing));
    }

    proptest! {
        #[test]
        fn any_column_is_decided_or_told(values in prop::collection::vec(".{0,24}|[0-9.e+-]{0,24}", 0..20)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            if let Err(undecided) = decided(&values) {
                prop_assert!(!undecided.to_string().is_empty());
            }
        }

        #[test]
        fn a_unit_is_known_wherever_it_is_plausible(seconds in 631_152_000_i64..7_258_118_400, at in 0..4_usize) {
            let unit = TimeUnit::ALL[at];
            let number = i128::from(seconds) * 1_000_i128.pow(u32::try_from(at).unwrap());
            prop_assume!(digits_ms(&number.to_string()).is_none());
            prop_assert_eq!(decided(&[&number.to_string()]), Ok(TimeForm::Number(unit)));
        }
    }
}
