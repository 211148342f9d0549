//! A user's event: the input of everything.

use std::fmt;

use hmisr_features::{Id, Interaction, MAX_CATEGORIES, is_missing};
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Reason;

/// The longest `action`, `request_id` or `event_id`, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// One interaction of a user with an item.
///
/// ```
/// # use hmisr_stream::contract::Event;
/// let event = Event::decode(
///     br#"{"user_id": 42, "item_id": 1193, "category": 7, "action": "click", "ts": 978300760000}"#,
/// ).unwrap();
/// assert_eq!(event.user_id.to_string(), "42");
/// let (reason, message) = Event::decode(br#"{"user_id": 42, "item_id": true}"#).unwrap_err();
/// assert_eq!(reason.as_str(), "invalid");
/// assert!(message.contains("item_id"), "{message}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The user; its text is the record's key.
    pub user_id: Id,
    /// The item.
    pub item_id: Id,
    /// The item's category; where it has several, the first.
    pub category: Id,
    /// All categories of an item that has several, at most 8, for the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Id>,
    /// What the user did, free text; the configuration says which actions are positive.
    pub action: String,
    /// Event time, epoch milliseconds; the job refuses what `FeatureSettings::is_plausible` does.
    pub ts: i64,
    /// How strong the interaction is, finite; a rating, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f32>,
    /// The request that led to the interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The producer's id of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The producer's own long-tail mark; absent or null leaves it to the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_tail: Option<bool>,
}

impl Event {
    /// Reads an event from JSON.
    ///
    /// # Errors
    /// [`Reason::Malformed`] where the bytes are not one JSON object, [`Reason::Invalid`] where a
    /// field is missing, of another type or out of range, [`Reason::MissingId`] where a word for a missing
    /// value stands for user or item; the text names field, value and place.
    pub fn decode(payload: &[u8]) -> Result<Self, (Reason, String)> {
        let event: Self = serde_json::from_slice(payload).map_err(|error| {
            let reason = match error.classify() {
                serde_json::error::Category::Data if is_object(payload) => Reason::Invalid,
                _ => Reason::Malformed,
            };
            (reason, error.to_string())
        })?;
        for (field, id) in [("user_id", &event.user_id), ("item_id", &event.item_id)] {
            // Whoever has none would be one giant user.
            if let Some(word) = id.as_text().filter(|text| is_missing(text)) {
                let text = format!("field `{field}`: {word:?} is a word for a missing value, and nobody");
                return Err((Reason::MissingId, text));
            }
        }
        Ok(event)
    }

    /// Writes the event as JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The item's categories, the first one first, as they are read.
    pub fn all_categories(&self) -> impl Iterator<Item = &Id> {
        let Interaction { category, more_categories, .. } = self.interaction();
        std::iter::once(category).chain(more_categories.iter().take(MAX_CATEGORIES - 1))
    }

    /// What is read of the event.
    pub fn interaction(&self) -> Interaction<'_> {
        Interaction {
            item: &self.item_id,
            category: &self.category,
            more_categories: match self.categories.as_slice() {
                [first, more @ ..] if *first == self.category => more,
                all => all,
            },
            ts: self.ts,
            is_tail: self.is_tail,
            action: &self.action,
            weight: self.weight,
        }
    }
}

fn is_object(payload: &[u8]) -> bool {
    payload.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

/// A field's name, matched without copying it.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    UserId,
    ItemId,
    Category,
    Categories,
    Action,
    Ts,
    Weight,
    RequestId,
    EventId,
    IsTail,
    #[serde(other)]
    Unknown,
}

/// Reads field by field, so that every error can name its field.
struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, a JSON object with user_id, item_id, category, action and ts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut user_id, mut item_id, mut category) = (None, None, None);
        let (mut action, mut ts, mut weight) = (None, None, None);
        let (mut request_id, mut event_id, mut is_tail) = (None, None, None);
        let mut categories: Option<Option<Vec<Id>>> = None;
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::UserId => read(&mut map, &mut user_id, "user_id")?,
                Field::ItemId => read(&mut map, &mut item_id, "item_id")?,
                Field::Category => read(&mut map, &mut category, "category")?,
                Field::Categories => read(&mut map, &mut categories, "categories")?,
                Field::Action => read(&mut map, &mut action, "action")?,
                Field::Ts => read(&mut map, &mut ts, "ts")?,
                Field::Weight => read(&mut map, &mut weight, "weight")?,
                Field::RequestId => read(&mut map, &mut request_id, "request_id")?,
                Field::EventId => read(&mut map, &mut event_id, "event_id")?,
                Field::IsTail => read(&mut map, &mut is_tail, "is_tail")?,
                Field::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let categories = categories.flatten().unwrap_or_default();
        if categories.len() > MAX_CATEGORIES {
            return Err(de::Error::custom(format!(
                "field `categories`: {} of them, at most {MAX_CATEGORIES} are read",
                categories.len()
            )));
        }
        let weight: Option<f32> = weight.flatten();
        if let Some(weight) = weight.filter(|weight| !weight.is_finite()) {
            return Err(de::Error::custom(format!("field `weight`: {weight} is not a finite number")));
        }
        Ok(Event {
            user_id: require(user_id, "user_id")?,
            item_id: require(item_id, "item_id")?,
            category: require(category, "category")?,
            categories,
            action: bounded(require(action, "action")?, "action")?,
            ts: require(ts, "ts")?,
            weight,
            request_id: request_id.flatten().map(|text| bounded(text, "request_id")).transpose()?,
            event_id: event_id.flatten().map(|text| bounded(text, "event_id")).transpose()?,
            is_tail: is_tail.flatten(),
        })
    }
}

fn read<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    slot: &mut Option<T>,
    field: &'static str,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(de::Error::duplicate_field(field));
    }
    // serde's message says what was found and what was expected, but not where.
    *slot = Some(map.next_value().map_err(|error| de::Error::custom(format!("field `{field}`: {error}")))?);
    Ok(())
}

fn require<T, E: de::Error>(slot: Option<T>, field: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(field))
}

fn bounded<E: de::Error>(text: String, field: &'static str) -> Result<String, E> {
    if text.len() > MAX_TEXT_BYTES {
        let length = text.len();
        return Err(E::custom(format!("field `{field}`: {length} bytes, at most {MAX_TEXT_BYTES} are read")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> (Reason, String) {
        Event::decode(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for bad in ["", "nonsense", "{", "[1]", "null", "42", r#"{"user_id": 1"#, r#"{"user_id": 1,}"#] {
            assert_eq!(refused(bad).0, Reason::Malformed, "{bad}");
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        let with = |field: &str, value: &str| {
            let mut fields = vec![
                ("user_id", "1"),
                ("item_id", "2"),
                ("category", "3"),
                ("action", "\"click\""),
                ("ts", "1"),
                ("weight", "1.0"),
            ];
            fields.retain(|(name, _)| *name != field);
            let mut parts: Vec<String> = fields.iter().map(|(n, v)| format!("\"{n}\": {v}")).collect();
            if !value.is_empty() {
                parts.push(format!("\"{field}\": {value}"));
            }
            format!("{{{}}}", parts.join(", "))
        };
        assert!(Event::decode(with("weight", "2.5").as_bytes()).is_ok());
        for (field, value) in [
            ("user_id", ""),
            ("user_id", "-1"),
            ("user_id", "1.5"),
            ("item_id", "\"\""),
            ("item_id", "null"),
            ("category", "[1]"),
            ("action", "7"),
            ("ts", "\"now\""),
            ("ts", "9223372036854775808"),
            ("ts", "1.5"),
            ("weight", "\"5\""),
            ("weight", "1e300"),
            ("is_tail", "1"),
            ("categories", "[1,2,3,4,5,6,7,8,9]"),
            ("categories", "[-1]"),
            ("categories", "3"),
            ("event_id", "3"),
        ] {
            let (reason, message) = refused(&with(field, value));
            assert_eq!(reason, Reason::Invalid, "{field}: {value}");
            assert!(message.contains(field), "{field}: {value}: {message}");
        }
    }

    #[test]
    fn words_for_a_missing_value_are_nobody() {
        let with = |user: &str, item: &str| {
            format!(r#"{{"user_id": {user}, "item_id": {item}, "category": "None", "action": "a", "ts": 1}}"#)
        };
        for word in ["NULL", "null", "nan", "NaN", "None", r"\\N", "N/A", "undefined", " "] {
            for json in [with(&format!("\"{word}\""), "1"), with("1", &format!("\"{word}\""))] {
                let (reason, message) = refused(&json);
                assert_eq!(reason, Reason::MissingId, "{json}");
                assert!(message.contains("_id`") && message.contains("missing"), "{message}");
            }
        }
        // A category may bear any name.
        assert!(Event::decode(with("\"nanny\"", "0").as_bytes()).is_ok());
    }

    #[test]
    fn unknown_fields_and_nulls_pass() {
        let event = Event::decode(
            br#"{"user_id":"u","item_id":1,"category":"c","action":"x","ts":0,"new":{"a":[1]},"is_tail":null}"#,
        )
        .unwrap();
        assert_eq!(event.is_tail, None);
        assert_eq!(Event::decode(&event.encode()).unwrap(), event);
    }

    #[test]
    fn further_categories_are_those_beside_the_first() {
        let more = |categories: &str| {
            let text = format!(
                r#"{{"user_id":1,"item_id":2,"category":"a","action":"x","ts":-7,"categories":{categories}}}"#
            );
            let event = Event::decode(text.as_bytes()).unwrap();
            assert_eq!(Event::decode(&event.encode()).unwrap(), event);
            event.interaction().more_categories.iter().map(Id::to_string).collect::<Vec<_>>()
        };
        assert_eq!(more(r#"["a","b",3]"#), ["b", "3"]);
        assert_eq!(more(r#"["b"]"#), ["b"]);
        assert_eq!(more("[]"), Vec::<String>::new());
        assert_eq!(more("null"), Vec::<String>::new());
        assert_eq!(more("[1,2,3,4,5,6,7,8]").len(), 8);
    }
}
