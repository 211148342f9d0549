//! Where something stands in a record, or in an element of a list in it.

use std::borrow::Cow;

use hmisr_datasets::values::is_missing;
use hmisr_stream::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::payload;

/// Places in the order in which they are looked at: the first that has a value is taken.
///
/// As text, places are separated by commas; a comma of a name is written `\,`. In a settings file also
/// a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Places(Vec<String>);

/// How places stand in a settings file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<String>),
}

impl From<Written> for Places {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => text.as_str().into(),
            Written::List(places) => Self(places),
        }
    }
}

impl From<Places> for Written {
    fn from(Places(places): Places) -> Self {
        match places.as_slice() {
            [] => Self::Text(String::new()),
            [one] => Self::Text(one.replace(',', "\\,")),
            _ => Self::List(places),
        }
    }
}

impl From<&str> for Places {
    fn from(text: &str) -> Self {
        Self(split_at_commas(text).into_iter().filter(|place| !place.is_empty()).collect())
    }
}

impl Places {
    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// No place any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds places after these.
    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The places, read.
    pub(super) fn read(&self) -> Result<Vec<Place>, String> {
        self.0.iter().map(|text| Place::parse(text)).collect()
    }
}

/// The parts of a text between its commas; `\,` is a comma of a part.
pub(super) fn split_at_commas(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ',' => parts.push(String::new()),
            _ => {
                let char = if char == '\\' { chars.next_if_eq(&',').unwrap_or(char) } else { char };
                if let Some(part) = parts.last_mut() {
                    part.push(char);
                }
            }
        }
    }
    parts
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the payload, from its root: `/user/id`.
    Record(String),
    /// In the element of the list: `./sku`; `.` is the element itself.
    Element(String),
    /// A name, which is looked for in the element, then in the payload.
    Name(String),
    /// The record's key as text.
    Key,
    /// In the record's key, which is JSON: `key:/id`; `key:.` is the key itself.
    InKey(String),
    /// The last header of that name.
    Header(String),
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let name = |text: &str| format!("/{}", text.replace('~', "~0").replace('/', "~1"));
        let pointer = |text: &str| {
            let is_odd = |step: &str| step.replace("~0", "").replace("~1", "").contains('~');
            match text.split('/').any(is_odd) {
                true => Err("in a JSON pointer ~ is written ~0, and / in a name ~1".to_owned()),
                false => Ok(text.to_owned()),
            }
        };
        Ok(match text {
            "" => return Err("a place must not be empty".to_owned()),
            "key:" => Self::Key,
            "key:." => Self::InKey(String::new()),
            "." | "./" => Self::Element(String::new()),
            _ if text.starts_with("key:/") => Self::InKey(pointer(&text["key:".len()..])?),
            _ if text.starts_with("key:") => Self::InKey(name(&text["key:".len()..])),
            "header:" => return Err("name the header: header:NAME".to_owned()),
            _ if text.starts_with("header:") => Self::Header(text["header:".len()..].to_owned()),
            _ if text.starts_with("./") => Self::Element(pointer(&text[1..])?),
            _ if text.starts_with('/') => Self::Record(pointer(text)?),
            _ => Self::Name(name(text)),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(pointer) | Self::Name(pointer) => f.write_str(pointer),
            Self::Element(pointer) => write!(f, ".{pointer}"),
            Self::Key => f.write_str("key:"),
            Self::InKey(pointer) if pointer.is_empty() => f.write_str("key:."),
            Self::InKey(pointer) => write!(f, "key:{pointer}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// A record that is read, and the element of its list that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) record: &'a Record,
    pub(super) payload: &'a Value,
    /// None where the record is its own only element.
    pub(super) element: Option<&'a Value>,
}

/// What was found for a field.
pub(super) enum Found<'a> {
    /// A value, where it stood, and whether that was in the element.
    Value(Cow<'a, Value>, String, bool),
    /// Nothing but a word of a missing value, and where it stood.
    Word(String, String),
    /// Nothing.
    Nothing,
}

impl<'a> Context<'a> {
    /// What stands at a place, and whether it is in the element; none where nothing or null does.
    pub(super) fn at(&self, place: &Place) -> Result<Option<(Cow<'a, Value>, bool)>, String> {
        let payload = |pointer: &str| Ok((self.payload.pointer(pointer).map(Cow::Borrowed), false));
        let element = |pointer: &str| {
            let element = self.element.unwrap_or(self.payload);
            Ok((element.pointer(pointer).map(Cow::Borrowed), self.element.is_some()))
        };
        let is_there =
            |found: &(Option<Cow<'a, Value>>, bool)| found.0.as_ref().is_some_and(|v| !v.is_null());
        let found: Result<_, String> = match place {
            Place::Record(pointer) => payload(pointer),
            Place::Element(pointer) => element(pointer),
            Place::Name(pointer) => {
                let in_element: Result<_, String> = element(pointer);
                in_element.and_then(|found| if is_there(&found) { Ok(found) } else { payload(pointer) })
            }
            Place::Key => match self.record.key.as_deref() {
                Some(key) => text(key, "the record's key").map(|text| (Some(text), false)),
                None => Ok((None, false)),
            },
            Place::InKey(pointer) => match self.record.key.as_deref() {
                Some(key) => {
                    let key = payload::parse(key).map_err(|(_, text)| format!("the record's key: {text}"))?;
                    Ok((key.value.pointer(pointer).cloned().map(Cow::Owned), false))
                }
                None => Ok((None, false)),
            },
            Place::Header(name) => match self.record.headers.iter().rfind(|header| header.name == *name) {
                Some(header) => text(&header.value, "the header").map(|text| (Some(text), false)),
                None => Ok((None, false)),
            },
        };
        let (value, in_element) = found?;
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
        match payload::unreadable(&value) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(Some((value, in_element))),
        }
    }

    /// The first of the places that has a value.
    pub(super) fn first(&self, places: &[Place]) -> Result<Found<'a>, String> {
        let mut word = None;
        for place in places {
            let found = self.at(place).map_err(|problem| format!("{problem} (read from {place})"))?;
            let Some((value, in_element)) = found else { continue };
            match value.as_str() {
                Some(text) if is_missing(text) => {
                    word.get_or_insert_with(|| (text.to_owned(), place.to_string()));
                }
                _ => return Ok(Found::Value(value, place.to_string(), in_element)),
            }
        }
        Ok(word.map_or(Found::Nothing, |(word, place)| Found::Word(word, place)))
    }
}

/// Bytes that are text.
fn text<'a>(bytes: &[u8], what: &str) -> Result<Cow<'a, Value>, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Owned(Value::String(text.to_owned()))),
        Err(_) => Err(format!("{what} is not text (UTF-8): {:02x?}", &bytes[..bytes.len().min(16)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        for text in ["/user/id", "./sku", ".", "key:", "key:.", "key:/id", "header:ce_id"] {
            let place = Place::parse(text).unwrap();
            assert_eq!(place.to_string(), text.trim_end_matches('/'), "{text}");
        }
        assert_eq!(Place::parse("a/b").unwrap(), Place::Name("/a~1b".into()));
        assert_eq!(Place::parse("key:id").unwrap(), Place::InKey("/id".into()));
        for bad in ["", "header:", "/a~2", "./~", "key:/~x"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commas_separate_and_may_be_escaped() {
        let places = |text: &str| Places::from(text).0;
        assert_eq!(places("userId,anonymousId"), ["userId", "anonymousId"]);
        assert_eq!(places(r"a\,b,c\d"), ["a,b", r"c\d"]);
        assert!(places("").is_empty() && places(",").is_empty());
        for text in ["", "user_id", r"a\,b", "a,b"] {
            let read = Places::from(text);
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Places>(&json).unwrap(), read, "{json}");
        }
    }
}
