//! What stands between two columns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What stands between two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Delimiter {
    /// One byte.
    Byte(u8),
    /// `::`, as in MovieLens.
    Colons,
}

impl Delimiter {
    /// A comma.
    pub const COMMA: Self = Self::Byte(b',');
    /// A semicolon.
    pub const SEMICOLON: Self = Self::Byte(b';');
    /// A tab.
    pub const TAB: Self = Self::Byte(b'\t');
    /// A vertical bar.
    pub const BAR: Self = Self::Byte(b'|');
    /// Those that are recognised, in the order in which they are tried.
    pub(crate) const ALL: [Self; 6] =
        [Self::COMMA, Self::TAB, Self::SEMICOLON, Self::Colons, Self::BAR, Self::Byte(b' ')];

    /// Appends the places of the columns of a line in which nothing is quoted.
    pub(super) fn split(self, line: &[u8], from: &mut Vec<(usize, usize)>) {
        let mut start = 0;
        match self {
            Self::Byte(delimiter) => {
                for (at, byte) in line.iter().enumerate() {
                    if *byte == delimiter {
                        from.push((start, at));
                        start = at + 1;
                    }
                }
            }
            Self::Colons => {
                let mut at = 0;
                while at + 1 < line.len() {
                    if &line[at..at + 2] == b"::" {
                        from.push((start, at));
                        at += 2;
                        start = at;
                    } else {
                        at += 1;
                    }
                }
            }
        }
        from.push((start, line.len()));
    }
}

impl FromStr for Delimiter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "tab" | "\\t" => Self::TAB,
            "space" => Self::Byte(b' '),
            "comma" => Self::COMMA,
            "semicolon" => Self::SEMICOLON,
            "::" => Self::Colons,
            _ => match text.as_bytes() {
                [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => {
                    Self::Byte(*byte)
                }
                _ => {
                    return Err(Error::Setting {
                        option: "--delimiter",
                        value: text.to_owned(),
                        expected: "expected , ; | :: tab or space, or one other sign".to_owned(),
                    });
                }
            },
        })
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(b'\t') => f.write_str("tab"),
            Self::Byte(b' ') => f.write_str("space"),
            Self::Byte(byte) => write!(f, "{}", char::from(*byte)),
            Self::Colons => f.write_str("::"),
        }
    }
}

impl TryFrom<String> for Delimiter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Delimiter> for String {
    fn from(delimiter: Delimiter) -> Self {
        delimiter.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_reads_back() {
        for delimiter in Delimiter::ALL {
            assert_eq!(delimiter.to_string().parse::<Delimiter>().unwrap(), delimiter);
        }
        assert_eq!("\t".parse::<Delimiter>().unwrap(), Delimiter::TAB);
        for bad in ["", "a", "1", "\"", ",,", "ü"] {
            let error = bad.parse::<Delimiter>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("--delimiter {bad}: expected")), "{error}");
        }
    }

    #[test]
    fn colons_split_from_the_left() {
        let split = |line: &str| {
            let mut places = Vec::new();
            Delimiter::Colons.split(line.as_bytes(), &mut places);
            places.iter().map(|&(from, to)| line[from..to].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(split("1::2::3"), ["1", "2", "3"]);
        assert_eq!(split("1:::2"), ["1", ":2"]);
        assert_eq!(split("::"), ["", ""]);
        assert_eq!(split(":"), [":"]);
    }
}
