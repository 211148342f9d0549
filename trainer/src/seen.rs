//! What each user has seen, so that a ranking can leave it out.

use std::collections::HashMap;
use std::ops::Range;

use hmisr_stream::contract::Id;

/// Seen rows per user, bounded over all users.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub(crate) users: HashMap<Id, SeenUser>,
    pub(crate) entries: usize,
    pub(crate) clock: u64,
    /// Users dropped to stay within the bound, so far.
    pub(crate) dropped: u64,
}

/// One user's seen rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SeenUser {
    /// Position, in the user's life, of the next event that was not yet looked at.
    pub(crate) next: u64,
    /// When the user was last touched, by the clock of [`Seen`].
    pub(crate) touched: u64,
    /// Rows before this belong to a life that ended within the batch.
    start: usize,
    /// Rows in order of sight; one may stand twice.
    pub(crate) rows: Vec<u32>,
}

impl SeenUser {
    pub(crate) fn restored(next: u64, touched: u64, rows: Vec<u32>) -> Self {
        Self { next, touched, start: 0, rows }
    }
}

impl Seen {
    /// Notes an example: `history` are the rows of the events at positions before `position`,
    /// newest last, and `target` is the row at `position`. Returns which of the user's rows were
    /// seen before the target. A position that does not increase is a user who began anew.
    pub fn note(&mut self, user: &Id, position: u64, history: &[u32], target: u32) -> Range<usize> {
        if !self.users.contains_key(user) {
            self.users.insert(user.clone(), SeenUser::default());
        }
        self.clock += 1;
        let Some(seen) = self.users.get_mut(user) else { return 0..0 };
        seen.touched = self.clock;
        if position < seen.next {
            seen.start = seen.rows.len();
            seen.next = 0;
        }
        let first = position.saturating_sub(history.len() as u64);
        let known = seen.next.saturating_sub(first).min(history.len() as u64) as usize;
        let before = seen.rows.len();
        seen.rows.extend_from_slice(&history[known..]);
        let range = seen.start..seen.rows.len();
        seen.rows.push(target);
        seen.next = position + 1;
        self.entries += seen.rows.len() - before;
        range
    }

    /// The user's rows in `range`, as [`Seen::note`] gave it.
    pub fn rows(&self, user: &Id, range: Range<usize>) -> &[u32] {
        self.users.get(user).and_then(|seen| seen.rows.get(range)).unwrap_or_default()
    }

    /// Forgets a user.
    pub fn forget(&mut self, user: &Id) {
        if let Some(seen) = self.users.remove(user) {
            self.entries -= seen.rows.len();
        }
    }

    /// Ends a batch: drops ended lives, and above `bound` entries the users seen longest ago.
    pub fn settle<'a>(&mut self, users: impl Iterator<Item = &'a Id>, bound: usize) {
        for user in users {
            if let Some(seen) = self.users.get_mut(user) {
                self.entries -= seen.start;
                seen.rows.drain(..seen.start);
                seen.start = 0;
            }
        }
        if self.entries <= bound {
            return;
        }
        let mut oldest: Vec<(u64, Id)> =
            self.users.iter().map(|(user, seen)| (seen.touched, user.clone())).collect();
        oldest.sort_unstable_by_key(|(touched, _)| *touched);
        // A tenth below the bound, so that this is not done for every batch.
        for (_, user) in oldest {
            if self.entries <= bound - bound / 10 {
                break;
            }
            self.forget(&user);
            self.dropped += 1;
        }
    }

    /// Seen entries over all users.
    pub fn entries(&self) -> usize {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_enter_once_and_a_restart_begins_anew() {
        let mut seen = Seen::default();
        let user = Id::from(1);
        let first = seen.note(&user, 2, &[10, 11], 12);
        // Event 3 was no target; it comes with the next history.
        let second = seen.note(&user, 4, &[11, 12, 13], 14);
        assert_eq!(seen.rows(&user, first), [10, 11]);
        assert_eq!(seen.rows(&user, second), [10, 11, 12, 13]);
        let third = seen.note(&user, 1, &[20], 21);
        assert_eq!(seen.rows(&user, third), [20]);
        assert_eq!(seen.entries(), 7);
        seen.settle([user.clone()].iter(), 100);
        assert_eq!(seen.entries(), 2);
        let fourth = seen.note(&user, 2, &[20, 21], 22);
        assert_eq!(seen.rows(&user, fourth), [20, 21]);
    }

    #[test]
    fn the_users_seen_longest_ago_are_dropped() {
        let mut seen = Seen::default();
        let users: Vec<Id> = (0..10u32).map(Id::from).collect();
        for user in &users {
            seen.note(user, 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
        }
        seen.settle(users.iter(), 50);
        assert_eq!(seen.entries(), 40);
        assert_eq!(seen.dropped, 6);
        assert!(seen.rows(&users[5], 0..1).is_empty());
        assert_eq!(seen.rows(&users[6], 0..2), [1, 2]);
    }
}
