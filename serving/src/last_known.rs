//! What the newest look-ups found, for while none can be made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmisr_features::Features;
use hmisr_recommend::Event;
use hmisr_stream::contract::{Id, UserView, VisitView};

/// What a look-up told of a user, as far as a model reads it.
#[derive(Debug, Clone)]
pub struct Kept(Arc<(Vec<Event>, Features)>);

impl Kept {
    /// Of a look-up's answer.
    pub fn of(view: &UserView) -> Self {
        // Most events of a user are of few actions: one text for all of a kind in a row.
        let mut action: Arc<str> = "".into();
        let event = |visit: &VisitView| {
            if *action != *visit.action {
                action = visit.action.as_str().into();
            }
            let (item, ts, weight) = (visit.item_id.clone(), visit.ts, visit.weight);
            Event { item, ts, action: action.clone(), weight }
        };
        let UserView { lifetime, window, recent_diversity, .. } = *view;
        let features = Features { tail: false, lifetime, window, recent_diversity };
        Self(Arc::new((view.visits.iter().map(event).collect(), features)))
    }

    /// The user's events, oldest first.
    pub fn history(&self) -> &[Event] {
        &self.0.0
    }

    /// The user's features.
    pub fn features(&self) -> &Features {
        &self.0.1
    }
}

/// The users found last, a bounded number for a bounded time.
pub(crate) struct LastKnown {
    most: usize,
    max_age: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<Id, Entry>,
    /// The users by when they were found; of one time none displaces another.
    order: BTreeMap<u64, Id>,
    next: u64,
}

struct Entry {
    number: u64,
    found: Instant,
    kept: Kept,
}

impl LastKnown {
    /// Keeps the newest `most` users, each for `max_age` at most.
    pub(crate) fn new(most: usize, max_age: Duration) -> Self {
        Self { most, max_age, inner: Mutex::default() }
    }

    /// The user as it was found last, unless that was too long ago.
    pub(crate) fn get(&self, id: &Id, now: Instant) -> Option<Kept> {
        let mut inner = self.inner();
        let entry = inner.users.get(id)?;
        if now.saturating_duration_since(entry.found) > self.max_age {
            inner.remove(id);
            return None;
        }
        Some(entry.kept.clone())
    }

    /// The user was found; whoever was found longest ago makes room, and who was too long ago goes.
    pub(crate) fn insert(&self, id: &Id, kept: impl FnOnce() -> Kept, now: Instant) {
        if self.most == 0 {
            return;
        }
        let kept = kept();
        let mut inner = self.inner();
        inner.remove(id);
        while let Some((_, oldest)) = inner.order.first_key_value() {
            let is_old = |entry: &Entry| now.saturating_duration_since(entry.found) > self.max_age;
            if inner.users.len() < self.most && !inner.users.get(oldest).is_some_and(is_old) {
                break;
            }
            let oldest = oldest.clone();
            inner.remove(&oldest);
        }
        let number = inner.next;
        inner.next += 1;
        inner.order.insert(number, id.clone());
        inner.users.insert(id.clone(), Entry { number, found: now, kept });
    }

    /// Nobody has the user any more, who may have asked to be forgotten.
    pub(crate) fn remove(&self, id: &Id) {
        self.inner().remove(id);
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, id: &Id) {
        if let Some(entry) = self.users.remove(id) {
            self.order.remove(&entry.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(60);

    fn history(item: u32) -> Kept {
        Kept(Arc::new((vec![Event::new(Id::from(item), 5)], Features::default())))
    }

    fn item(users: &LastKnown, user: u32, now: Instant) -> Option<u64> {
        users.get(&Id::from(user), now).and_then(|kept| kept.history()[0].item.as_int())
    }

    #[test]
    fn the_newest_are_kept_for_their_time() {
        let (users, now) = (LastKnown::new(2, AGE), Instant::now());
        users.insert(&Id::from(1), || history(10), now);
        users.insert(&Id::from(2), || history(20), now);
        users.insert(&Id::from(1), || history(11), now + AGE / 2);
        users.insert(&Id::from(3), || history(30), now + AGE / 2);
        assert_eq!(item(&users, 2, now), None, "it was found longest ago");
        assert_eq!((item(&users, 1, now + AGE), item(&users, 3, now + AGE)), (Some(11), Some(30)));
        assert_eq!(item(&users, 1, now + AGE * 2), None);
        // Who is too old goes whoever comes.
        users.insert(&Id::from(4), || history(40), now + AGE * 2);
        assert_eq!(users.inner().users.len(), 1);
    }

    #[test]
    fn who_is_forgotten_is_gone() {
        let (users, now) = (LastKnown::new(2, AGE), Instant::now());
        users.insert(&Id::from(1), || history(10), now);
        users.remove(&Id::from(1));
        users.remove(&Id::from(2));
        assert_eq!(item(&users, 1, now), None);
        assert!(users.inner().order.is_empty());
    }

    #[test]
    fn however_many_are_found_it_stays_bounded() {
        let (users, now) = (LastKnown::new(100, AGE), Instant::now());
        for user in 0..1_000_u32 {
            users.insert(&Id::from(user % 150), || history(user), now);
        }
        let inner = users.inner();
        assert_eq!((inner.users.len(), inner.order.len()), (100, 100));
        drop(inner);
        let none = LastKnown::new(0, AGE);
        none.insert(&Id::from(1), || history(1), now);
        assert_eq!(item(&none, 1, now), None);
    }
}
