//! Users whose DiversityScore waits for its label: what they choose next.
//!
//! The label of an example is known when twenty more choices of its user have come, mostly in other batches. So what
//! was read of one example of a user is kept until then. A stream has more users than a trainer may remember: kept
//! are those with the smallest hashes, so that who is kept stays kept, however many come between.

use std::collections::BTreeMap;

use hmisr_model::random::SplitMix;
use hmisr_recommend::Inputs;
use hmisr_stream::contract::Id;

/// Users that are kept, at most.
const USERS: usize = 16_384;

/// An example that waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waits {
    /// The target's position in the user's life.
    pub(crate) position: u64,
    /// What was read of the user before the target.
    pub(crate) before: Inputs,
}

/// By the hash of the user, and the user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Waiting(pub(crate) BTreeMap<(u64, Id), Waits>);

fn key(user: &Id) -> (u64, Id) {
    (SplitMix::keyed(0, &user.key()).next(), user.clone())
}

impl Waiting {
    /// What waits of a user.
    pub(crate) fn of(&self, user: &Id) -> Option<Waits> {
        self.0.get(&key(user)).copied()
    }

    /// Lets an example of the user wait, in the place of any other.
    pub(crate) fn keep(&mut self, user: &Id, waits: Waits) {
        self.0.insert(key(user), waits);
        if self.0.len() > USERS {
            self.0.pop_last();
        }
    }

    pub(crate) fn forget(&mut self, user: &Id) {
        self.0.remove(&key(user));
    }
}

#[cfg(test)]
mod tests {
    use hmisr_features::Features;
    use hmisr_recommend::Catalogue;

    use super::*;

    #[test]
    fn who_is_kept_stays_kept_however_many_come() {
        let waits =
            Waits { position: 5, before: Inputs::of(&Catalogue::default(), &[], &Features::default()) };
        let mut waiting = Waiting::default();
        (0u32..20_000).for_each(|user| waiting.keep(&Id::from(user), waits));
        assert_eq!(waiting.0.len(), USERS);
        let kept: Vec<Id> = waiting.0.keys().map(|(_, user)| user.clone()).collect();
        (20_000u32..40_000).for_each(|user| waiting.keep(&Id::from(user), waits));
        let still = kept.iter().filter(|user| waiting.of(user).is_some()).count();
        assert!((6_000..11_000).contains(&still), "{still}");
    }
}
