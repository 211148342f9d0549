//! One user's state: counts per category, and the newest events.

mod codec;
mod history;
mod names;
mod positives;
mod visits;

use std::collections::VecDeque;

use crate::{Diversity, FeatureSettings, Id, Totals};
pub use history::{History, Opened as OpenedHistory};
pub use names::Category;
use names::{Actions, Categories};
use positives::{Positive, Positives};
use visits::{Entry, Visits};
pub use visits::{MAX_CATEGORIES, VISITS, Visit};

/// Accumulated sums are computed anew whenever a user's event count is a multiple of this, which
/// keeps their drift far below 1e-9.
const SETTLE_EVERY: u64 = 256;

/// What is read of an event: the features read item, first category, `ts` and `is_tail` of those whose
/// action is positive; a model reads all.
#[derive(Debug, Clone, Copy)]
pub struct Interaction<'a> {
    /// The item.
    pub item: &'a Id,
    /// The item's first category.
    pub category: &'a Id,
    /// Its further categories; what is beyond [`MAX_CATEGORIES`] in all is not read.
    pub more_categories: &'a [Id],
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// The producer's own long-tail mark, which overrides the computed one.
    pub is_tail: Option<bool>,
    /// What the user did.
    pub action: &'a str,
    /// How strong the interaction was, where the event told.
    pub weight: Option<f32>,
}

impl<'a> Interaction<'a> {
    /// An event of which no more is known.
    pub fn new(item: &'a Id, category: &'a Id, ts: i64) -> Self {
        Self { item, category, more_categories: &[], ts, is_tail: None, action: "", weight: None }
    }

    fn more(&self) -> &'a [Id] {
        &self.more_categories[..self.more_categories.len().min(MAX_CATEGORIES - 1)]
    }
}

/// A user's features after an event.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Features {
    /// Whether the event's item was long-tail when it arrived.
    pub tail: bool,
    /// All events since the state began.
    pub lifetime: Diversity,
    /// The last W events.
    pub window: Diversity,
    /// Distinct categories among the last N events, divided by min(N, n).
    pub recent_diversity: f64,
}

/// One user's state.
///
/// An event costs O(1) besides finding its category, which takes O(k) comparisons over the k
/// categories that the user has ever had, and one where it is the last event's.
#[derive(Debug, Clone, Default)]
pub struct UserState {
    newest_ts: Option<i64>,
    /// An event names its category by the place here.
    categories: Categories,
    lifetime: Totals,
    window: Totals,
    /// Categories with an event among the last N.
    recent_distinct: u32,
    /// The last positive event.
    last: Option<Positive>,
    /// The newest positive events, as many as the features look at.
    positives: Positives,
    /// Events of any action since the state began.
    visited: u64,
    /// The actions of the visits.
    actions: Actions,
    /// The newest events of any action.
    visits: Visits,
    /// Ids of the newest events that had one, oldest first, where duplicates are looked for.
    event_ids: VecDeque<Box<str>>,
    /// Memory of the event ids, in bytes.
    id_bytes: usize,
}

impl UserState {
    /// A user of whom no more is known than the newest time.
    pub fn seen_at(newest_ts: i64) -> Self {
        Self { newest_ts: Some(newest_ts), ..Self::default() }
    }

    /// The greatest event time; none for a user without events.
    pub fn newest_ts(&self) -> Option<i64> {
        self.newest_ts
    }

    pub(crate) fn set_newest_ts(&mut self, newest_ts: i64) {
        self.newest_ts = Some(newest_ts);
    }

    /// Of all positive events since the state began.
    pub fn lifetime(&self) -> &Totals {
        &self.lifetime
    }

    /// Of the last W positive events.
    pub fn window(&self) -> &Totals {
        &self.window
    }

    /// Events of any action since the state began.
    pub fn visited(&self) -> u64 {
        self.visited
    }

    /// The user's categories, in the order in which they first came; one that no event names any more may
    /// still stand there, until another takes its place.
    pub fn categories(&self) -> &[Category] {
        &self.categories.list
    }

    /// Whether a positive event of this category leaves the user with at most `most` categories of positive
    /// events. All others are bounded by the visits that have them.
    pub fn has_room_for(&self, id: &Id, most: usize) -> bool {
        let of_positive = || self.categories().iter().filter(|category| category.lifetime > 0);
        self.categories().len() < most
            || of_positive().count() < most
            || of_positive().any(|category| category.id == *id)
    }

    /// Whether one of the newest events had this id.
    pub fn has_event(&self, id: &str) -> bool {
        self.event_ids.iter().any(|known| **known == *id)
    }

    /// Keeps the id of the event that was just added, for [`UserState::has_event`].
    pub fn remember_event(&mut self, settings: &FeatureSettings, id: &str) {
        self.event_ids.push_back(id.into());
        self.id_bytes += id.len() + size_of::<Box<str>>();
        while self.event_ids.len() > settings.dedup_events {
            let gone = self.event_ids.pop_front();
            self.id_bytes -= gone.map_or(0, |id| id.len() + size_of::<Box<str>>());
        }
    }

    /// The newest events of any action, oldest first.
    pub fn visits(&self) -> impl ExactSizeIterator<Item = Visit<'_>> + Clone {
        self.visits.iter((&self.categories, &self.actions))
    }

    /// Whether the user has no events.
    pub fn is_empty(&self) -> bool {
        self.newest_ts.is_none()
    }

    /// Memory taken, in bytes, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.positives.capacity()
            + self.visits.capacity()
            + self.categories.list.capacity() * size_of::<Category>()
            + self.categories.text_bytes
            + self.actions.bytes()
            + self.id_bytes
    }

    /// Adds a positive event, and keeps the newest `keep` visits.
    pub fn push(&mut self, settings: &FeatureSettings, keep: usize, event: &Interaction<'_>, tail: bool) {
        let last = self.last.map(|last| last.category);
        let at = self.categories.place(event.category, last);
        let switched = last.is_some_and(|last| last != at);
        let category = &mut self.categories.list[at];
        self.lifetime.push(category.lifetime, tail, switched);
        self.window.push(category.window, tail, switched);
        self.recent_distinct += u32::from(category.recent == 0);
        category.lifetime = category.lifetime.saturating_add(1);
        category.window += 1;
        category.recent += 1;
        let positive = Positive { category: at, tail };
        self.positives.push(positive);
        self.last = Some(positive);
        self.visit(keep, event, at, tail);

        let Positives { bytes, window, recent } = &mut self.positives;
        if let Some((oldest, next)) = window.beyond(bytes, settings.window) {
            let category = &mut self.categories.list[oldest.category];
            self.window.evict(category.window, oldest.tail, oldest.category != next.category);
            category.window -= 1;
        }
        if let Some((oldest, _)) = recent.beyond(bytes, settings.recent) {
            let category = &mut self.categories.list[oldest.category];
            category.recent -= 1;
            self.recent_distinct -= u32::from(category.recent == 0);
        }
        self.positives.trim();
        if self.lifetime.events.is_multiple_of(SETTLE_EVERY) {
            self.lifetime.settle(self.categories.list.iter().map(|category| category.lifetime));
            self.window.settle(self.categories.list.iter().map(|category| category.window));
        }
    }

    /// Adds an event whose action is not positive to the newest `keep` visits.
    pub fn note(&mut self, keep: usize, event: &Interaction<'_>) {
        let at = self.categories.place(event.category, self.last.map(|last| last.category));
        self.visit(keep, event, at, false);
    }

    fn visit(&mut self, keep: usize, event: &Interaction<'_>, category: usize, tail: bool) {
        self.newest_ts = self.newest_ts.max(Some(event.ts));
        self.visited += 1;
        self.categories.list[category].visits += 1;
        let mut more = [0; MAX_CATEGORIES - 1];
        for (place, id) in more.iter_mut().zip(event.more()) {
            *place = self.categories.place(id, None);
            self.categories.list[*place].visits += 1;
        }
        let Interaction { item, ts, weight, .. } = *event;
        let action = self.actions.place(event.action);
        let more = &more[..event.more().len()];
        self.visits.push(&Entry { item, category, more, ts, tail, action, weight });
        let Self { visits, categories, actions, .. } = self;
        visits.keep(keep, |gone| {
            categories.gone(gone.category);
            gone.more().for_each(|place| categories.gone(place));
            actions.gone(gone.action);
        });
    }

    /// The features as they stand; `tail` is the newest positive event's mark.
    pub fn features(&self, settings: &FeatureSettings) -> Features {
        let looked_at = self.positives.recent.len.min(settings.recent);
        Features {
            tail: self.last.is_some_and(|last| last.tail),
            lifetime: self.lifetime.diversity(),
            window: self.window.diversity(),
            recent_diversity: if looked_at == 0 {
                0.0
            } else {
                f64::from(self.recent_distinct) / looked_at as f64
            },
        }
    }

    /// Whether the visits can be read to their end, and are as many of each category and action as is said.
    pub fn has_whole_visits(&self) -> bool {
        let mut categories = vec![0_u32; self.categories().len()];
        let mut actions = vec![0_u32; self.actions.visits().count()];
        for placed in self.visits.placed() {
            for place in std::iter::once(placed.category).chain(placed.more()) {
                let Some(count) = categories.get_mut(place) else { return false };
                *count += 1;
            }
            let Some(count) = actions.get_mut(placed.action) else { return false };
            *count += 1;
        }
        self.visits.are_whole()
            && self.visits().count() == self.visits.len()
            && categories.into_iter().eq(self.categories().iter().map(|category| category.visits))
            && actions.into_iter().eq(self.actions.visits())
    }
}
