//! One of the stream's own events: what the stream takes is an event here, and nothing else.

use std::sync::Arc;

use hmisr_features::{Id, MAX_CATEGORIES, is_missing};
use serde::Deserialize;
use serde_json::Value;

use crate::json::pick;
use crate::marks::{MAX_TEXT_BYTES, Marks};
use crate::reader::Record;
use crate::summary::Reason;

/// What an event may have.
pub(crate) const FIELDS: [&str; 10] = [
    "user_id",
    "item_id",
    "category",
    "categories",
    "action",
    "ts",
    "weight",
    "request_id",
    "event_id",
    "is_tail",
];

/// The fields as the stream's contract has them.
#[derive(Deserialize)]
struct Event {
    user_id: Id,
    item_id: Id,
    category: Id,
    categories: Option<Vec<Id>>,
    action: String,
    ts: i64,
    weight: Option<f32>,
    request_id: Option<String>,
    event_id: Option<String>,
    is_tail: Option<bool>,
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Result<Record, Reason> {
    // Fields by their order alone, `[1, 2, …]`, are no event.
    let is_object = line.trim_ascii_start().first() == Some(&b'{');
    let event = if is_object { serde_json::from_slice::<Event>(line).ok() } else { None };
    let event = event.ok_or_else(|| why(line))?;
    let Event { user_id, item_id, category, categories, action, ts, weight, request_id, event_id, is_tail } =
        event;
    let is_nobody = |id: &Id| id.as_text().is_some_and(is_missing);
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_TEXT_BYTES);
    let further = categories.unwrap_or_default();
    let reason = match () {
        () if further.len() > MAX_CATEGORIES => Some(Reason::BadCategory),
        () if weight.is_some_and(|weight| !weight.is_finite()) => Some(Reason::BadWeight),
        () if action.len() > MAX_TEXT_BYTES => Some(Reason::BadAction),
        () if is_long(&request_id) || is_long(&event_id) => Some(Reason::BadField),
        () if is_nobody(&user_id) => Some(Reason::MissingUser),
        () if is_nobody(&item_id) => Some(Reason::MissingItem),
        () => None,
    };
    if let Some(reason) = reason {
        return Err(reason);
    }
    let mut categories = vec![category];
    for category in further {
        if !categories.contains(&category) && categories.len() < MAX_CATEGORIES {
            categories.push(category);
        }
    }
    Ok(Record {
        user: user_id,
        item: item_id,
        ts_ms: ts,
        action: Arc::from(action),
        weight,
        categories,
        marks: Marks { request_id, event_id, is_tail }.boxed(),
    })
}

/// Whether a value is as a field has it.
type Fits = fn(&Value) -> bool;

/// Why a line is none: the first field that cannot be.
fn why(line: &[u8]) -> Reason {
    const NEEDED: [(&str, Fits, Reason, Reason); 5] = [
        ("user_id", is_id, Reason::MissingUser, Reason::BadUser),
        ("item_id", is_id, Reason::MissingItem, Reason::BadItem),
        ("category", is_id, Reason::BadCategory, Reason::BadCategory),
        ("action", Value::is_string, Reason::BadAction, Reason::BadAction),
        ("ts", Value::is_i64, Reason::MissingTime, Reason::BadTime),
    ];
    const FURTHER: [(&str, Fits, Reason); 2] = [
        ("categories", is_ids_or_null, Reason::BadCategory),
        ("weight", |weight| weight.is_null() || weight.is_number(), Reason::BadWeight),
    ];
    let Some(values) = pick(line, &FIELDS.map(str::to_owned)) else { return Reason::NotJson };
    let value = |field: &str| {
        FIELDS.iter().position(|own| *own == field).and_then(|at| values.get(at)).and_then(Option::as_ref)
    };
    for (field, fits, missing, bad) in NEEDED {
        match value(field) {
            None => return missing,
            Some(value) if missing != bad && is_nothing(value) => return missing,
            Some(value) if !fits(value) => return bad,
            Some(_) => {}
        }
    }
    let further = FURTHER.iter().find(|(field, fits, _)| value(field).is_some_and(|value| !fits(value)));
    further.map_or(Reason::BadField, |(.., reason)| *reason)
}

/// Whether null, or a word for a missing value, stands there.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(is_missing)
}

fn is_id(value: &Value) -> bool {
    Id::deserialize(value).is_ok()
}

fn is_ids_or_null(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|all| all.iter().all(is_id))
}
