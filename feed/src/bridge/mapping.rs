//! One record of another topic to one event.

use chrono::{DateTime, NaiveDateTime};
use hmisr_stream::Record;
use hmisr_stream::contract::{Event, MAX_TS, Reason};
use serde_json::{Map, Value};

use super::{BridgeSettings, TimeUnit};

/// Where an event's fields stand in a record.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The event's field, and the JSON pointer to its value.
    fields: Vec<(&'static str, String)>,
    defaults: [(&'static str, String); 2],
    time_unit: TimeUnit,
}

impl Mapping {
    /// Over checked settings.
    pub fn new(settings: &BridgeSettings) -> Self {
        let pointer = |place: &str| match place {
            pointer if pointer.starts_with('/') => pointer.to_owned(),
            name => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
        };
        let fields = settings.fields.all().into_iter().filter(|(_, place)| !place.is_empty());
        Self {
            fields: fields.map(|(name, place)| (name, pointer(place))).collect(),
            defaults: [
                ("action", settings.defaults.action.clone()),
                ("category", settings.defaults.category.clone()),
            ],
            time_unit: settings.time_unit,
        }
    }

    /// The event that the record tells of.
    ///
    /// # Errors
    /// [`Reason::Malformed`] where the payload is not one JSON object, [`Reason::Invalid`] where a
    /// field is missing, of another type or out of range; the text names the field of the event and
    /// its place in the record.
    pub fn event(&self, record: &Record) -> Result<Event, (Reason, String)> {
        let payload = record.payload.as_deref().ok_or((
            Reason::Malformed,
            "no payload: a tombstone of another topic deletes no user here".to_owned(),
        ))?;
        let value: Value =
            serde_json::from_slice(payload).map_err(|error| (Reason::Malformed, error.to_string()))?;
        if !value.is_object() {
            return Err((Reason::Malformed, "not a JSON object".to_owned()));
        }
        let mut event = Map::new();
        for (name, pointer) in &self.fields {
            // Not taken out: two fields may stand at one place.
            if let Some(found) = value.pointer(pointer).filter(|found| !found.is_null()) {
                event.insert((*name).to_owned(), found.clone());
            }
        }
        for (name, default) in self.defaults.iter().filter(|(_, default)| !default.is_empty()) {
            event.entry(*name).or_insert_with(|| default.clone().into());
        }
        self.set_time(&mut event, record.timestamp_ms).map_err(|text| (Reason::Invalid, text))?;
        let event: Event = serde_json::from_value(Value::Object(event))
            .map_err(|error| (Reason::Invalid, self.told(&error.to_string())))?;
        if !(0..MAX_TS).contains(&event.ts) {
            let text = format!(
                "field `ts`: {} is not epoch milliseconds from 0 to before 2200-01-01 ({MAX_TS})",
                event.ts
            );
            return Err((Reason::Invalid, self.told(&text)));
        }
        Ok(event)
    }

    /// Puts the time there as epoch milliseconds.
    fn set_time(&self, event: &mut Map<String, Value>, recorded_ms: i64) -> Result<(), String> {
        let per_ms = match self.time_unit {
            TimeUnit::Record => {
                event.insert("ts".into(), recorded_ms.into());
                return Ok(());
            }
            // What is no time is told of by the event itself.
            _ if !event.contains_key("ts") => return Ok(()),
            TimeUnit::Rfc3339 => {
                let ms = event.get("ts").and_then(Value::as_str).and_then(epoch_ms);
                let found = event.get("ts").map(ToString::to_string).unwrap_or_default();
                let ms = ms.ok_or_else(|| {
                    self.told(&format!(
                        "field `ts`: {found} is no time such as \"2026-01-31T08:30:00Z\" or \"2026-01-31T09:30:00+01:00\""
                    ))
                })?;
                event.insert("ts".into(), ms.into());
                return Ok(());
            }
            TimeUnit::Ms => return Ok(()),
            TimeUnit::S => {
                // Whole seconds stay exact; fractions are rounded to the millisecond.
                let found = event.get("ts").cloned().unwrap_or_default();
                let ms = match (found.as_i64(), found.as_f64()) {
                    (Some(s), _) => s.checked_mul(1_000),
                    (None, Some(s)) if s.abs() < 1e12 => Some((s * 1_000.0).round() as i64),
                    _ => None,
                };
                let ms = ms.ok_or_else(|| {
                    self.told(&format!("field `ts`: {found} is no number of seconds since 1970"))
                })?;
                event.insert("ts".into(), ms.into());
                return Ok(());
            }
            TimeUnit::Us => 1_000,
            TimeUnit::Ns => 1_000_000,
        };
        if let Some(count) = event.get("ts").and_then(Value::as_i64) {
            event.insert("ts".into(), count.div_euclid(per_ms).into());
        }
        Ok(())
    }

    /// The text of a refusal, with the place in the record of the field that it names.
    fn told(&self, text: &str) -> String {
        let named = |(name, _): &&(&str, String)| text.contains(&format!("`{name}`"));
        match self.fields.iter().find(named) {
            Some((_, pointer)) => format!("{text} (read from {pointer} of the record)"),
            None => text.to_owned(),
        }
    }
}

/// Epoch milliseconds of a text such as `2026-01-31T08:30:00.250+01:00`; UTC where it names no zone.
fn epoch_ms(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let plain = || {
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    zoned.ok().or_else(|| Some(plain()?.and_utc().timestamp_millis()))
}
