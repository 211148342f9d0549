//! From one record to its outcome: a function of the state and the record alone.

use hmisr_features::{FeatureSettings, Features, MAX_ID_BYTES, UserState};
use hmisr_state::{PartitionStore, Place};
use hmisr_stream::Record;
use hmisr_stream::contract::{Event, FeatureRecord, Id, Reason, TrainingExample};

use crate::{PipelineSettings, Result, plausible};

/// What a record turned out to be, before any state was read.
#[derive(Debug)]
pub enum Decoded {
    /// An event to apply.
    Event(Event),
    /// A tombstone: the user's state is to be deleted.
    Forget(Id),
    /// Neither.
    Rejected(Reason, String),
}

/// What became of a record.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The event, of a positive action, was applied.
    Applied {
        /// The user's features after it.
        features: &'a FeatureRecord,
        /// What the model can learn from it, where it has a history.
        example: Option<&'a TrainingExample>,
    },
    /// The event, of another action or a negative weight, entered the user's visits.
    Noted {
        /// Whether its action is configured.
        known_action: bool,
    },
    /// The user has had this event: nothing changed.
    Duplicate,
    /// The user was deleted.
    Forgotten {
        /// Whom.
        user: &'a Id,
        /// Whether the partition had something of the user.
        known: bool,
    },
    /// The record changed nothing.
    DeadLetter(Reason, String),
}

/// Applies records to a partition's store.
pub struct Processor {
    features: FeatureSettings,
    settings: PipelineSettings,
}

impl Processor {
    /// A processor under these settings.
    pub fn new(features: FeatureSettings, settings: PipelineSettings) -> Self {
        Self { features, settings }
    }

    /// Applies the records of one partition in their order; `visit` gets each with its outcome.
    ///
    /// # Errors
    /// Where the store fails, or `visit` does. The store must then be rolled back.
    pub fn apply_all<'r>(
        &self,
        store: &mut PartitionStore,
        partition: i32,
        records: impl Iterator<Item = &'r Record>,
        mut visit: impl FnMut(&'r Record, Outcome<'_>) -> Result<()>,
    ) -> Result<()> {
        let decoded: Vec<_> = records.map(|record| (record, self.decode(record))).collect();
        let mut places = store.places(decoded.iter().filter_map(|(_, decoded)| match decoded {
            Decoded::Event(event) => {
                Some((&event.user_id, self.settings.is_choice(event).then_some(&event.item_id)))
            }
            _ => None,
        }))?;
        for (record, decoded) in decoded {
            match decoded {
                // There is a place for each event, in their order.
                Decoded::Event(event) => {
                    let Some(place) = places.next() else { continue };
                    self.apply(store, place, partition, record.offset, event, |outcome| {
                        visit(record, outcome)
                    })?;
                }
                Decoded::Forget(user) => {
                    let known = store.forget(&user)?;
                    visit(record, Outcome::Forgotten { user: &user, known })?;
                }
                Decoded::Rejected(reason, message) => visit(record, Outcome::DeadLetter(reason, message))?,
            }
        }
        Ok(())
    }

    fn decode(&self, record: &Record) -> Decoded {
        let Some(payload) = &record.payload else {
            let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
            return match key.and_then(|key| Id::parse(key).ok()) {
                Some(user) => Decoded::Forget(user),
                None => Decoded::Rejected(Reason::Invalid, "a null value without a user's key".into()),
            };
        };
        if payload.len() > self.settings.max_event_bytes {
            let message = format!(
                "{} bytes; pipeline.max_event_bytes allows {}",
                payload.len(),
                self.settings.max_event_bytes
            );
            return Decoded::Rejected(Reason::TooLarge, message);
        }
        let event = match Event::decode(payload) {
            Ok(event) => event,
            Err((reason, message)) => return Decoded::Rejected(reason, message),
        };
        if !record.key.as_deref().is_some_and(|key| event.user_id.is_text(key)) {
            let key = match &record.key {
                Some(key) => {
                    let shown = key.get(..MAX_ID_BYTES).unwrap_or(key);
                    format!("`{}` ({} bytes)", String::from_utf8_lossy(shown), key.len())
                }
                None => "missing".to_owned(),
            };
            return Decoded::Rejected(
                Reason::KeyMismatch,
                format!("the record's key is {key}, its user_id `{}`", event.user_id),
            );
        }
        if let Some(message) = plausible::refusal(&self.features, event.ts) {
            return Decoded::Rejected(Reason::ImplausibleTime, message);
        }
        let latest = record.timestamp_ms.saturating_add(self.settings.max_future_ms);
        if record.timestamp_ms >= 0 && event.ts > latest {
            let message = format!(
                "field `ts`: {} is {} ms after the record's timestamp {}; pipeline.max_future_ms allows {}",
                event.ts,
                event.ts - record.timestamp_ms,
                record.timestamp_ms,
                self.settings.max_future_ms
            );
            return Decoded::Rejected(Reason::Future, message);
        }
        Decoded::Event(event)
    }

    fn apply(
        &self,
        store: &mut PartitionStore,
        place: Place,
        partition: i32,
        offset: i64,
        event: Event,
        visit: impl FnOnce(Outcome<'_>) -> Result<()>,
    ) -> Result<()> {
        let slots = store.slots(place);
        // Before lateness, since a repeated event is usually late too.
        let event_id = event.event_id.as_deref().filter(|_| self.features.dedup_events > 0);
        if event_id.is_some_and(|id| slots.partition.is_duplicate(&self.features, slots.user, event.ts, id)) {
            return visit(Outcome::Duplicate);
        }
        if let Err(late) = slots.partition.admit(&self.features, slots.user, event.ts) {
            return visit(Outcome::DeadLetter(Reason::Late, late.to_string()));
        }
        let keep = self.settings.visits_kept();
        let interaction = event.interaction();
        if !self.settings.is_choice(&event) {
            slots.partition.note(&self.features, keep, (&event.user_id, slots.user), &interaction);
            if let Some(id) = event_id {
                slots.user.remember_event(&self.features, id);
            }
            store.changed(place);
            let PipelineSettings { positive_actions, neutral_actions, .. } = &self.settings;
            let known_action =
                [positive_actions, neutral_actions].iter().any(|known| known.contains(&event.action));
            return visit(Outcome::Noted { known_action });
        }
        if !slots.user.has_room_for(&event.category, self.settings.max_user_categories) {
            let message = format!(
                "field `category`: `{}` would be one more than the {} of pipeline.max_user_categories",
                event.category, self.settings.max_user_categories
            );
            return visit(Outcome::DeadLetter(Reason::TooManyCategories, message));
        }
        let has_example = self.settings.training_examples && slots.user.visits().len() > 0;
        let example = has_example.then(|| self.example(slots.user, &event));
        let user = (&event.user_id, slots.user);
        let features = slots.partition.update(&self.features, keep, user, slots.item, &interaction);
        if let Some(id) = event_id {
            store.slots(place).user.remember_event(&self.features, id);
        }
        store.changed(place);
        let features = FeatureRecord::new(event, features, partition, offset);
        visit(Outcome::Applied { features: &features, example: example.as_ref() })
    }

    /// The example of a positive event, from the user's state before it.
    fn example(&self, user: &mut UserState, event: &Event) -> TrainingExample {
        TrainingExample {
            user: event.user_id.clone(),
            item: event.item_id.clone(),
            categories: event.all_categories().cloned().collect(),
            action: event.action.clone(),
            weight: event.weight.unwrap_or(1.0),
            ts: event.ts,
            request_id: event.request_id.clone(),
            position: user.visited(),
            features: Features { tail: false, ..user.features(&self.features) },
            history: user.history(self.settings.history),
        }
    }
}
