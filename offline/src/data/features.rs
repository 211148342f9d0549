//! Users' features before each of their events, as a job that had read the data set would have kept them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hmisr_features::{FeatureSettings, Features, Id, Interaction, ItemCount, PartitionState, UserState};

use super::{Dataset, Event, UNKNOWN_CATEGORY};

/// The item was long tail when the event came.
const TAIL: u8 = 1;
/// The user's state had expired: it began anew with the event.
const ANEW: u8 = 2;
/// The event counts for nothing but its time.
const NO_CHOICE: u8 = 4;

/// What the order of all users' events decides of each event: three bits. The features of a user follow from the
/// user's own, so that none are stored: 9 numbers an event would be more than the data.
#[derive(Debug, Clone)]
pub struct UserFeatures {
    settings: FeatureSettings,
    /// By the number of the action, whether it is no choice.
    neutral: Vec<bool>,
    /// By user and event.
    marks: Vec<Vec<u8>>,
    /// By number.
    categories: Vec<Id>,
}

fn is_choice(event: &Event, neutral: &[bool]) -> bool {
    !neutral[usize::from(event.action)] && event.weight.is_none_or(|weight| weight >= 0.0)
}

impl UserFeatures {
    /// Reads all events of the data set once, in the order of their times: as one partition that has them all.
    /// Events for whose action `is_neutral`, and what was given back, are no choices.
    pub fn new(data: &Dataset, settings: &FeatureSettings, is_neutral: impl Fn(&str) -> bool) -> Self {
        let unknown = Id::text(UNKNOWN_CATEGORY).unwrap_or_else(|_| Id::from(0));
        let category = |name: &String| Id::parse(name).unwrap_or_else(|_| unknown.clone());
        let mut all = Self {
            settings: settings.clone(),
            neutral: data.actions.iter().map(|action| is_neutral(action)).collect(),
            marks: data.events.iter().map(|events| Vec::with_capacity(events.len())).collect(),
            categories: data.categories.iter().map(category).collect(),
        };
        let mut partition = PartitionState::default();
        // Of a user only the newest time matters to others, and to what the marks say.
        let mut newest: Vec<Option<i64>> = vec![None; data.users.len()];
        let mut items = vec![ItemCount::default(); data.items.len()];
        let first = |(user, events): (usize, &Vec<Event>)| Some(Reverse((events.first()?.ts_ms, user)));
        let mut next: BinaryHeap<_> = data.events.iter().enumerate().filter_map(first).collect();
        while let Some(Reverse((_, at))) = next.pop() {
            let (events, marks) = (&data.events[at], &mut all.marks[at]);
            let event = events[marks.len()];
            let mut user = newest[at].map(UserState::seen_at).unwrap_or_default();
            // In the order of their times none is late.
            let _ = partition.admit(settings, &mut user, event.ts_ms);
            let anew = if newest[at].is_some() && user.is_empty() { ANEW } else { 0 };
            let (id, item) = (&data.users[at], &data.items[event.item as usize]);
            let category = &all.categories[data.item_categories[event.item as usize][0] as usize];
            let interaction = Interaction::new(item, category, event.ts_ms);
            let count = &mut items[event.item as usize];
            let mark = match is_choice(&event, &all.neutral) {
                true => match partition.update(settings, 0, (id, &mut user), count, &interaction).tail {
                    true => TAIL,
                    false => 0,
                },
                false => {
                    partition.note(settings, 0, (id, &mut user), &interaction);
                    NO_CHOICE
                }
            };
            newest[at] = user.newest_ts();
            marks.push(anew | mark);
            if let Some(event) = events.get(marks.len()) {
                next.push(Reverse((event.ts_ms, at)));
            }
        }
        all
    }

    /// How the features are computed.
    pub fn settings(&self) -> &FeatureSettings {
        &self.settings
    }

    /// Calls `see` with the user's features before each of the first `count` events, and before the one after
    /// them where there is one.
    pub fn each(&self, data: &Dataset, user: u32, count: usize, mut see: impl FnMut(usize, &Features)) {
        let (events, marks) = (&data.events[user as usize], &self.marks[user as usize]);
        let mut state = UserState::default();
        for (at, mark) in marks.iter().enumerate().take(count + 1) {
            if mark & ANEW != 0 {
                state = UserState::default();
            }
            see(at, &Features { tail: false, ..state.features(&self.settings) });
            if at < count {
                self.push(data, &mut state, &events[at], *mark);
            }
        }
    }

    /// The user's features before the event at `at`.
    pub fn before(&self, data: &Dataset, user: u32, at: usize) -> Features {
        let (events, marks) = (&data.events[user as usize], &self.marks[user as usize]);
        // The event itself may find an expired state.
        let from = marks.iter().take(at + 1).rposition(|mark| mark & ANEW != 0).unwrap_or(0);
        let mut state = UserState::default();
        events[..at]
            .iter()
            .zip(marks)
            .skip(from)
            .for_each(|(event, mark)| self.push(data, &mut state, event, *mark));
        Features { tail: false, ..state.features(&self.settings) }
    }

    fn push(&self, data: &Dataset, state: &mut UserState, event: &Event, mark: u8) {
        let category = &self.categories[data.item_categories[event.item as usize][0] as usize];
        let interaction = Interaction::new(&data.items[event.item as usize], category, event.ts_ms);
        if mark & NO_CHOICE == 0 {
            state.push(&self.settings, 0, &interaction, mark & TAIL != 0);
        }
    }
}
