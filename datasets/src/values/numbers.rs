//! Numbers and truth as text.

use hmisr_features::is_missing;

use super::{Decimal, ValueError};

/// The number that a text says; none where it says that there is none.
///
/// # Errors
/// What is no finite number.
///
/// ```
/// use hmisr_datasets::values::number;
///
/// assert_eq!(number("19.90"), Ok(Some(19.9)));
/// assert_eq!(number("nan"), Ok(None));
/// assert!(number("19,90").unwrap_err().to_string().contains("point"));
/// ```
pub fn number(text: &str) -> Result<Option<f64>, ValueError> {
    let text = text.trim();
    if is_missing(text) {
        return Ok(None);
    }
    let value = Decimal::parse(text).and_then(|_| text.parse().ok()).filter(|value: &f64| value.is_finite());
    let is_comma = || text.matches(',').count() == 1 && Decimal::parse(&text.replace(',', ".")).is_some();
    match value {
        Some(value) => Ok(Some(value)),
        None if is_comma() => Err(ValueError::new(text, "is no number: fractions are written with a point")),
        None => Err(ValueError::new(text, "is no finite number")),
    }
}

/// Whether a text says yes; none where it says nothing.
///
/// # Errors
/// What is neither `true`, `t`, `yes`, `y`, 1 nor `false`, `f`, `no`, `n`, 0, in any letters.
///
/// ```
/// use hmisr_datasets::values::flag;
///
/// assert_eq!(flag("True"), Ok(Some(true)));
/// assert_eq!(flag("0.0"), Ok(Some(false)));
/// assert_eq!(flag(""), Ok(None));
/// assert!(flag("2").is_err());
/// ```
pub fn flag(text: &str) -> Result<Option<bool>, ValueError> {
    let text = text.trim();
    if is_missing(text) {
        return Ok(None);
    }
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match Decimal::parse(text).and_then(|number| number.whole()) {
        Some(1) => Ok(Some(true)),
        Some(0) => Ok(Some(false)),
        None if is(&["true", "t", "yes", "y"]) => Ok(Some(true)),
        None if is(&["false", "f", "no", "n"]) => Ok(Some(false)),
        _ => Err(ValueError::new(text, "is neither true (1) nor false (0)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_or_told() {
        for (text, value) in [("5", 5.0), ("-1.5", -1.5), ("1e3", 1_000.0), (" 3.0 ", 3.0), ("5.", 5.0)] {
            assert_eq!(number(text), Ok(Some(value)), "{text}");
        }
        for text in ["NULL", "", "NaN"] {
            assert_eq!(number(text), Ok(None), "{text}");
        }
        for text in ["inf", "-Infinity", "1e400", "five", "1,5", "1 000", "0x1"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn truth_is_read_or_told() {
        for text in ["true", "TRUE", "t", "Yes", "y", "1", "1.0"] {
            assert_eq!(flag(text), Ok(Some(true)), "{text}");
        }
        for text in ["false", "False", "F", "no", "N", "0", "0.0", "-0"] {
            assert_eq!(flag(text), Ok(Some(false)), "{text}");
        }
        assert_eq!(flag("None"), Ok(None));
        for text in ["2", "-1", "maybe", "0.5", "on"] {
            assert!(flag(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_told(text in ".{0,40}", near in "[0-9.eE,+-]{0,30}") {
            let _ = (number(&text), flag(&text), number(&near), flag(&near));
        }
    }
}
