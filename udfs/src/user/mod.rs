//! One user's state: counts per category and the sequence of the newest events.

mod codec;
mod visits;

use std::collections::VecDeque;

use crate::{Diversity, FeatureSettings, Id, Totals};
pub use visits::Visit;
use visits::Visits;

/// Accumulated sums are computed anew whenever a user's event count is a multiple of this, which
/// keeps their drift far below 1e-9.
const SETTLE_EVERY: u64 = 256;

/// What the features read of an event.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// The item.
    pub item: Id,
    /// The item's category.
    pub category: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// The producer's own long-tail mark, which overrides the computed one.
    pub is_tail: Option<bool>,
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

/// One of a user's categories, with how many of the user's events fell into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    /// The category.
    pub id: Id,
    /// Of all events.
    pub lifetime: u32,
    /// Of the last W.
    pub window: u32,
    /// Of the last N.
    recent: u32,
}

/// One user's state.
///
/// An event costs O(1) besides finding its category, which takes O(k) comparisons over the k
/// categories that the user has ever had, and one where it is the last event's.
#[derive(Debug, Clone, Default)]
pub struct UserState {
    newest_ts: Option<i64>,
    /// In the order in which they first came; a visit names its category by the place here.
    categories: Vec<Category>,
    lifetime: Totals,
    window: Totals,
    /// Categories with an event among the last N.
    recent_distinct: u32,
    /// The last event's category, and whether its item was long-tail.
    last: Option<(usize, bool)>,
    visits: Visits,
    /// Ids of the newest events that had one, oldest first, where duplicates are looked for.
    event_ids: VecDeque<Box<str>>,
    /// Memory of the categories' and event ids' texts, in bytes.
    text_bytes: usize,
}

impl UserState {
    /// The greatest event time applied; none for a user without events.
    pub fn newest_ts(&self) -> Option<i64> {
        self.newest_ts
    }

    /// Of all events since the state began.
    pub fn lifetime(&self) -> &Totals {
        &self.lifetime
    }

    /// Of the last W events.
    pub fn window(&self) -> &Totals {
        &self.window
    }

    /// The user's categories, in the order in which they first came.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Whether the user has had an event of this category.
    pub fn has_category(&self, id: &Id) -> bool {
        self.find(id).is_some()
    }

    /// Whether one of the newest events had this id.
    pub fn has_event(&self, id: &str) -> bool {
        self.event_ids.iter().any(|known| **known == *id)
    }

    /// Keeps the id of the event that was just added, for [`UserState::has_event`].
    pub fn remember_event(&mut self, settings: &FeatureSettings, id: &str) {
        self.event_ids.push_back(id.into());
        self.text_bytes += id.len() + size_of::<Box<str>>();
        while self.event_ids.len() > settings.dedup_events {
            let gone = self.event_ids.pop_front();
            self.text_bytes -= gone.map_or(0, |id| id.len() + size_of::<Box<str>>());
        }
    }

    /// The newest events, oldest first: as many as the features and `keep` need.
    pub fn visits(&self) -> impl ExactSizeIterator<Item = Visit> + Clone {
        self.visits.iter().map(|placed| placed.visit(&self.categories))
    }

    /// Whether the user has no events.
    pub fn is_empty(&self) -> bool {
        self.newest_ts.is_none()
    }

    /// Whether the user's newest event is more than the TTL before `now` (event time).
    pub fn is_expired(&self, settings: &FeatureSettings, now: i64) -> bool {
        self.newest_ts.is_some_and(|newest| now.saturating_sub(newest) > settings.ttl_ms)
    }

    /// Memory taken, in bytes, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.visits.capacity()
            + self.categories.capacity() * size_of::<Category>()
            + self.text_bytes
    }

    /// Adds an event. At least `keep` events are kept where there are as many.
    pub fn push(&mut self, settings: &FeatureSettings, keep: usize, visit: &Visit) {
        let at = self.find(&visit.category).unwrap_or_else(|| {
            self.text_bytes += visit.category.heap_bytes();
            self.categories.push(Category { id: visit.category.clone(), lifetime: 0, window: 0, recent: 0 });
            self.categories.len() - 1
        });
        let switched = self.last.is_some_and(|(category, _)| category != at);
        let category = &mut self.categories[at];
        self.lifetime.push(category.lifetime, visit.tail, switched);
        self.window.push(category.window, visit.tail, switched);
        self.recent_distinct += u32::from(category.recent == 0);
        category.lifetime = category.lifetime.saturating_add(1);
        category.window += 1;
        category.recent += 1;
        self.newest_ts = Some(self.newest_ts.map_or(visit.ts, |newest| newest.max(visit.ts)));
        self.visits.push(&visit.item, at, visit.ts, visit.tail);
        self.last = Some((at, visit.tail));

        if let Some((oldest, next)) = self.visits.window.beyond(&self.visits.bytes, settings.window) {
            let category = &mut self.categories[oldest.category];
            self.window.evict(category.window, oldest.tail, oldest.category != next.category);
            category.window -= 1;
        }
        if let Some((oldest, _)) = self.visits.recent.beyond(&self.visits.bytes, settings.recent) {
            let category = &mut self.categories[oldest.category];
            category.recent -= 1;
            self.recent_distinct -= u32::from(category.recent == 0);
        }
        self.visits.keep(settings.window.max(settings.recent).max(keep));
        if self.lifetime.events.is_multiple_of(SETTLE_EVERY) {
            self.lifetime.settle(self.categories.iter().map(|category| category.lifetime));
            self.window.settle(self.categories.iter().map(|category| category.window));
        }
    }

    /// The features as they stand; `tail` is the newest event's mark.
    pub fn features(&self, settings: &FeatureSettings) -> Features {
        let looked_at = self.visits.len().min(settings.recent);
        Features {
            tail: self.last.is_some_and(|(_, tail)| tail),
            lifetime: self.lifetime.diversity(),
            window: self.window.diversity(),
            recent_diversity: if looked_at == 0 {
                0.0
            } else {
                f64::from(self.recent_distinct) / looked_at as f64
            },
        }
    }

    fn find(&self, id: &Id) -> Option<usize> {
        match self.last {
            Some((last, _)) if self.categories[last].id == *id => Some(last),
            _ => self.categories.iter().position(|category| category.id == *id),
        }
    }
}
