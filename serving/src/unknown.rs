//! Users whom nobody has, for a moment: asking for one asks every owner.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hmisr_stream::contract::Id;

/// How long a user stays unknown without anybody being asked again.
const LASTS: Duration = Duration::from_secs(1);
/// Users kept; beyond it the oldest goes.
const MOST: usize = 10_000;

/// Users who were unknown within the last second, a bounded number.
#[derive(Default)]
pub(crate) struct UnknownUsers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    until: HashMap<Id, Instant>,
    /// The same in the order in which they came, which is the one in which they go.
    order: VecDeque<(Instant, Id)>,
}

impl UnknownUsers {
    /// Whether the user was unknown a moment ago.
    pub(crate) fn holds(&self, id: &Id, now: Instant) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.until.get(id).is_some_and(|until| *until > now)
    }

    /// Nobody has the user now.
    pub(crate) fn insert(&self, id: &Id, now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = now + LASTS;
        while inner.order.front().is_some_and(|(until, _)| *until <= now || inner.order.len() >= MOST) {
            let Some((gone_at, gone)) = inner.order.pop_front() else { break };
            // Unless it has come again since.
            if inner.until.get(&gone) == Some(&gone_at) {
                inner.until.remove(&gone);
            }
        }
        inner.until.insert(id.clone(), until);
        inner.order.push_back((until, id.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_unknown_for_a_second_and_no_longer() {
        let (users, now) = (UnknownUsers::default(), Instant::now());
        let user = Id::from(1);
        assert!(!users.holds(&user, now));
        users.insert(&user, now);
        assert!(users.holds(&user, now + LASTS / 2));
        assert!(!users.holds(&Id::from(2), now));
        assert!(!users.holds(&user, now + LASTS));
        users.insert(&user, now + LASTS / 2);
        // The first time going does not take the second with it.
        users.insert(&Id::from(2), now + LASTS);
        assert!(users.holds(&user, now + LASTS));
    }

    #[test]
    fn however_many_are_asked_for_it_stays_bounded() {
        let (users, now) = (UnknownUsers::default(), Instant::now());
        for user in 0..3 * MOST as u32 {
            users.insert(&Id::from(user), now);
        }
        let inner = users.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((inner.until.len(), inner.order.len()), (MOST, MOST));
    }
}
