//! The partition's clock: event time that no single producer can move.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::Id;

/// Users whose newest times the clock looks at.
const SLOTS: usize = 255;
/// The clock is undefined while fewer users have applied events.
const FEWEST: usize = 16;
/// The clock is set after every so many applied events of the partition.
const EVERY: u64 = 64;
/// The place of no slot.
const NONE: u32 = u32::MAX;

/// The clock, and the newest times of the users whose applied events are the most recent.
///
/// It is the running maximum of the lower median of those times: however far the clock of one user, or
/// of a hundred, is wrong, half of the users stand behind the median. A user has one slot however many
/// events it sends. Finding and moving a slot is O(1); the median is taken over 255 numbers every 64 events.
#[derive(Debug, Clone)]
pub struct Clock {
    now: Option<i64>,
    places: HashMap<Id, u32, RandomState>,
    slots: Vec<Slot>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Clone)]
struct Slot {
    user: Id,
    newest_ts: i64,
    older: u32,
    newer: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: None, places: HashMap::default(), slots: Vec::new(), oldest: NONE, newest: NONE }
    }
}

impl Clock {
    /// A clock that stands at `now`, with its slots, the one whose event is the oldest first.
    pub fn with(now: Option<i64>, slots: impl IntoIterator<Item = (Id, i64)>) -> Self {
        let mut clock = Self { now, ..Self::default() };
        slots.into_iter().for_each(|(user, newest_ts)| clock.show(&user, newest_ts));
        clock
    }

    /// The clock, epoch milliseconds of event time; none while it is undefined.
    pub fn now(&self) -> Option<i64> {
        self.now
    }

    /// The users looked at with their newest times, the one whose event is the oldest first.
    pub fn slots(&self) -> impl Iterator<Item = (&Id, i64)> {
        let slot = |at: u32| self.slots.get(at as usize);
        std::iter::successors(slot(self.oldest), move |it| slot(it.newer)).map(|it| (&it.user, it.newest_ts))
    }

    /// How many users are looked at.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no user is looked at.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// An event of `user`, the partition's `applied`-th, was applied; `newest_ts` is the user's since.
    pub(crate) fn applied(&mut self, user: &Id, newest_ts: i64, applied: u64) {
        self.show(user, newest_ts);
        if applied.is_multiple_of(EVERY) && self.slots.len() >= FEWEST {
            self.now = self.now.max(self.median());
        }
    }

    /// The user's newest time is another now, by an event that does not count as applied.
    pub(crate) fn noted(&mut self, user: &Id, newest_ts: i64) {
        if let Some(at) = self.places.get(user) {
            self.slots[*at as usize].newest_ts = newest_ts;
        }
    }

    /// The user is forgotten: nothing of it stays.
    pub fn forget(&mut self, user: &Id) {
        let Some(at) = self.places.remove(user) else { return };
        self.unlink(at);
        self.slots.swap_remove(at as usize);
        // The last slot lies where the removed one was.
        let Some(moved) = self.slots.get(at as usize) else { return };
        let (older, newer) = (moved.older, moved.newer);
        if let Some(place) = self.places.get_mut(&self.slots[at as usize].user) {
            *place = at;
        }
        self.join(older, at);
        self.join(at, newer);
    }

    fn show(&mut self, user: &Id, newest_ts: i64) {
        let at = match self.places.get(user) {
            Some(&at) => {
                self.unlink(at);
                at
            }
            None => {
                let at = if self.slots.len() < SLOTS {
                    self.slots.push(Slot { user: user.clone(), newest_ts, older: NONE, newer: NONE });
                    self.slots.len() as u32 - 1
                } else {
                    let at = self.oldest;
                    self.unlink(at);
                    let gone = std::mem::replace(&mut self.slots[at as usize].user, user.clone());
                    self.places.remove(&gone);
                    at
                };
                self.places.insert(user.clone(), at);
                at
            }
        };
        self.slots[at as usize].newest_ts = newest_ts;
        self.join(self.newest, at);
        self.join(at, NONE);
    }

    /// Takes a slot out of the order.
    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = self.slots[at as usize];
        self.join(older, newer);
    }

    /// Lets `newer` follow `older`; either may be none, the end of the order.
    fn join(&mut self, older: u32, newer: u32) {
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }

    /// The lower median of the newest times.
    fn median(&self) -> Option<i64> {
        let mut times: Vec<i64> = self.slots.iter().map(|slot| slot.newest_ts).collect();
        let middle = times.len().checked_sub(1)? / 2;
        Some(*times.select_nth_unstable(middle).1)
    }
}

/// Equal where all that counts is: where a slot lies in memory does not.
impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now && self.slots().eq(other.slots())
    }
}

impl Eq for Clock {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Applied(u32, i64),
        Noted(u32, i64),
        Forget(u32),
    }

    fn step(users: u32) -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (0..users, any::<i32>()).prop_map(|(user, ts)| Step::Applied(user, ts.into())),
            3 => (0..users, any::<i32>()).prop_map(|(user, ts)| Step::Noted(user, ts.into())),
            1 => (0..users).prop_map(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn slots_are_the_last_users_in_the_order_of_their_events(
            steps in (1..600u32).prop_flat_map(|users| prop::collection::vec(step(users), 1..1_500)),
        ) {
            let mut clock = Clock::default();
            let (mut order, mut now, mut applied): (Vec<(u32, i64)>, Option<i64>, u64) = (Vec::new(), None, 0);
            for step in steps {
                match step {
                    Step::Applied(user, ts) => {
                        order.retain(|(known, _)| *known != user);
                        order.push((user, ts));
                        if order.len() > 255 {
                            order.remove(0);
                        }
                        applied += 1;
                        clock.applied(&Id::from(user), ts, applied);
                        if applied % 64 == 0 && order.len() >= 16 {
                            let mut times: Vec<i64> = order.iter().map(|(_, ts)| *ts).collect();
                            times.sort_unstable();
                            now = now.max(Some(times[(times.len() - 1) / 2]));
                        }
                    }
                    Step::Noted(user, ts) => {
                        order.iter_mut().filter(|(known, _)| *known == user).for_each(|slot| slot.1 = ts);
                        clock.noted(&Id::from(user), ts);
                    }
                    Step::Forget(user) => {
                        order.retain(|(known, _)| *known != user);
                        clock.forget(&Id::from(user));
                    }
                }
                prop_assert_eq!(clock.now(), now);
                let slots: Vec<_> = clock.slots().map(|(user, ts)| (user.as_int().unwrap() as u32, ts)).collect();
                prop_assert_eq!(&slots, &order);
            }
            let again = Clock::with(clock.now(), clock.slots().map(|(user, ts)| (user.clone(), ts)));
            prop_assert_eq!(again, clock);
        }
    }
}
