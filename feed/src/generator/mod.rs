//! Seeded users with known interests.
//!
//! A user has one to a few interests: categories with weights that fall geometrically, the faster
//! the less diverse the user is. Users act in sessions, several at a time. At each event one of
//! the open sessions is drawn, and its user
//!
//! 1. with probability `exploration` takes an item of any category (drawn evenly), by popularity;
//! 2. otherwise stays with the session's interest, or, with probability `switch`, draws it anew by
//!    the weights. (A session begins with such a draw, so in the long run each interest has the
//!    share of its weight.)
//! 3. In that interest, with probability `follow`, the item is a *neighbour* of the user's last
//!    item there: each item has `neighbours` fixed ones in its category, and neighbour k of n comes
//!    with probability (n + 1 − k) / (1 + 2 + … + n). Otherwise it is drawn by popularity: Zipf
//!    over the category's items.
//!
//! A session ends after each event with probability 1 / `session_events`; then another user's
//! begins, and with probability `drift` one of that user's interests becomes another category.
//!
//! So there is more to learn than popularity: which interests a user has, which one is in force,
//! and which items follow which. [`ceiling`] computes how much: the expected HR@10 and NDCG@10 of
//! an oracle that knows everything but the draws to come, which no learner can beat, and beside it
//! what running popularity reaches. With the default settings, over the second half of 400,000
//! events: the oracle 0.70 and 0.47, popularity an HR@10 of 0.048. Users meet items again, so items that a user has seen must not be
//! filtered from the ranking.
//!
//! Ids are integers from 1. The same settings give the same bytes.

mod catalogue;
mod ceiling;
mod settings;
mod truth;

use hmisr_stream::contract::{Event, Id, MAX_TS};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{EventLine, EventSource, FeedError};
use catalogue::Catalogue;

pub use ceiling::{Ceiling, ceiling};
pub use settings::GeneratorSettings;
pub use truth::{GroundTruth, Interest, MAX_PERIODS, Period, UserTruth};

/// Changes whenever the same settings would give other events.
pub const GENERATOR_VERSION: u32 = 1;

/// A stream of made-up events, with the truth behind it.
pub struct Generator {
    settings: GeneratorSettings,
    rng: ChaCha8Rng,
    catalogue: Catalogue,
    users: Vec<User>,
    sessions: Vec<Session>,
    truth: GroundTruth,
    ts: i64,
}

/// What a user is about to do depends on this.
struct User {
    slots: Vec<Slot>,
    in_session: bool,
}

/// One interest of a user.
struct Slot {
    category: usize,
    weight: f64,
    /// The user's last item in it (exploration aside), while it lasts.
    last: Option<u32>,
}

struct Session {
    user: usize,
    /// The interest in force; none before the session's first event.
    slot: Option<usize>,
}

impl Generator {
    /// Draws users, interests and items.
    ///
    /// # Errors
    /// [`FeedError::Setting`] for a setting outside its range.
    pub fn new(settings: GeneratorSettings) -> Result<Self, FeedError> {
        settings.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let catalogue = Catalogue::draw(&settings, &mut rng);
        let users: Vec<User> = (0..settings.users).map(|_| User::draw(&settings, &mut rng)).collect();
        let truth = GroundTruth::new(&settings, users.iter().map(User::interests));
        let ts = settings.start_ms;
        let mut generator = Self { settings, rng, catalogue, users, sessions: Vec::new(), truth, ts };
        // Half of the users at most: whoever begins a session is found in a few draws.
        let open = (generator.settings.open_sessions as usize).min(generator.users.len().div_ceil(2));
        for _ in 0..open {
            let user = generator.idle_user();
            generator.sessions.push(Session { user, slot: None });
        }
        Ok(generator)
    }

    /// The settings.
    pub fn settings(&self) -> &GeneratorSettings {
        &self.settings
    }

    /// What is true of the users up to the events given so far.
    pub fn ground_truth(&self) -> &GroundTruth {
        &self.truth
    }

    /// The next event; none at the end (at the latest at [`MAX_TS`]).
    pub fn next_event(&mut self) -> Option<Event> {
        let session = self.pick_session()?;
        Some(self.act(session))
    }

    /// Whose turn it is: the index of an open session.
    fn pick_session(&mut self) -> Option<usize> {
        let ended = self.settings.events.is_some_and(|events| self.truth.events >= events);
        if ended || self.ts >= MAX_TS {
            return None;
        }
        Some(self.rng.random_range(0..self.sessions.len()))
    }

    /// The event of a session's user.
    fn act(&mut self, at: usize) -> Event {
        let session = &mut self.sessions[at];
        let user = &mut self.users[session.user];
        let slot_at = match session.slot {
            Some(slot) if !self.rng.random_bool(self.settings.switch) => slot,
            _ => user.draw_slot(&mut self.rng),
        };
        session.slot = Some(slot_at);
        let item = if self.rng.random_bool(self.settings.exploration) {
            let category = self.rng.random_range(0..self.settings.categories as usize);
            self.catalogue.draw_popular(category, &mut self.rng)
        } else {
            let slot = &mut user.slots[slot_at];
            let item = match slot.last {
                Some(last) if self.rng.random_bool(self.settings.follow) => {
                    self.catalogue.draw_neighbour(last, &mut self.rng)
                }
                _ => self.catalogue.draw_popular(slot.category, &mut self.rng),
            };
            slot.last = Some(item);
            item
        };
        let event = Event {
            user_id: id(session.user),
            item_id: id(item as usize),
            category: id(self.catalogue.category(item)),
            categories: Vec::new(),
            action: self.settings.action.clone(),
            ts: self.ts,
            weight: None,
            request_id: None,
            event_id: None,
            is_tail: None,
        };
        self.truth.events += 1;
        self.ts = self.ts.saturating_add(self.gap());
        if self.rng.random_bool(1.0 / self.settings.session_events) {
            self.begin_session(at);
        }
        event
    }

    /// At least 1 ms, exponential, `mean_gap_ms` on average (but for rounding).
    fn gap(&mut self) -> i64 {
        let u: f64 = self.rng.random();
        let rest = (self.settings.mean_gap_ms - 1.0) * -(1.0 - u).ln();
        1 + rest.round() as i64
    }

    fn begin_session(&mut self, at: usize) {
        self.users[self.sessions[at].user].in_session = false;
        let user = self.idle_user();
        self.sessions[at] = Session { user, slot: None };
        if self.rng.random_bool(self.settings.drift) {
            self.drift(user);
        }
    }

    fn idle_user(&mut self) -> usize {
        loop {
            let user = self.rng.random_range(0..self.users.len());
            if !self.users[user].in_session {
                self.users[user].in_session = true;
                return user;
            }
        }
    }

    /// One interest of the user becomes a category that is none of them.
    fn drift(&mut self, at: usize) {
        let user = &mut self.users[at];
        let categories = self.settings.categories as usize;
        if user.slots.len() >= categories {
            return;
        }
        let slot = self.rng.random_range(0..user.slots.len());
        let category = user.draw_other(categories, &mut self.rng);
        let weight = user.slots[slot].weight;
        user.slots[slot] = Slot { category, weight, last: None };
        let interests = user.interests();
        self.truth.drifted(at, self.ts, interests);
    }
}

impl User {
    fn draw(settings: &GeneratorSettings, rng: &mut ChaCha8Rng) -> Self {
        let count = rng.random_range(settings.min_interests..=settings.max_interests);
        let spread = rng.random_range(settings.min_spread..=1.0);
        let mut user = Self { slots: Vec::new(), in_session: false };
        for _ in 0..count {
            let category = user.draw_other(settings.categories as usize, rng);
            user.slots.push(Slot { category, weight: 0.0, last: None });
        }
        let mut left = 1.0;
        for slot in &mut user.slots {
            slot.weight = left;
            left *= spread;
        }
        let sum: f64 = user.slots.iter().map(|slot| slot.weight).sum();
        user.slots.iter_mut().for_each(|slot| slot.weight /= sum);
        user
    }

    /// A category that is none of the user's interests; there must be one.
    fn draw_other(&self, categories: usize, rng: &mut ChaCha8Rng) -> usize {
        loop {
            let category = rng.random_range(0..categories);
            if self.slots.iter().all(|slot| slot.category != category) {
                return category;
            }
        }
    }

    fn draw_slot(&self, rng: &mut ChaCha8Rng) -> usize {
        let mut left: f64 = rng.random();
        for (at, slot) in self.slots.iter().enumerate() {
            left -= slot.weight;
            if left < 0.0 {
                return at;
            }
        }
        self.slots.len() - 1
    }

    fn interests(&self) -> Vec<Interest> {
        let interest = |slot: &Slot| Interest { category: slot.category as u64 + 1, weight: slot.weight };
        self.slots.iter().map(interest).collect()
    }
}

/// The id of an index: settings keep every count below 2³².
fn id(index: usize) -> Id {
    Id::from(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

impl EventSource for Generator {
    fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
        let event = self.next_event()?;
        Some(Ok(EventLine { key: Some(event.user_id.to_string().into_bytes()), payload: event.encode() }))
    }

    fn total(&self) -> Option<u64> {
        self.settings.events
    }

    fn share_read(&self) -> Option<f64> {
        let total = self.settings.events?;
        Some(if total == 0 { 1.0 } else { self.truth.events as f64 / total as f64 })
    }

    fn fingerprint(&self) -> String {
        self.settings.fingerprint()
    }

    fn describe(&self) -> String {
        let GeneratorSettings { users, items, categories, seed, .. } = &self.settings;
        format!("generator: {users} users, {items} items in {categories} categories, seed {seed}")
    }

    fn truth(&self) -> Option<GroundTruth> {
        Some(self.truth.clone())
    }
}
