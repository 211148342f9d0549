//! Users whose DiversityScore waits for its label: what they choose next.
//!
//! The label of an example is known when twenty more of its user's events have come, mostly in another batch. So the
//! features of one example of a user are kept until then. A stream has more users than a trainer may remember: kept
//! are those with the smallest hashes, so that who is kept stays kept, however many come between.

use std::collections::BTreeMap;

use hmisr_features::Features;
use hmisr_model::random::SplitMix;
use hmisr_stream::contract::{Id, TrainingExample};

/// Users that are kept, at most.
const USERS: usize = 16_384;
/// Events that make a label.
pub(crate) const FOLLOWERS: u64 = 20;

/// An example that waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waits {
    /// The target's position in the user's life.
    pub(crate) position: u64,
    /// The target's row.
    pub(crate) target: u32,
    /// The user's features before the target.
    pub(crate) features: Features,
}

/// By the hash of the user, and the user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Waiting(pub(crate) BTreeMap<(u64, Id), Waits>);

fn key(user: &Id) -> (u64, Id) {
    (SplitMix::keyed(0, &user.key()).next(), user.clone())
}

impl Waiting {
    /// What waits of a user whose event at `position` has come, where its label is known by then.
    pub(crate) fn due(&self, user: &Id, position: u64) -> Option<&Waits> {
        self.0.get(&key(user)).filter(|waits| waits.position + FOLLOWERS <= position)
    }

    /// Notes an example, `target` being its row: it waits where none of its user does, or none that still may
    /// get a label.
    pub(crate) fn note(&mut self, example: &TrainingExample, target: u32) {
        let (key, position) = (key(&example.user), example.position);
        if self
            .0
            .get(&key)
            .is_some_and(|waits| (waits.position..waits.position + FOLLOWERS).contains(&position))
        {
            return;
        }
        self.0.insert(key, Waits { position, target, features: example.features });
        if self.0.len() > USERS {
            self.0.pop_last();
        }
    }

    /// Keeps what was kept before.
    pub(crate) fn keep(&mut self, user: &Id, waits: Waits) {
        self.0.insert(key(user), waits);
    }

    pub(crate) fn forget(&mut self, user: &Id) {
        self.0.remove(&key(user));
    }
}

#[cfg(test)]
mod tests {
    use hmisr_testkit::messages;

    use super::*;

    fn example(user: u32, position: u64) -> TrainingExample {
        let visit = |item: u32| (Id::from(item), Id::from(0), 1_000);
        TrainingExample { position, ..messages::example(user, &[visit(1)], visit(2)) }
    }

    #[test]
    fn an_example_waits_for_twenty_events() {
        let (mut waiting, user) = (Waiting::default(), Id::from(1));
        waiting.note(&example(1, 5), 7);
        waiting.note(&example(1, 6), 8);
        assert!(waiting.due(&user, 24).is_none());
        assert_eq!(waiting.due(&user, 25).map(|waits| (waits.position, waits.target)), Some((5, 7)));
        waiting.note(&example(1, 25), 9);
        assert_eq!(waiting.due(&user, 45).map(|waits| waits.target), Some(9));
        // A life that began anew waits anew.
        waiting.note(&example(1, 2), 3);
        assert_eq!(waiting.due(&user, 22).map(|waits| waits.target), Some(3));
        waiting.forget(&user);
        assert!(waiting.due(&user, 99).is_none());
    }

    #[test]
    fn who_is_kept_stays_kept_however_many_come() {
        let mut waiting = Waiting::default();
        (0..20_000).for_each(|user| waiting.note(&example(user, 5), 1));
        assert_eq!(waiting.0.len(), USERS);
        let kept: Vec<Id> = waiting.0.keys().map(|(_, user)| user.clone()).collect();
        (20_000..40_000).for_each(|user| waiting.note(&example(user, 5), 1));
        let still = kept.iter().filter(|user| waiting.due(user, 25).is_some()).count();
        assert!((6_000..11_000).contains(&still), "{still}");
    }
}
