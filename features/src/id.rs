//! Identifiers of users, items and categories.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id63::{MAX_ID_BYTES, canonical_decimal};
use crate::varint::{Reader, put};

/// The largest integer identifier, 2⁶³ − 1.
pub const MAX_INT_ID: u64 = i64::MAX as u64;

/// An integer from 0 to 2⁶³ − 1, or a string of 1 to 128 bytes.
///
/// A canonical decimal string equals the integer that it spells (`"42"` = `42`; `"042"` is a
/// string of its own), so an id can stand in a URL or a Kafka key without saying which it was.
/// An id is written back to JSON in the form in which it came.
#[derive(Clone)]
pub struct Id(Repr);

#[derive(Clone)]
enum Repr {
    Int { value: u64, quoted: bool },
    Text(Arc<str>),
}

/// Why a value is not an [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A negative integer or one above 2⁶³ − 1.
    #[error("{0} is outside 0 to 9223372036854775807")]
    OutOfRange(String),
    /// The empty string.
    #[error("an id must not be empty")]
    Empty,
    /// A string longer than [`MAX_ID_BYTES`].
    #[error("an id of {0} bytes is longer than {MAX_ID_BYTES}")]
    TooLong(usize),
}

const TAG_INT: u8 = 0;
const TAG_TEXT: u8 = 1;

impl Id {
    /// Reads an integer id.
    ///
    /// # Errors
    /// [`IdError::OutOfRange`] above 2⁶³ − 1.
    pub fn int(value: u64) -> Result<Self, IdError> {
        if value > MAX_INT_ID {
            return Err(IdError::OutOfRange(value.to_string()));
        }
        Ok(Self(Repr::Int { value, quoted: false }))
    }

    /// Reads an id that came as a string; a canonical decimal one is the integer it spells.
    ///
    /// # Errors
    /// [`IdError::Empty`] or [`IdError::TooLong`].
    pub fn text(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > MAX_ID_BYTES {
            return Err(IdError::TooLong(text.len()));
        }
        Ok(match canonical_decimal(text) {
            Some(value) => Self(Repr::Int { value, quoted: true }),
            None => Self(Repr::Text(text.into())),
        })
    }

    /// Reads an id as it stands in a key or a URL, where an integer carries no quotes.
    ///
    /// # Errors
    /// As [`Id::text`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::text(text).map(|id| match id.0 {
            Repr::Int { value, .. } => Self(Repr::Int { value, quoted: false }),
            Repr::Text(_) => id,
        })
    }

    /// The integer, where the id is one.
    pub fn as_int(&self) -> Option<u64> {
        match self.0 {
            Repr::Int { value, .. } => Some(value),
            Repr::Text(_) => None,
        }
    }

    /// The string, where the id is not an integer.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Repr::Int { .. } => None,
            Repr::Text(text) => Some(text),
        }
    }

    /// Whether the id is an integer that came as a JSON string.
    pub fn is_quoted_int(&self) -> bool {
        matches!(self.0, Repr::Int { quoted: true, .. })
    }

    /// The key under which state is kept: a tag, then the integer in big-endian order or the
    /// string. Equal ids have equal keys, and integer keys sort as integers.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(9);
        self.write_key(&mut key);
        key
    }

    /// Appends [`Id::key`] to `out`.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Int { value, .. } => {
                out.push(TAG_INT);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Repr::Text(text) => {
                out.push(TAG_TEXT);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Reads a key that [`Id::key`] wrote.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (tag, rest) = key.split_first()?;
        match *tag {
            TAG_INT => Self::int(u64::from_be_bytes(rest.try_into().ok()?)).ok(),
            TAG_TEXT => Self::text(std::str::from_utf8(rest).ok()?).ok(),
            _ => None,
        }
    }

    /// Appends the text of [`fmt::Display`], as it stands in a Kafka key.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Int { value, .. } => {
                let mut digits = [0; 20];
                out.extend_from_slice(decimal(*value, &mut digits));
            }
            Repr::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Whether `text` is the text of this id.
    pub fn is_text(&self, text: &[u8]) -> bool {
        match &self.0 {
            Repr::Int { value, .. } => decimal(*value, &mut [0; 20]) == text,
            Repr::Text(own) => own.as_bytes() == text,
        }
    }

    /// Memory held outside the value itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.as_text().map_or(0, |text| text.len() + 16)
    }
}

/// The digits of `value`, at the end of the buffer.
fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[at..];
        }
    }
}

const INT: u8 = 0;
const TEXT: u8 = 1;
const QUOTED_INT: u8 = 2;
/// The bits of the first byte that [`put_id`] takes; the others are the caller's.
const KIND: u8 = 3;

/// Appends an id for [`take_id`], a first byte with the caller's `flags` before it.
pub(crate) fn put_id(out: &mut Vec<u8>, id: &Id, flags: u8) {
    match &id.0 {
        Repr::Int { value, quoted } => {
            out.push(flags | if *quoted { QUOTED_INT } else { INT });
            put(out, *value);
        }
        Repr::Text(text) => {
            out.push(flags | TEXT);
            put(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Reads an id and the first byte.
pub(crate) fn take_id(reader: &mut Reader<'_>) -> Option<(Id, u8)> {
    let flags = reader.byte()?;
    let int = |value, quoted| (value <= MAX_INT_ID).then_some(Id(Repr::Int { value, quoted }));
    let id = match flags & KIND {
        INT => int(reader.unsigned()?, false)?,
        QUOTED_INT => int(reader.unsigned()?, true)?,
        TEXT => {
            let length = reader.count()?;
            Id::text(std::str::from_utf8(reader.bytes(length)?).ok()?).ok()?
        }
        _ => return None,
    };
    Some((id, flags))
}

/// Reads over an id; its first byte.
pub(crate) fn skip_id(reader: &mut Reader<'_>) -> Option<u8> {
    let flags = reader.byte()?;
    match flags & KIND {
        INT | QUOTED_INT => {
            reader.unsigned()?;
        }
        TEXT => {
            let length = reader.count()?;
            reader.bytes(length)?;
        }
        _ => return None,
    }
    Some(flags)
}

impl From<u32> for Id {
    fn from(value: u32) -> Self {
        Self(Repr::Int { value: u64::from(value), quoted: false })
    }
}

impl PartialEq for Id {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Int { value: a, .. }, Repr::Int { value: b, .. }) => a == b,
            (Repr::Text(a), Repr::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Int { value: a, .. }, Repr::Int { value: b, .. }) => a.cmp(b),
            (Repr::Int { .. }, Repr::Text(_)) => Ordering::Less,
            (Repr::Text(_), Repr::Int { .. }) => Ordering::Greater,
            (Repr::Text(a), Repr::Text(b)) => a.cmp(b),
        }
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Int { value, .. } => state.write_u64(*value),
            Repr::Text(text) => text.hash(state),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Int { value, .. } => write!(f, "{value}"),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Int { value, quoted: false } => write!(f, "{value}"),
            Repr::Int { value, quoted: true } => write!(f, "\"{value}\""),
            Repr::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Int { value, quoted: false } => serializer.serialize_u64(*value),
            Repr::Int { quoted: true, .. } => serializer.collect_str(self),
            Repr::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 0 to {MAX_INT_ID} or a string of 1 to {MAX_ID_BYTES} bytes")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Id, E> {
                Id::int(value).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Id, E> {
                u64::try_from(value)
                    .map_err(|_| E::custom(IdError::OutOfRange(value.to_string())))
                    .and_then(|value| self.visit_u64(value))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                Id::text(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_decimal_string_is_the_integer() {
        let quoted: Id = serde_json::from_str("\"42\"").unwrap();
        let plain: Id = serde_json::from_str("42").unwrap();
        assert_eq!(quoted, plain);
        assert_eq!(quoted.key(), plain.key());
        assert_eq!(serde_json::to_string(&quoted).unwrap(), "\"42\"");
        assert_eq!(serde_json::to_string(&plain).unwrap(), "42");
        for other in ["042", "-1", "+1", "1.0", "9223372036854775808", " 42"] {
            assert_eq!(Id::text(other).unwrap().as_text(), Some(other));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = format!("\"{}\"", "x".repeat(129));
        for bad in ["-1", "1.5", "9223372036854775808", "\"\"", "null", "true", "[1]", "{}", &long] {
            assert!(serde_json::from_str::<Id>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Id>(&format!("\"{}\"", "x".repeat(128))).is_ok());
    }

    #[test]
    fn a_key_reads_back() {
        for id in [Id::from(0), Id::int(MAX_INT_ID).unwrap(), Id::text("ü7").unwrap()] {
            assert_eq!(Id::from_key(&id.key()), Some(id));
        }
        assert_eq!(Id::from_key(&[]), None);
        assert_eq!(Id::from_key(&[9, 1]), None);
    }
}
