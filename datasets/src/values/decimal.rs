//! Numbers as they are written, without the loss of a binary fraction.

/// Digits that are kept; far beyond what any column of numbers has.
const DIGITS: usize = 30;

/// A decimal number: `digits` · 10^`exponent`.
///
/// ```
/// use hmisr_datasets::values::Decimal;
///
/// assert_eq!(Decimal::parse("9.783e8").unwrap().whole(), Some(978_300_000));
/// assert_eq!(Decimal::parse("1594943334.438").unwrap().floor(3), Some(1_594_943_334_438));
/// assert_eq!(Decimal::parse("1.5").unwrap().whole(), None);
/// assert_eq!(Decimal::parse("12a"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: i128,
    exponent: i32,
    /// Whether digits beyond those kept were not 0.
    cut: bool,
    /// Whether a point or an exponent was written.
    float: bool,
}

impl Decimal {
    /// Reads `12`, `-12.50`, `1.25e+01`; none for anything else, infinities too.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.trim().as_bytes();
        let (negative, mut rest) = match bytes.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, bytes),
        };
        let mut number = Self { negative, digits: 0, exponent: 0, cut: false, float: false };
        let (mut kept, mut seen) = (0, false);
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    let digit = i128::from(byte - b'0');
                    if kept < DIGITS {
                        number.digits = number.digits * 10 + digit;
                        kept += usize::from(number.digits > 0);
                        number.exponent -= i32::from(number.float);
                    } else {
                        number.cut |= digit != 0;
                        number.exponent = number.exponent.saturating_add(i32::from(!number.float));
                    }
                }
                b'.' if !number.float => number.float = true,
                b'e' | b'E' if seen => {
                    let text = std::str::from_utf8(after).ok()?;
                    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        return None;
                    }
                    // Beyond what an exponent can be it is beyond any number that is used.
                    let far = if text.starts_with('-') { -100_000 } else { 100_000 };
                    number.exponent = number.exponent.saturating_add(text.parse().unwrap_or(far));
                    number.float = true;
                    rest = &[];
                    break;
                }
                _ => return None,
            }
            rest = after;
        }
        (seen && rest.is_empty()).then_some(number)
    }

    /// Whether a point or an exponent was written.
    pub fn is_float(&self) -> bool {
        self.float
    }

    /// The integer, where the number is one.
    pub fn whole(&self) -> Option<i128> {
        let (floor, rest) = self.scaled(0)?;
        (!rest).then_some(floor)
    }

    /// The greatest integer that is not above the number times 10^`power`; none beyond 38 digits.
    pub fn floor(&self, power: i32) -> Option<i128> {
        self.scaled(power).map(|(floor, _)| floor)
    }

    /// The integer next to the number times 10^`power`, halves upwards; none beyond 38 digits.
    pub fn rounded(&self, power: i32) -> Option<i128> {
        let tenths = self.scaled(power.checked_add(1)?)?.0;
        Some(tenths.checked_add(5)?.div_euclid(10))
    }

    /// The floor of the number times 10^`power`, and whether something is left.
    fn scaled(&self, power: i32) -> Option<(i128, bool)> {
        if self.digits == 0 {
            return Some((0, self.cut));
        }
        let signed = if self.negative { -self.digits } else { self.digits };
        let shift = self.exponent.checked_add(power)?;
        if shift >= 0 {
            let factor = 10_i128.checked_pow(shift.unsigned_abs())?;
            return Some((signed.checked_mul(factor)?, self.cut));
        }
        let Some(factor) = 10_i128.checked_pow(shift.unsigned_abs()) else {
            return Some((if self.negative { -1 } else { 0 }, true));
        };
        Some((signed.div_euclid(factor), self.cut || signed.rem_euclid(factor) != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_exact() {
        for (text, whole) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("1764000000000.0", Some(1_764_000_000_000)),
            ("1.701025678e+09", Some(1_701_025_678)),
            ("1.500000000000000000e+01", Some(15)),
            ("5.", Some(5)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("1e-1", None),
            ("10e-1", Some(1)),
            (".5", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999", None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().whole(), whole, "{text}");
        }
        assert_eq!(Decimal::parse("-1.5").unwrap().floor(0), Some(-2));
        assert_eq!(Decimal::parse("12.3456").unwrap().rounded(3), Some(12_346));
        assert_eq!(Decimal::parse("-12.3456").unwrap().rounded(3), Some(-12_346));
        assert_eq!(Decimal::parse("0.10000000000000000000000000000000000001").unwrap().floor(1), Some(1));
        assert_eq!(Decimal::parse(&"9".repeat(60)).unwrap().whole(), None);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "", " ", "-", ".", "e5", "1e", "1e+", "1.2.3", "12a", "nan", "inf", "0x10", "1_000", "1,5", "--1",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_none(text in ".{0,40}", power in any::<i32>()) {
            if let Some(number) = Decimal::parse(&text) {
                let _ = (number.whole(), number.floor(power), number.rounded(power));
            }
        }

        #[test]
        fn integers_and_their_floats_are_one(number in any::<i64>(), zeros in 1..6_usize) {
            let (plain, float) = (number.to_string(), format!("{number}.{}", "0".repeat(zeros)));
            prop_assert_eq!(Decimal::parse(&plain).unwrap().whole(), Some(number.into()));
            prop_assert_eq!(Decimal::parse(&float).unwrap().whole(), Some(number.into()));
        }

        #[test]
        fn a_fraction_of_digits_is_kept(seconds in 0_i64..10_000_000_000, ms in 0_i64..1_000) {
            let text = format!("{seconds}.{ms:03}");
            let expected = Some(i128::from(seconds * 1_000 + ms));
            prop_assert_eq!(Decimal::parse(&text).unwrap().floor(3), expected);
            prop_assert_eq!(Decimal::parse(&text).unwrap().rounded(3), expected);
        }
    }
}
