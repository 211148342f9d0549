//! JSON objects of which some values are needed: the others are read over, and cannot refuse a line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::python;

/// The values of an object, in the order of the keys that are wanted; none where the line is no object,
/// or has a wanted key twice.
pub(crate) fn pick(line: &[u8], wanted: &[String]) -> Option<Vec<Option<Value>>> {
    let mut input = serde_json::Deserializer::from_slice(line);
    let values = Object(wanted).deserialize(&mut input).ok()?;
    input.end().ok().map(|()| values)
}

/// The same of a line that may also be a Python dictionary.
pub(crate) fn pick_loosely(line: &[u8], wanted: &[String]) -> Option<Vec<Option<Value>>> {
    pick(line, wanted).or_else(|| pick(&python::to_json(line)?, wanted))
}

/// The keys of an object, or of a Python dictionary; none where the line is neither.
pub(crate) fn keys_loosely(line: &[u8]) -> Option<Vec<String>> {
    keys(line).or_else(|| keys(&python::to_json(line)?))
}

/// The keys of an object; none where the line is no object.
pub(crate) fn keys(line: &[u8]) -> Option<Vec<String>> {
    let mut input = serde_json::Deserializer::from_slice(line);
    let keys = input.deserialize_map(Keys).ok()?;
    input.end().ok().map(|()| keys)
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let IgnoredAny = map.next_value()?;
            keys.push(key);
        }
        Ok(keys)
    }
}

/// Reads an object's values of these keys.
struct Object<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Vec<Option<Value>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.0.iter().position(|wanted| *wanted == key) {
                Some(at) => {
                    let twice = values[at].replace(map.next_value::<Value>()?).is_some();
                    if twice {
                        return Err(A::Error::custom(format!("`{key}` stands twice")));
                    }
                }
                None => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok(values)
    }
}
