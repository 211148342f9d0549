//! One user's state: lifetime counts and the sequence of the newest events.

use std::collections::VecDeque;

use crate::{Accumulator, Diversity, FeatureSettings, Id};

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

/// One event in a user's sequence window.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The item.
    pub item: Id,
    /// The item's category.
    pub category: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// Whether the item was long-tail when the event arrived.
    pub tail: bool,
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserState {
    newest_ts: Option<i64>,
    lifetime: Accumulator<Id>,
    window: Accumulator<Id>,
    visits: VecDeque<Visit>,
}

impl UserState {
    /// Rebuilds a state from what its accessors gave. The window's counts are taken from the
    /// visits; `window_s` is its [`Accumulator::s`].
    pub fn from_parts(
        settings: &FeatureSettings,
        newest_ts: Option<i64>,
        lifetime: Accumulator<Id>,
        window_s: f64,
        visits: VecDeque<Visit>,
    ) -> Self {
        let start = visits.len().saturating_sub(settings.window);
        let mut run = Accumulator::default();
        for at in start..visits.len() {
            let switched = at > start && visits[at].category != visits[at - 1].category;
            run.push(&visits[at].category, visits[at].tail, switched);
        }
        let window = Accumulator::from_parts(run.counts().to_vec(), run.switches(), run.tails(), window_s);
        Self { newest_ts, lifetime, window, visits }
    }

    /// The greatest event time applied; none for a user without events.
    pub fn newest_ts(&self) -> Option<i64> {
        self.newest_ts
    }

    /// Counts over all events since the state began.
    pub fn lifetime(&self) -> &Accumulator<Id> {
        &self.lifetime
    }

    /// Counts over the last W events.
    pub fn window(&self) -> &Accumulator<Id> {
        &self.window
    }

    /// The newest events, oldest first: as many as the features and `keep` need.
    pub fn visits(&self) -> &VecDeque<Visit> {
        &self.visits
    }

    /// Whether the user has no events.
    pub fn is_empty(&self) -> bool {
        self.newest_ts.is_none()
    }

    /// Whether the user's newest event is more than the TTL before `now` (event time).
    pub fn is_expired(&self, settings: &FeatureSettings, now: i64) -> bool {
        self.newest_ts.is_some_and(|newest| now.saturating_sub(newest) > settings.ttl_ms)
    }

    /// Adds an event. At least `keep` events are kept where there are as many.
    pub fn push(&mut self, settings: &FeatureSettings, keep: usize, visit: Visit) {
        let switched = self.visits.back().is_some_and(|last| last.category != visit.category);
        self.lifetime.push(&visit.category, visit.tail, switched);
        self.window.push(&visit.category, visit.tail, switched);
        self.newest_ts = Some(self.newest_ts.map_or(visit.ts, |newest| newest.max(visit.ts)));
        self.visits.push_back(visit);

        if self.visits.len() > settings.window {
            let at = self.visits.len() - 1 - settings.window;
            let (oldest, next) = (&self.visits[at], &self.visits[at + 1]);
            self.window.evict(&oldest.category, oldest.tail, oldest.category != next.category);
        }
        while self.visits.len() > settings.window.max(settings.recent).max(keep) {
            self.visits.pop_front();
        }
        if self.lifetime.events().is_multiple_of(SETTLE_EVERY) {
            self.lifetime.settle();
            self.window.settle();
        }
    }

    /// The features as they stand; `tail` is the newest event's mark.
    pub fn features(&self, settings: &FeatureSettings) -> Features {
        Features {
            tail: self.visits.back().is_some_and(|visit| visit.tail),
            lifetime: self.lifetime.diversity(),
            window: self.window.diversity(),
            recent_diversity: self.recent_diversity(settings.recent),
        }
    }

    fn recent_diversity(&self, recent: usize) -> f64 {
        let looked_at = self.visits.len().min(recent);
        if looked_at == 0 {
            return 0.0;
        }
        let newest = self.visits.range(self.visits.len() - looked_at..);
        let mut categories: Vec<&Id> = newest.map(|visit| &visit.category).collect();
        categories.sort_unstable();
        categories.dedup();
        categories.len() as f64 / looked_at as f64
    }
}
