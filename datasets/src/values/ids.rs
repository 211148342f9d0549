//! Ids in columns of text, of integers and of floats.

use hmisr_features::{Id, is_missing};

use super::{Decimal, ValueError};

/// The greatest integer up to which a binary float holds every one: 2⁵³.
const MAX_EXACT: i128 = 1 << 53;

/// How the ids of one column are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdForm {
    /// As they stand: integers or any text. `42` is an integer, `42.0` and `042` are texts.
    #[default]
    Written,
    /// Integers that went through floats: `1`, `1.0` and `1.00e0` are one id. What is no whole number,
    /// such as `guest`, `1.5` and `007`, stands as it is written.
    Float,
}

impl IdForm {
    /// The id that a text says; none where it says that there is none. Space about it does not count.
    ///
    /// # Errors
    /// What cannot be an id; in a column of floats also a whole number that is negative or above 2⁵³,
    /// where a float loses digits and two ids become one.
    ///
    /// ```
    /// use hmisr_datasets::values::IdForm;
    /// use hmisr_features::Id;
    ///
    /// assert_eq!(IdForm::Float.id("1.00e0"), Ok(Some(Id::from(1))));
    /// assert_eq!(IdForm::Float.id("guest"), Ok(Some(Id::text("guest").unwrap())));
    /// assert_eq!(IdForm::Written.id("1.00e0"), Ok(Some(Id::text("1.00e0").unwrap())));
    /// assert_eq!(IdForm::Written.id("NULL"), Ok(None));
    /// ```
    pub fn id(self, text: &str) -> Result<Option<Id>, ValueError> {
        let text = text.trim();
        if is_missing(text) {
            return Ok(None);
        }
        let id = match (self, Kind::of(text)) {
            (Self::Float, Kind::Integer | Kind::Float | Kind::Exponent) => Id::int(whole(text)?),
            _ => Id::parse(text),
        };
        id.map(Some).map_err(|error| ValueError::new(text, format!("is no id: {error}")))
    }
}

/// What a text may be, beside the floats of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A whole number in plain digits.
    Integer,
    /// A whole number with a point.
    Float,
    /// One with an exponent and without a point; a hexadecimal id may look so.
    Exponent,
    /// A number that no float of an id is: with a fraction, or with a leading zero.
    Other,
    /// No number.
    Word,
}

impl Kind {
    fn of(text: &str) -> Self {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let is_padded = digits > 1 && text.starts_with('0');
        match Decimal::parse(text) {
            None => Self::Word,
            Some(_) if is_padded => Self::Other,
            // Beyond 38 digits there is no fraction, and no id.
            Some(number) if number.floor(0).is_some() && number.whole().is_none() => Self::Other,
            Some(_) if text.contains('.') => Self::Float,
            Some(number) if !number.is_float() => Self::Integer,
            Some(_) => Self::Exponent,
        }
    }
}

/// The integer of a float that holds it exactly.
pub(super) fn whole(text: &str) -> Result<u64, ValueError> {
    let refuse = |problem: &str| ValueError::new(text, problem);
    let number =
        Decimal::parse(text).ok_or_else(|| refuse("is no number, and the column's ids are floats"))?;
    let Some(floor) = number.floor(0) else { return Err(refuse("is beyond any id")) };
    if number.whole().is_none() {
        return Err(refuse("has a fraction: an id is a whole number or a text"));
    }
    if floor > MAX_EXACT {
        return Err(refuse("is above 2^53, where floats lose digits: write ids as integers or as text"));
    }
    u64::try_from(floor).map_err(|_| refuse("is negative: an id is an integer from 0 or a text"))
}

/// Sees the ids of one column and says in which form they are written.
///
/// They are floats where at least one is a whole number with a point, and at least nine in ten of the
/// numbers are whole and written in plain digits or with a point, and no more values are words (`guest`)
/// than are whole; words for a missing value count for neither.
///
/// ```
/// use hmisr_datasets::values::{IdForm, IdSample};
///
/// let form = |column: &[&str]| {
///     let mut sample = IdSample::default();
///     column.iter().for_each(|text| sample.see(text));
///     sample.decide()
/// };
/// assert_eq!(form(&["1.0", "15.0", "nan", "guest"]), IdForm::Float);
/// assert_eq!(form(&["1", "15"]), IdForm::Written);
/// assert_eq!(form(&["1.0", "1.1"]), IdForm::Written);
/// ```
#[derive(Debug, Clone, Default)]
pub struct IdSample {
    integers: u64,
    floats: u64,
    others: u64,
    words: u64,
}

impl IdSample {
    /// Takes a value into account; those for a missing one are passed over.
    pub fn see(&mut self, text: &str) {
        match Kind::of(text.trim()) {
            Kind::Integer => self.integers += 1,
            Kind::Float => self.floats += 1,
            Kind::Exponent | Kind::Other => self.others += 1,
            Kind::Word => self.words += u64::from(!is_missing(text.trim())),
        }
    }

    /// The form of the column.
    pub fn decide(&self) -> IdForm {
        let whole = self.integers + self.floats;
        let nearly_all = whole / 9 >= self.others && self.words <= whole;
        if self.floats > 0 && nearly_all { IdForm::Float } else { IdForm::Written }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(column: &[&str]) -> IdForm {
        let mut sample = IdSample::default();
        column.iter().for_each(|text| sample.see(text));
        sample.decide()
    }

    #[test]
    fn in_a_float_column_nine_in_ten_of_the_numbers_are_whole() {
        let floats = |beside: &[&'static str]| [&["1.0"; 9][..], beside].concat();
        assert_eq!(form(&["1.0", "2", "1.500000000000000000e+01", "", "NaN"]), IdForm::Float);
        for beside in [&["1.5"][..], &["007"], &["guest"; 9], &["12e4"]] {
            assert_eq!(form(&floats(beside)), IdForm::Float, "{beside:?}");
        }
        assert_eq!(form(&floats(&["1.5", "2.5"])), IdForm::Written);
        // Among words a float is a word too.
        assert_eq!(form(&floats(&["guest"; 10])), IdForm::Written);
        for column in [
            &["1", "2"][..],
            &["1", "2", "guest"],
            &["1.0", "2.5"],
            // Hexadecimal ids may look like numbers with an exponent.
            &["12e4", "34e5"],
            &["1.0", "007"],
            &["1.10", "1.2"],
            &["a"],
            &[],
        ] {
            assert_eq!(form(column), IdForm::Written, "{column:?}");
        }
    }

    #[test]
    fn floats_of_one_number_are_one_id() {
        for text in ["1", "1.0", "1.", "1.00e0", "1.000000000000000000e+00", "10e-1", " 1.0 "] {
            assert_eq!(IdForm::Float.id(text), Ok(Some(Id::from(1))), "{text}");
        }
        assert_eq!(IdForm::Float.id("9007199254740992.0").unwrap().unwrap().as_int(), Some(1 << 53));
        for (text, told) in [
            ("9007199254740993", "lose digits"),
            ("1.8e19", "lose digits"),
            ("1e99", "beyond"),
            ("-1.0", "negative"),
        ] {
            let error = IdForm::Float.id(text).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_whole_number_keeps_its_text_beside_floats() {
        for text in ["guest", "1.5", "1e-3", "007", "007.0", "-0.5"] {
            let id = IdForm::Float.id(text).unwrap().unwrap();
            assert_eq!(id.as_text(), Some(text));
        }
    }

    #[test]
    fn ids_stand_as_they_are_written() {
        let id = |text: &str| IdForm::Written.id(text).unwrap().unwrap();
        assert_eq!(id("42"), Id::from(42));
        assert_eq!((id("042").as_text(), id("1.0").as_text()), (Some("042"), Some("1.0")));
        assert_eq!(id(" ann ").as_text(), Some("ann"));
        assert_eq!(id("9007199254740993").as_int(), Some(9_007_199_254_740_993));
        for word in ["", "NULL", r"\N", "nan", "None"] {
            assert_eq!((IdForm::Written.id(word), IdForm::Float.id(word)), (Ok(None), Ok(None)));
        }
        assert!(IdForm::Written.id(&"x".repeat(129)).unwrap_err().to_string().contains("128"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_nobody_or_told(text in ".{0,140}", number in "[0-9.eE+-]{0,30}") {
            for text in [&text, &number] {
                let mut sample = IdSample::default();
                sample.see(text);
                let _ = (sample.decide(), IdForm::Written.id(text), IdForm::Float.id(text));
            }
        }

        #[test]
        fn an_exact_float_is_its_integer(number in 0_u64..=(1 << 53)) {
            let id = Id::int(number).unwrap();
            prop_assert_eq!(IdForm::Float.id(&format!("{number}.0")), Ok(Some(id.clone())));
            prop_assert_eq!(IdForm::Float.id(&format!("{:e}", number as f64)), Ok(Some(id)));
        }
    }
}
