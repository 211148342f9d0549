//! What the outputs and the state must be: a fold of the features' definition over the records of
//! `events`, in memory, without transactions, stores, caches or offsets to commit.

use std::collections::{BTreeMap, HashMap};

use hmisr_features::{FeatureSettings, Features, ItemCount, PartitionState, UserState, Visit, is_expired};
use hmisr_pipeline::PipelineSettings;
use hmisr_stream::Record;
use hmisr_stream::contract::{
    Event, FeatureRecord, FeatureVector, Id, Reason, TrainingExample, WireId, topic,
};
use prost::Message;

use crate::outputs::{Content, Outputs, Sequence};

/// Every partition's state after the records so far.
pub struct Model {
    features: FeatureSettings,
    settings: PipelineSettings,
    partitions: BTreeMap<i32, Partition>,
    /// What became of the records.
    pub counts: Counts,
}

/// How many records became what.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records of `events`.
    pub events: u64,
    /// Feature records.
    pub features: u64,
    /// Training examples.
    pub examples: u64,
    /// Users deleted on request.
    pub forgotten: u64,
    /// Events whose action is not positive.
    pub neutral: u64,
    /// Of them those whose action is in no list.
    pub unknown_actions: u64,
    /// Dead letters by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
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

impl Model {
    /// Before the first record.
    pub fn new(features: FeatureSettings, settings: PipelineSettings) -> Self {
        Self { features, settings, partitions: BTreeMap::new(), counts: Counts::default() }
    }

    /// The partitions with records.
    pub fn partitions(&self) -> &BTreeMap<i32, Partition> {
        &self.partitions
    }

    /// Applies the next record of its partition, and adds what must be written for it.
    pub fn apply(&mut self, record: &Record, outputs: &mut Outputs) {
        self.counts.events += 1;
        self.partitions.entry(record.partition).or_default().next_offset = record.offset + 1;
        match self.event(record) {
            Ok(Some(event)) => self.applied(record, event, outputs),
            Ok(None) => {
                let key = record.key.clone().unwrap_or_default();
                if let Some(user) = std::str::from_utf8(&key).ok().and_then(|key| Id::parse(key).ok()) {
                    let partition = self.partitions.entry(record.partition).or_default();
                    partition.users.remove(&user);
                    partition.shared.clock.forget(&user);
                    self.counts.forgotten += 1;
                    let examples = self.settings.training_examples.then_some(topic::TRAINING_EXAMPLES);
                    for topic in std::iter::once(topic::USER_FEATURES).chain(examples) {
                        outputs.add(Sequence::user(topic, &key), Content::Bytes(None));
                    }
                }
            }
            Err(reason) => self.dead(record, reason, outputs),
        }
    }

    /// The event; none for a user to forget.
    fn event(&self, record: &Record) -> Result<Option<Event>, Reason> {
        let key = record.key.as_deref();
        let Some(payload) = &record.payload else {
            let user = key.and_then(|key| std::str::from_utf8(key).ok()).map(Id::parse);
            return if matches!(user, Some(Ok(_))) { Ok(None) } else { Err(Reason::Invalid) };
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
        Ok(Some(event))
    }

    fn applied(&mut self, record: &Record, event: Event, outputs: &mut Outputs) {
        let Self { features: settings, settings: job, partitions, counts } = self;
        let Partition { shared, users, items, .. } = partitions.entry(record.partition).or_default();
        let user = users.entry(event.user_id.clone()).or_default();
        if shared.admit(settings, user, event.ts).is_err() {
            return self.dead(record, Reason::Late, outputs);
        }
        let (keep, interaction) = (job.visits_kept(), event.interaction());
        if !job.positive_actions.contains(&event.action) {
            counts.neutral += 1;
            counts.unknown_actions += u64::from(!job.neutral_actions.contains(&event.action));
            return shared.note(settings, keep, (&event.user_id, user), &interaction);
        }
        if !user.has_room_for(&event.category, job.max_user_categories) {
            return self.dead(record, Reason::TooManyCategories, outputs);
        }
        let key = event.user_id.to_string().into_bytes();
        if job.training_examples && !user.is_empty() {
            counts.examples += 1;
            let example = example(user, &event, settings, job.history).encode_to_vec();
            outputs.add(Sequence::user(topic::TRAINING_EXAMPLES, &key), Content::Bytes(Some(example)));
        }
        let item = items.entry(event.item_id.clone()).or_default();
        let Features { tail, lifetime, window, recent_diversity } =
            shared.update(settings, keep, (&event.user_id, user), item, &interaction);
        counts.features += 1;
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
        let payload = serde_json::to_vec(&features).unwrap_or_default();
        outputs.add(Sequence::user(topic::USER_FEATURES, &key), Content::Bytes(Some(payload)));
    }

    fn dead(&mut self, record: &Record, reason: Reason, outputs: &mut Outputs) {
        *self.counts.dead_letters.entry(reason.as_str()).or_default() += 1;
        let letter = Content::Letter {
            key: record.key.clone(),
            payload: record.payload.clone(),
            reason: reason.to_string(),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
        };
        outputs.add(Sequence::letters(record.partition), letter);
    }
}

/// The example of an event: everything in it is older than the event.
fn example(user: &UserState, event: &Event, settings: &FeatureSettings, history: usize) -> TrainingExample {
    let features = user.features(settings);
    let visits: Vec<Visit<'_>> = user.visits().collect();
    let before = &visits[visits.len().saturating_sub(history)..];
    let mut times: Vec<i64> = before.iter().map(|visit| visit.ts).collect();
    times.push(event.ts);
    TrainingExample {
        user: WireId::from(&event.user_id),
        item: WireId::from(&event.item_id),
        category: WireId::from(&event.category),
        label: 1.0,
        weight: event.weight.unwrap_or(1.0),
        ts: event.ts,
        history_items: before.iter().map(|visit| WireId::from(&visit.item)).collect(),
        history_categories: before.iter().map(|visit| WireId::from(visit.category)).collect(),
        history_ts_deltas: times.windows(2).map(|pair| pair[0] - pair[1]).collect(),
        features: FeatureVector {
            events: user.visited(),
            entropy: features.window.entropy,
            evenness: features.window.evenness,
            switch_rate: features.window.switch_rate,
            tail_ratio: features.window.tail_ratio,
            recent_diversity: features.recent_diversity,
        },
    }
}
