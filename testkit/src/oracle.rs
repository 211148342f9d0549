//! What a job must make of the records of `events`: a fold of the features' definition over them, in memory,
//! without transactions, stores, caches or offsets to commit.

use std::collections::{BTreeMap, HashMap};

use hmisr_features::{
    FeatureSettings, Features, History, Interaction, ItemCount, PartitionState, UserState, Visit, is_expired,
};
use hmisr_pipeline::PipelineSettings;
use hmisr_stream::Record;
use hmisr_stream::contract::{Event, FeatureRecord, Id, Reason, TrainingExample};

/// Every partition's state after the records so far.
pub struct Oracle {
    features: FeatureSettings,
    settings: PipelineSettings,
    partitions: BTreeMap<i32, Partition>,
}

/// What becomes of a record.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Outcome {
    /// The event, of a positive action, is applied.
    Applied {
        /// The user's features after it.
        features: FeatureRecord,
        /// What the model can learn from it, where it has a history.
        example: Option<TrainingExample>,
    },
    /// The event, of another action or a negative weight, enters the user's visits.
    Noted {
        /// Whether its action is configured.
        known_action: bool,
    },
    /// The user has had this event.
    Duplicate,
    /// The user that is the record's key is deleted.
    Forgotten,
    /// The record changes nothing.
    DeadLetter(Reason),
}

/// One partition's state.
#[derive(Default)]
pub struct Partition {
    /// The offset after the last record.
    pub next_offset: i64,
    shared: PartitionState,
    users: HashMap<Id, UserState>,
    items: HashMap<Id, ItemCount>,
}

impl Partition {
    /// The users that have not expired.
    pub fn users(&self, settings: &FeatureSettings) -> BTreeMap<&Id, &UserState> {
        let now = self.shared.clock.now();
        let lives =
            |user: &UserState| user.newest_ts().is_some_and(|newest| !is_expired(settings, now, newest));
        self.users.iter().filter(|(_, user)| lives(user)).collect()
    }
}

impl Oracle {
    /// Before the first record.
    pub fn new(features: FeatureSettings, settings: PipelineSettings) -> Self {
        Self { features, settings, partitions: BTreeMap::new() }
    }

    /// The partitions with records.
    pub fn partitions(&self) -> &BTreeMap<i32, Partition> {
        &self.partitions
    }

    /// Applies the next record of its partition.
    pub fn apply(&mut self, record: &Record) -> Outcome {
        let read = self.read(record);
        let Self { features, settings, partitions } = self;
        let partition = partitions.entry(record.partition).or_default();
        partition.next_offset = record.offset + 1;
        match read {
            Ok(Read::Event(event)) => partition.apply(features, settings, record, event),
            Ok(Read::Forget(user)) => {
                partition.users.remove(&user);
                partition.shared.clock.forget(&user);
                Outcome::Forgotten
            }
            Err(reason) => Outcome::DeadLetter(reason),
        }
    }

    fn read(&self, record: &Record) -> Result<Read, Reason> {
        let key = record.key.as_deref();
        let Some(payload) = &record.payload else {
            let user = key.and_then(|key| std::str::from_utf8(key).ok()).map(Id::parse);
            return if let Some(Ok(user)) = user { Ok(Read::Forget(user)) } else { Err(Reason::Invalid) };
        };
        if payload.len() > self.settings.max_event_bytes {
            return Err(Reason::TooLarge);
        }
        let event = Event::decode(payload).map_err(|(reason, _)| reason)?;
        if key != Some(event.user_id.to_string().as_bytes()) {
            return Err(Reason::KeyMismatch);
        }
        if !self.features.is_plausible(event.ts) {
            return Err(Reason::ImplausibleTime);
        }
        if record.timestamp_ms >= 0 && event.ts - record.timestamp_ms > self.settings.max_future_ms {
            return Err(Reason::Future);
        }
        Ok(Read::Event(event))
    }
}

/// What a record is, whatever the state.
enum Read {
    Event(Event),
    Forget(Id),
}

impl Partition {
    fn apply(
        &mut self,
        settings: &FeatureSettings,
        job: &PipelineSettings,
        record: &Record,
        event: Event,
    ) -> Outcome {
        let Self { shared, users, items, .. } = self;
        let user = users.entry(event.user_id.clone()).or_default();
        let event_id = event.event_id.as_deref().filter(|_| settings.dedup_events > 0);
        if event_id.is_some_and(|id| shared.is_duplicate(settings, user, event.ts, id)) {
            return Outcome::Duplicate;
        }
        if shared.admit(settings, user, event.ts).is_err() {
            return Outcome::DeadLetter(Reason::Late);
        }
        let (keep, interaction) = (job.visits_kept(), event.interaction());
        let is_listed = |actions: &[String]| actions.contains(&event.action);
        // What was given back is no choice.
        if !is_listed(&job.positive_actions) || event.weight.is_some_and(|weight| weight < 0.0) {
            let known_action = is_listed(&job.positive_actions) || is_listed(&job.neutral_actions);
            shared.note(settings, keep, (&event.user_id, user), &interaction);
            if let Some(id) = event_id {
                user.remember_event(settings, id);
            }
            return Outcome::Noted { known_action };
        }
        if !user.has_room_for(&event.category, job.max_user_categories) {
            return Outcome::DeadLetter(Reason::TooManyCategories);
        }
        let has_example = job.training_examples && !user.is_empty();
        let example = has_example.then(|| example(user, &event, settings, job.history));
        let item = items.entry(event.item_id.clone()).or_default();
        let Features { tail, lifetime, window, recent_diversity } =
            shared.update(settings, keep, (&event.user_id, user), item, &interaction);
        if let Some(id) = event_id {
            user.remember_event(settings, id);
        }
        let features = FeatureRecord {
            user_id: event.user_id,
            item_id: event.item_id,
            category: event.category,
            tail,
            ts: event.ts,
            partition: record.partition,
            offset: record.offset,
            lifetime,
            window,
            recent_diversity,
        };
        Outcome::Applied { features, example }
    }
}

/// The example of an event: everything in it is older than the event.
fn example(user: &UserState, event: &Event, settings: &FeatureSettings, history: usize) -> TrainingExample {
    TrainingExample {
        user: event.user_id.clone(),
        item: event.item_id.clone(),
        categories: event.all_categories().cloned().collect(),
        action: event.action.clone(),
        weight: event.weight.unwrap_or(1.0),
        ts: event.ts,
        request_id: event.request_id.clone(),
        position: user.visited(),
        features: Features { tail: false, ..user.features(settings) },
        history: told(user.visits().skip(user.visits().len().saturating_sub(history))),
    }
}

/// A history made of its events alone, and not of bytes of a state.
fn told<'a>(visits: impl Iterator<Item = Visit<'a>>) -> History {
    let visits: Vec<Visit<'_>> = visits.collect();
    let more: Vec<Vec<Id>> =
        visits.iter().map(|visit| visit.more_categories.iter().copied().cloned().collect()).collect();
    History::of(visits.iter().zip(&more).map(|(visit, more)| Interaction {
        more_categories: more,
        action: visit.action,
        weight: visit.weight,
        ..Interaction::new(&visit.item, visit.category, visit.ts)
    }))
}

/// An example as it was written, whose history is made of its events: to be compared with the oracle's. What is no
/// example stays as it is.
pub fn plainly(payload: Vec<u8>) -> Vec<u8> {
    match TrainingExample::read(&payload) {
        Ok(example) => {
            let history = told(example.history.open().visits());
            TrainingExample { history, ..example }.to_bytes()
        }
        Err(_) => payload,
    }
}

/// A user's state as it is stored, with the rounding that its sums have gathered.
pub fn stored(user: &UserState) -> Vec<u8> {
    let mut bytes = Vec::new();
    user.write(&mut bytes);
    bytes
}
