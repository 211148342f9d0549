//! One record of another topic to one event.

use hmisr_stream::Record;
use hmisr_stream::contract::{Event, Reason};
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
        let mut value: Value =
            serde_json::from_slice(payload).map_err(|error| (Reason::Malformed, error.to_string()))?;
        if !value.is_object() {
            return Err((Reason::Malformed, "not a JSON object".to_owned()));
        }
        let mut event = Map::new();
        for (name, pointer) in &self.fields {
            // Not taken out: two fields may stand at one place.
            if let Some(found) = value.pointer_mut(pointer).filter(|found| !found.is_null()) {
                event.insert((*name).to_owned(), found.clone());
            }
        }
        for (name, default) in self.defaults.iter().filter(|(_, default)| !default.is_empty()) {
            event.entry(*name).or_insert_with(|| default.clone().into());
        }
        self.set_time(&mut event, record.timestamp_ms).map_err(|text| (Reason::Invalid, text))?;
        serde_json::from_value(Value::Object(event))
            .map_err(|error| (Reason::Invalid, self.told(&error.to_string())))
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
                let text = event.get("ts").and_then(Value::as_str);
                let time = text.and_then(|text| humantime::parse_rfc3339_weak(text).ok());
                let ms = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                let ms = ms.and_then(|since| i64::try_from(since.as_millis()).ok());
                let found = event.get("ts").map(ToString::to_string).unwrap_or_default();
                let ms = ms.ok_or_else(|| {
                    self.told(&format!(
                        "field `ts`: {found} is no time such as \"2026-01-31T08:30:00Z\" (UTC)"
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

#[cfg(test)]
mod tests {
    use super::super::{Defaults, Fields};
    use super::*;

    fn record(payload: &str) -> Record {
        let payload = Some(payload.as_bytes().to_vec());
        Record { partition: 0, offset: 0, timestamp_ms: 5_000, key: None, payload, headers: Vec::new() }
    }

    fn settings() -> BridgeSettings {
        BridgeSettings {
            topic: "clicks".into(),
            fields: Fields {
                user_id: "/user/id".into(),
                item_id: "sku".into(),
                category: "/genres/0".into(),
                ts: "at".into(),
                ..Fields::default()
            },
            defaults: Defaults { action: "click".into(), ..Defaults::default() },
            ..BridgeSettings::default()
        }
    }

    fn mapped(unit: TimeUnit, payload: &str) -> Result<Event, (Reason, String)> {
        Mapping::new(&BridgeSettings { time_unit: unit, ..settings() }).event(&record(payload))
    }

    #[test]
    fn fields_are_found_by_name_and_by_pointer() {
        let event = mapped(
            TimeUnit::Ms,
            r#"{"user": {"id": "ann"}, "sku": 7, "genres": ["Drama", "War"], "at": 12, "weight": 4.5, "other": 1}"#,
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            serde_json::json!({"user_id": "ann", "item_id": 7, "category": "Drama", "action": "click", "ts": 12, "weight": 4.5})
        );
        // What the record says goes over the default.
        let liked = mapped(
            TimeUnit::Ms,
            r#"{"user": {"id": 1}, "sku": 7, "genres": [3], "at": 12, "action": "like"}"#,
        );
        assert_eq!(liked.unwrap().action, "like");
    }

    #[test]
    fn times_become_milliseconds() {
        let ts = |unit, at: &str| {
            mapped(unit, &format!(r#"{{"user": {{"id": 1}}, "sku": 7, "genres": [3], "at": {at}}}"#))
                .map(|event| event.ts)
        };
        assert_eq!(ts(TimeUnit::S, "12").unwrap(), 12_000);
        assert_eq!(ts(TimeUnit::S, "12.3456").unwrap(), 12_346);
        assert_eq!(ts(TimeUnit::Us, "12999").unwrap(), 12);
        assert_eq!(ts(TimeUnit::Ns, "12999999").unwrap(), 12);
        assert_eq!(ts(TimeUnit::Rfc3339, r#""1970-01-01T00:00:12.250Z""#).unwrap(), 12_250);
        assert_eq!(ts(TimeUnit::Record, "null").unwrap(), 5_000);
        for (unit, at) in [
            (TimeUnit::S, "9223372036854775807"),
            (TimeUnit::S, "1e300"),
            (TimeUnit::S, r#""12""#),
            (TimeUnit::Rfc3339, "12"),
            (TimeUnit::Rfc3339, r#""yesterday""#),
            (TimeUnit::Ms, "-1"),
            (TimeUnit::Us, "1.5"),
            (TimeUnit::Ms, "null"),
        ] {
            let (reason, text) = ts(unit, at).unwrap_err();
            assert_eq!(reason, Reason::Invalid);
            assert!(text.contains("`ts`") && text.contains("/at"), "{unit:?} {at}: {text}");
        }
    }

    #[test]
    fn what_is_no_event_is_told_with_its_place() {
        for (payload, reason, expected) in [
            ("no json", Reason::Malformed, "expected"),
            ("[1]", Reason::Malformed, "object"),
            (r#"{"sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
            (r#"{"user": {"id": -1}, "sku": 7, "genres": [3], "at": 1}"#, Reason::Invalid, "/user/id"),
            (r#"{"user": {"id": 1}, "sku": 7, "genres": [], "at": 1}"#, Reason::Invalid, "/genres/0"),
        ] {
            let (found, text) = mapped(TimeUnit::Ms, payload).unwrap_err();
            assert_eq!(found, reason, "{payload}");
            assert!(text.contains(expected), "{payload}: {text}");
        }
        let tombstone = Record { payload: None, ..record("") };
        assert_eq!(Mapping::new(&settings()).event(&tombstone).unwrap_err().0, Reason::Malformed);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let refused = |change: fn(&mut BridgeSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert!(settings().validate().is_ok());
        assert!(refused(|s| s.topic = "events".into()).contains("bridge.topic"));
        assert!(refused(|s| s.fields.user_id.clear()).contains("bridge.fields.user_id"));
        assert!(refused(|s| s.fields.ts.clear()).contains("bridge.fields.ts"));
        assert!(refused(|s| s.fields.item_id = "/a~2".into()).contains("bridge.fields.item_id"));
    }
}
