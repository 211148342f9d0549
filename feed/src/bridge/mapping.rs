//! One record of another topic to the events that it tells of.

use hmisr_datasets::values::{
    TimeForm, TimeRange, ValueError, categories_of, flag_of, id_of, label_of, number_of,
};
use hmisr_stream::contract::{DeadLetter, Event, Reason, topic};
use hmisr_stream::{Header, Outgoing, Record};
use serde_json::{Map, Value};

use super::clock::{Clock, Times};
use super::only::Only;
use super::payload;
use super::places::{Context, Found, Place};
use super::{BridgeSettings, Fields};
use crate::{FeedError, MAX_EVENT_BYTES};

/// The most events of one record.
const MAX_EVENTS: usize = 1_000;

/// Where an event's fields stand in a record.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The event's field, and where it may stand.
    fields: Vec<(&'static str, Vec<Place>)>,
    time: Vec<Place>,
    defaults: [(&'static str, String); 2],
    only: Vec<Only>,
    /// The list, as a JSON pointer.
    each: Option<String>,
    clock: Clock,
}

/// What became of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapped {
    /// Its events; none where the record was filtered out, or its list is empty.
    pub events: Vec<Event>,
    /// Whether a schema registry's prefix stood before its payload.
    pub prefixed: bool,
}

/// Why a record is a dead letter.
pub(super) type Refusal = (Reason, String);

impl Mapping {
    /// Over settings.
    ///
    /// # Errors
    /// [`FeedError::Bridge`] for settings that cannot work.
    pub fn new(settings: &BridgeSettings) -> Result<Self, FeedError> {
        settings.validate()?;
        let refused = |setting: String, problem: String| FeedError::Bridge { setting, problem };
        let mut fields = Vec::new();
        for (name, places) in settings.fields.all() {
            let places = places.read().map_err(|problem| refused(format!("fields.{name}"), problem))?;
            fields.push((name, places));
        }
        let only: Result<_, _> = settings.only.iter().map(|text| Only::parse(text)).collect();
        let time = fields.iter().find(|(name, _)| *name == "ts").map(|(_, places)| places.clone());
        Ok(Self {
            time: time.unwrap_or_default(),
            fields,
            defaults: [
                ("action", settings.defaults.action.clone()),
                ("category", settings.defaults.category.clone()),
            ],
            only: only.map_err(|problem| refused("only".to_owned(), problem))?,
            each: Some(settings.each.clone()).filter(|each| !each.is_empty()),
            clock: Clock::new(&settings.time_unit),
        })
    }

    /// The first event time that is taken, epoch milliseconds; 1990 where it is not said.
    #[must_use]
    pub fn with_min_ts_ms(mut self, ms: i64) -> Self {
        self.clock.min_ts_ms = ms;
        self
    }

    /// Learns from records in which form the topic's times are written, until that is settled; the form,
    /// where it was decided just now. Only where the settings leave it open.
    ///
    /// # Errors
    /// Times that are not written alike, told with what was seen and what to set.
    pub fn learn<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<Option<TimeForm>, String> {
        if !self.clock.learns() {
            return Ok(None);
        }
        let mut values = Vec::new();
        for record in records {
            // What is wrong with a record is told when it is mapped.
            let _ = self.visit(record, |context, _| {
                if let Ok(Found::Value(value, ..)) = context.first(&self.time) {
                    values.push(value.into_owned());
                }
                Ok(())
            });
        }
        self.clock.learn(&values)
    }

    /// The times of a run, for its report.
    pub fn times(&self, range: &TimeRange) -> Option<Times> {
        self.clock.times(range)
    }

    /// The events that the record tells of: all of them, or what is wrong with the first that is none.
    ///
    /// # Errors
    /// [`Reason::Malformed`] where the payload is not one JSON object, [`Reason::MissingId`] where a word
    /// for a missing value stands for user or item, [`Reason::ImplausibleTime`], [`Reason::Invalid`] where a
    /// field is missing, of another type or out of range, [`Reason::TooLarge`] for a list beyond bounds; the text names the
    /// field of the event and its place in the record.
    pub fn events(&self, record: &Record) -> Result<Mapped, (Reason, String)> {
        let mut events = Vec::new();
        let prefixed = self.visit(record, |context, index| {
            let told = |(reason, text): Refusal| match index {
                Some(index) => (reason, format!("element {index} of the list: {text}")),
                None => (reason, text),
            };
            events.push(self.event(&context, index).map_err(told)?);
            Ok(())
        })?;
        Ok(Mapped { events, prefixed })
    }

    /// The record's events as records of `events`, with the record's headers, such as those of a trace;
    /// `partition` says where a user's events lie.
    ///
    /// # Errors
    /// As [`Mapping::events`].
    pub fn outgoing(
        &self,
        record: &Record,
        partition: impl Fn(&[u8]) -> i32,
    ) -> Result<(Mapped, Vec<Outgoing>), (Reason, String)> {
        let mapped = self.events(record)?;
        let in_header =
            |header: &Header| header.name.len() + header.value.len() + DeadLetter::HEADER_OVERHEAD;
        let headers: usize = record.headers.iter().map(in_header).sum();
        let mut outgoing = Vec::with_capacity(mapped.events.len());
        for event in &mapped.events {
            let (key, payload) = (event.user_id.to_string().into_bytes(), event.encode());
            if payload.len() + headers > MAX_EVENT_BYTES {
                let text = format!(
                    "the event has {} bytes and its headers {headers}; at most {MAX_EVENT_BYTES} are written",
                    payload.len()
                );
                return Err((Reason::TooLarge, text));
            }
            outgoing.push(Outgoing {
                topic: topic::EVENTS,
                partition: partition(&key),
                key: Some(key),
                payload: Some(payload),
                headers: record.headers.clone(),
            });
        }
        Ok((mapped, outgoing))
    }

    /// Goes over the record, or the elements of its list, as far as they are not filtered out; whether a
    /// schema registry's prefix was skipped.
    fn visit(
        &self,
        record: &Record,
        mut take: impl FnMut(Context<'_>, Option<usize>) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        let Some(bytes) = record.payload.as_deref() else {
            // Without a payload no condition on it holds.
            let nothing = Context { record, payload: &Value::Null, element: None };
            return match self.is_wanted(&nothing) {
                true => Err((
                    Reason::Malformed,
                    "no payload: a tombstone of another topic deletes no user here".to_owned(),
                )),
                false => Ok(false),
            };
        };
        let payload = payload::parse(bytes)?;
        let value = &payload.value;
        if !value.is_object() {
            return Err((Reason::Malformed, "not a JSON object".to_owned()));
        }
        let whole = Context { record, payload: value, element: None };
        let list =
            self.each.as_ref().and_then(|pointer| value.pointer(pointer)).filter(|list| !list.is_null());
        let Some(list) = list else {
            // Without its list a record is its own only element.
            if self.is_wanted(&whole) {
                take(whole, None)?;
            }
            return Ok(payload.schema_id.is_some());
        };
        let place = self.each.as_deref().unwrap_or_default();
        let Some(elements) = list.as_array() else {
            // The filter may say that the record is of no interest.
            return match self.is_wanted(&whole) {
                true => Err((Reason::Invalid, format!("no list stands at {place} of the record"))),
                false => Ok(payload.schema_id.is_some()),
            };
        };
        if elements.len() > MAX_EVENTS {
            let text = format!(
                "the list at {place} has {} elements; at most {MAX_EVENTS} become events",
                elements.len()
            );
            return Err((Reason::TooLarge, text));
        }
        for (index, element) in elements.iter().enumerate() {
            let context = Context { element: Some(element), ..whole };
            if self.is_wanted(&context) {
                take(context, Some(index))?;
            }
        }
        Ok(payload.schema_id.is_some())
    }

    fn is_wanted(&self, context: &Context<'_>) -> bool {
        self.only.iter().all(|only| only.holds(context))
    }

    /// One event.
    fn event(&self, context: &Context<'_>, index: Option<usize>) -> Result<Event, Refusal> {
        let mut event = Map::new();
        for (name, places) in &self.fields {
            if *name == "ts" && self.clock.is_record() {
                continue;
            }
            let named = |problem: String| format!("field `{name}`: {problem}");
            let found = context.first(places).map_err(|problem| (Reason::Invalid, named(problem)))?;
            let value = match &found {
                Found::Value(value, place, in_element) => {
                    let value = self.value(name, value).map_err(|(reason, problem)| {
                        (reason, named(format!("{problem} (read from {place})")))
                    })?;
                    match (value, index) {
                        // The record's id stands for each of its events: told apart, or they would be duplicates.
                        (Some(Value::String(id)), Some(index)) if *name == "event_id" && !in_element => {
                            Some(format!("{id}#{index}").into())
                        }
                        (value, _) => value,
                    }
                }
                Found::Word(..) | Found::Nothing => None,
            };
            let value = match value {
                // Of an item's categories the first is the features', all of several are the model's.
                Some(Value::Array(names)) => {
                    if names.len() > 1 {
                        event.insert("categories".to_owned(), names.clone().into());
                    }
                    names.into_iter().next()
                }
                value => value,
            };
            if let Some(value) = value.or_else(|| self.default_of(name)) {
                event.insert((*name).to_owned(), value);
                continue;
            }
            match found {
                Found::Word(word, place) if matches!(*name, "user_id" | "item_id") => {
                    let text =
                        format!("field `{name}`: {word:?} is a word for a missing value (read from {place})");
                    return Err((Reason::MissingId, text));
                }
                _ if Fields::REQUIRED.contains(name) => {
                    let at: Vec<String> = places.iter().map(ToString::to_string).collect();
                    return Err((
                        Reason::Invalid,
                        format!("field `{name}` is missing: nothing at {}", at.join(", ")),
                    ));
                }
                _ => {}
            }
        }
        if self.clock.is_record() {
            let ms = Clock::recorded(context.record.timestamp_ms);
            let ms = ms.and_then(|ms| self.clock.plausible(ms, &ms.into()));
            let ms = ms.map_err(|(reason, problem)| (reason, format!("field `ts`: {problem}")))?;
            event.insert("ts".to_owned(), ms.into());
        }
        serde_json::from_value(Value::Object(event))
            .map_err(|error| (Reason::Invalid, self.told(&error.to_string())))
    }

    /// A field's value as an event has it; none where it says that there is none.
    fn value(&self, name: &str, value: &Value) -> Result<Option<Value>, Refusal> {
        let told = |error: ValueError| (Reason::Invalid, error.to_string());
        let id = |id: Option<hmisr_stream::contract::Id>| id.and_then(|id| serde_json::to_value(id).ok());
        Ok(match name {
            "user_id" | "item_id" => id(id_of(value).map_err(told)?),
            "category" => Some(serde_json::to_value(categories_of(value).map_err(told)?).unwrap_or_default()),
            "ts" => match self.clock.ms(value)? {
                Some(ms) => Some(self.clock.plausible(ms, value)?.into()),
                None => None,
            },
            "weight" => number_of(value).map_err(told)?.map(Value::from),
            "is_tail" => flag_of(value).map_err(told)?.map(Value::from),
            _ => label_of(value).map_err(told)?.map(Value::from),
        })
    }

    fn default_of(&self, name: &str) -> Option<Value> {
        let (_, default) =
            self.defaults.iter().find(|(field, default)| *field == name && !default.is_empty())?;
        Some(default.clone().into())
    }

    /// The text of a refusal, with the places in the record of the field that it names.
    fn told(&self, text: &str) -> String {
        let named = |(name, _): &&(&str, Vec<Place>)| text.contains(&format!("`{name}`"));
        match self.fields.iter().find(named) {
            Some((_, places)) if !places.is_empty() => {
                let at: Vec<String> = places.iter().map(ToString::to_string).collect();
                format!("{text} (read from {})", at.join(", "))
            }
            _ => text.to_owned(),
        }
    }
}
