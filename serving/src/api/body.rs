//! The body of `POST /v1/recommend`, read strictly.

use std::collections::HashSet;
use std::fmt;

use hmisr_stream::contract::{Id, MAX_TEXT_BYTES};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::ask::{A_SHARE, AN_ID, Ask, Event, MOST_VALUES, no_such, refusal, whole_number};
use crate::error::shown;
use crate::{ApiError, ErrorKind};

/// The longest of the parser's own texts that is passed on, in characters.
const MOST_CHARS: usize = 200;

const FIELDS: [&str; 12] = [
    "user_id",
    "history",
    "session",
    "current_item",
    "now",
    "candidates",
    "exclude",
    "allow_categories",
    "exclude_categories",
    "k",
    "lambda",
    "explain",
];
const EVENT_FIELDS: [&str; 5] = ["item_id", "ts", "category", "action", "weight"];

impl Ask {
    /// Reads a body. Times before `min_ts_ms` are refused.
    pub(super) fn of_body(body: &[u8], min_ts_ms: i64) -> Result<Self, ApiError> {
        // The parser itself bounds how deep values may stand in each other.
        let Fields(fields) = serde_json::from_slice(body).map_err(|error| no_object(body, &error))?;
        let (mut ask, mut k) = (Self::default(), None);
        for (name, value) in &fields {
            // An optional field that is null counts as absent, as in events.
            if value.is_null() && FIELDS.contains(&name.as_str()) {
                continue;
            }
            let place = name.as_str();
            match place {
                "user_id" => ask.user_id = Some(id(place, value)?),
                "history" => ask.history = Some(events(place, value, min_ts_ms)?),
                "session" => ask.session = Some(events(place, value, min_ts_ms)?),
                "current_item" => ask.current_item = Some(id(place, value)?),
                "now" => ask.now = Some(time(place, value, min_ts_ms)?),
                "candidates" => ask.candidates = Some(ids(place, value)?),
                "exclude" => ask.exclude = Some(set(place, value)?),
                "allow_categories" => ask.allow_categories = Some(some(place, value)?),
                "exclude_categories" => ask.exclude_categories = Some(set(place, value)?),
                "k" => k = Some(value),
                "lambda" => ask.lambda = Some(share(place, value)?),
                "explain" => ask.explain = Some(flag(place, value)?),
                // By that name it stands in events, and by the other here.
                "item_id" => {
                    return Err(bad(place, value, "there is no such field; did you mean `current_item`?"));
                }
                _ => return Err(bad(place, value, &no_such("field", name, &FIELDS))),
            }
        }
        if let Some(value) = k {
            let most = ask.most_k();
            let whole = value.as_u64().and_then(|k| usize::try_from(k).ok());
            let whole = whole.filter(|k| (1..=most).contains(k));
            ask.k = Some(whole.ok_or_else(|| bad("k", value, &whole_number(most)))?);
        }
        ask.checked(
            "field `user_id` is missing, and so are `session`, `history` and `current_item`; give one of them, as in \
             {\"user_id\": 42}",
        )
    }
}

/// An object's fields in their order, no name twice.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, as in {\"user_id\": 42}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let (mut fields, mut met) = (Vec::new(), HashSet::new());
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if !met.insert(name.clone()) {
                return Err(A::Error::custom(format!("field {} is given twice; give it once", shown(&name))));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

fn no_object(body: &[u8], error: &serde_json::Error) -> ApiError {
    if body.iter().all(u8::is_ascii_whitespace) {
        let message = "the body is empty; send a JSON object, as in {\"user_id\": 42}, or use GET";
        return ApiError::new(ErrorKind::BadBody, message);
    }
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    ApiError::new(ErrorKind::BadBody, format!("the body is not one JSON object: {text}"))
}

fn id(place: &str, value: &Value) -> Result<Id, ApiError> {
    let read = match value {
        Value::Number(number) => number.as_u64().map(Id::int),
        Value::String(text) => Some(Id::text(text)),
        _ => None,
    };
    match read {
        Some(read) => read.map_err(|error| bad(place, value, &format!("{error}; {AN_ID}"))),
        None => Err(bad(place, value, AN_ID)),
    }
}

fn list<'a>(place: &str, value: &'a Value, of: &str) -> Result<&'a [Value], ApiError> {
    let Value::Array(list) = value else {
        return Err(bad(place, value, &format!("it must be an array of {of}, as in {}", example(of))));
    };
    if list.len() > MOST_VALUES {
        let message = format!("field `{place}` holds {} {of}; it may hold {MOST_VALUES}", list.len());
        return Err(ApiError::new(ErrorKind::BadParameter, message));
    }
    Ok(list)
}

fn example(of: &str) -> &'static str {
    if of == "events" { "[{\"item_id\": 1193, \"ts\": 978300760000}]" } else { "[1193, \"a\"]" }
}

fn ids(place: &str, value: &Value) -> Result<Vec<Id>, ApiError> {
    let list = list(place, value, "ids")?;
    list.iter().enumerate().map(|(at, value)| id(&format!("{place}[{at}]"), value)).collect()
}

fn set(place: &str, value: &Value) -> Result<HashSet<Id>, ApiError> {
    Ok(ids(place, value)?.into_iter().collect())
}

/// Of what is allowed there must be something.
fn some(place: &str, value: &Value) -> Result<HashSet<Id>, ApiError> {
    let set = set(place, value)?;
    match set.is_empty() {
        false => Ok(set),
        true => {
            Err(bad(place, value, "it names none, so that nothing is allowed; leave it out to allow all"))
        }
    }
}

fn events(place: &str, value: &Value, min_ts_ms: i64) -> Result<Vec<Event>, ApiError> {
    let list = list(place, value, "events")?;
    list.iter().enumerate().map(|(at, value)| event(&format!("{place}[{at}]"), value, min_ts_ms)).collect()
}

fn event(place: &str, value: &Value, min_ts_ms: i64) -> Result<Event, ApiError> {
    let Value::Object(fields) = value else {
        let problem = "it must be an object, as in {\"item_id\": 1193, \"ts\": 978300760000}";
        return Err(bad(place, value, problem));
    };
    let (mut item_id, mut ts, mut action, mut weight) = (None, None, String::new(), None);
    for (name, value) in fields {
        let place = format!("{place}.{name}");
        match name.as_str() {
            name if value.is_null() && EVENT_FIELDS.contains(&name) => {}
            "item_id" => item_id = Some(id(&place, value)?),
            "ts" => ts = Some(time(&place, value, min_ts_ms)?),
            "action" => action = text(&place, value)?,
            "weight" => weight = Some(number(&place, value)?),
            // The model has the categories of the items that it knows.
            "category" => drop(id(&place, value)?),
            _ => return Err(bad(&place, value, &no_such("field", name, &EVENT_FIELDS))),
        }
    }
    let Some(item_id) = item_id else {
        let message = format!("field `{place}.item_id` is missing; every event has one");
        return Err(ApiError::new(ErrorKind::BadParameter, message));
    };
    Ok(Event { item_id, ts, action, weight })
}

fn time(place: &str, value: &Value, min_ts_ms: i64) -> Result<i64, ApiError> {
    let time = value.as_i64();
    let time =
        time.ok_or_else(|| bad(place, value, "it must be a whole number, an epoch time in milliseconds"))?;
    match refusal(time, min_ts_ms) {
        Some(problem) => Err(bad(place, value, &problem)),
        None => Ok(time),
    }
}

/// What the user did, as in events.
fn text(place: &str, value: &Value) -> Result<String, ApiError> {
    let text = value.as_str().filter(|text| (1..=MAX_TEXT_BYTES).contains(&text.len()));
    text.map(str::to_owned)
        .ok_or_else(|| bad(place, value, "it must be a text of 1 to 256 bytes, as in events"))
}

fn number(place: &str, value: &Value) -> Result<f32, ApiError> {
    let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
    number.ok_or_else(|| bad(place, value, "it must be a finite number, as in events"))
}

fn share(place: &str, value: &Value) -> Result<f32, ApiError> {
    let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
    share.map(|share| share as f32).ok_or_else(|| bad(place, value, A_SHARE))
}

fn flag(place: &str, value: &Value) -> Result<bool, ApiError> {
    value.as_bool().ok_or_else(|| bad(place, value, "it must be true or false"))
}

fn bad(place: &str, value: &Value, problem: &str) -> ApiError {
    let place = place.chars().take(64).collect::<String>();
    let value = match value {
        Value::String(text) => shown(text),
        Value::Array(list) if list.len() > 1 => format!("an array of {}", list.len()),
        Value::Object(fields) if !fields.is_empty() => format!("an object of {}", fields.len()),
        other => other.to_string().chars().take(64).collect(),
    };
    ApiError::new(ErrorKind::BadParameter, format!("field `{place}`, value {value}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: i64 = 631_152_000_000;

    fn read(body: &str) -> Result<Ask, String> {
        Ask::of_body(body.as_bytes(), MIN).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_is_read() {
        let ask = read(
            r#"{"user_id": "42", "session": [{"item_id": "a", "ts": 978300760000, "category": 7}, {"item_id": 1}],
                "history": [], "current_item": 9, "now": 978300770000, "candidates": [1, "2", 1], "exclude": [3],
                "allow_categories": ["x"], "exclude_categories": [], "k": 1000, "lambda": 0.5, "explain": true}"#,
        )
        .unwrap();
        assert!(ask.user_id.as_ref().unwrap().is_quoted_int());
        let session = ask.session.as_ref().unwrap();
        assert_eq!((session[0].ts, session[1].ts), (Some(978_300_760_000), None));
        assert_eq!((ask.candidates.as_ref().unwrap().len(), ask.k(), ask.explain), (3, 1_000, Some(true)));
        assert_eq!(ask.history, Some(Vec::new()));
        // Null counts as absent.
        let plain = read(r#"{"user_id": 1, "k": null, "session": null}"#).unwrap();
        assert_eq!(plain, Ask { user_id: Some(Id::from(1)), ..Ask::default() });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, named) in [
            ("", "empty"),
            (" \n", "empty"),
            ("[]", "not one JSON object"),
            ("{", "EOF"),
            ("{\"k\": 1", "line 1"),
            ("{} {}", "trailing"),
            ("\"a\"", "expected an object"),
            (r#"{"user_id": 1, "user_id": 1}"#, "given twice"),
            ("{}", "`user_id` is missing, and so are `session`"),
            (r#"{"k": 5}"#, "`user_id` is missing"),
            (r#"{"user_id": true}"#, "field `user_id`, value true: an id is"),
            (r#"{"user_id": -1}"#, "value -1"),
            (r#"{"user_id": 1.5}"#, "value 1.5"),
            (r#"{"user_id": 9223372036854775808}"#, "is outside"),
            (r#"{"user_id": ""}"#, "must not be empty"),
            (r#"{"user_id": 1, "sesion": []}"#, "did you mean `session`?"),
            (r#"{"user_id": 1, "item_id": 5}"#, "did you mean `current_item`?"),
            (r#"{"user_id": 1, "limit": 5}"#, "there are `user_id`, `history`"),
            (r#"{"user_id": 1, "k": 0}"#, "field `k`, value 0: it must be a whole number from 1 to 100"),
            (r#"{"user_id": 1, "k": 101}"#, "to 1000 with `candidates`"),
            (r#"{"user_id": 1, "k": 1001, "candidates": []}"#, "from 1 to 1000"),
            (r#"{"user_id": 1, "k": "5"}"#, "value \"5\""),
            (r#"{"user_id": 1, "k": 1e3}"#, "value 1000.0"),
            (r#"{"user_id": 1, "lambda": 1.5}"#, "field `lambda`, value 1.5: it must be a number from 0"),
            (r#"{"user_id": 1, "explain": 1}"#, "true or false"),
            (r#"{"user_id": 1, "now": 978300760}"#, "looks like seconds"),
            (r#"{"user_id": 1, "now": "x"}"#, "field `now`, value \"x\""),
            (r#"{"session": {"item_id": 1}}"#, "an object of 1: it must be an array of events"),
            (r#"{"session": [5]}"#, "field `session[0]`, value 5"),
            (r#"{"session": [{"item_id": 1}, {"ts": 978300760000}]}"#, "`session[1].item_id` is missing"),
            (r#"{"session": [{"item_id": 1, "tss": 5}]}"#, "did you mean `ts`?"),
            (r#"{"session": [{"item_id": 1, "ts": -5}]}"#, "field `session[0].ts`, value -5"),
            (r#"{"session": [{"item_id": 1, "category": []}]}"#, "`session[0].category`, value []"),
            (r#"{"user_id": 1, "candidates": [1, null]}"#, "field `candidates[1]`, value null"),
            (r#"{"user_id": 1, "exclude": 5}"#, "an array of ids"),
            (r#"{"user_id": 1, "allow_categories": []}"#, "leave it out"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(named), "{body}: {error}");
            assert!(error.len() < 400, "{body}: {error}");
        }
    }

    #[test]
    fn too_many_and_too_deep_are_refused() {
        let ids: Vec<String> = (0..1_001).map(|id| id.to_string()).collect();
        let error = read(&format!(r#"{{"user_id": 1, "candidates": [{}]}}"#, ids.join(","))).unwrap_err();
        assert_eq!(error, "field `candidates` holds 1001 ids; it may hold 1000");
        let error = read(&format!(r#"{{"user_id": {}1{}}}"#, "[".repeat(500), "]".repeat(500))).unwrap_err();
        assert!(error.contains("recursion"), "{error}");
        let long = format!("\"{}\"", "x".repeat(10_000));
        for body in [long.clone(), format!("{{{long}: 1}}"), format!("{{\"user_id\": {long}}}")] {
            assert!(read(&body).unwrap_err().len() < 900);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ask::of_body(&bytes, MIN);
        }
    }
}
