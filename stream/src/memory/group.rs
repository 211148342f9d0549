//! A consumer group: members, generations, and who owns what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::MemoryGroup;

/// What a member learns from the group when it polls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is not a member any more, or not yet.
    Unknown,
    Lost(Vec<i32>),
    Gained(Vec<i32>),
    None,
}

#[derive(Default)]
struct Member {
    owned: BTreeSet<i32>,
    target: BTreeSet<i32>,
    polled: Duration,
}

/// A group over the partitions of one topic. Rebalances are cooperative: a partition is given to
/// its next owner when the last one has let it go, or is no member any more.
#[derive(Default)]
pub(super) struct Group {
    generation: u32,
    members: BTreeMap<u32, Member>,
    joined: u32,
    /// Per partition the committed next offset.
    committed: BTreeMap<i32, i64>,
    partitions: i32,
}

impl Group {
    pub(super) fn new(partitions: i32) -> Self {
        Self { partitions, ..Self::default() }
    }

    pub(super) fn join(&mut self, now: Duration) -> u32 {
        self.joined += 1;
        self.members.insert(self.joined, Member { polled: now, ..Member::default() });
        self.rebalance();
        self.joined
    }

    pub(super) fn leave(&mut self, member: u32) {
        if self.members.remove(&member).is_some() {
            self.rebalance();
        }
    }

    /// Removes members that have not polled since `before`.
    pub(super) fn expire(&mut self, before: Duration) {
        let count = self.members.len();
        self.members.retain(|_, member| member.polled >= before);
        if self.members.len() != count {
            self.rebalance();
        }
    }

    /// Removes the member that joined first or last, as a group does whose heartbeats were lost.
    pub(super) fn evict(&mut self, first: bool) {
        let member = if first { self.members.keys().next() } else { self.members.keys().next_back() };
        if let Some(member) = member.copied() {
            self.leave(member);
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Who polls lets go what it was told to, and learns what has changed since the answer that
    /// reached it last: `known` is what it holds.
    pub(super) fn poll(&mut self, id: u32, known: &[i32], released: &[i32], now: Duration) -> News {
        let Some(member) = self.members.get_mut(&id) else { return News::Unknown };
        member.polled = now;
        let owned = member.owned.len();
        member.owned.retain(|partition| !released.contains(partition));
        self.generation += u32::from(member.owned.len() < owned);
        let taken: BTreeSet<i32> = self
            .members
            .iter()
            .filter(|(other, _)| **other != id)
            .flat_map(|(_, other)| other.owned.iter().copied())
            .collect();
        let Some(member) = self.members.get_mut(&id) else { return News::Unknown };
        let lost: Vec<i32> = member.owned.difference(&member.target).copied().collect();
        if !lost.is_empty() {
            return News::Lost(lost);
        }
        let free = |partition: &&i32| !known.contains(*partition) && !taken.contains(*partition);
        let gained: Vec<i32> = member.target.iter().filter(free).copied().collect();
        if gained.is_empty() {
            return News::None;
        }
        member.owned.extend(&gained);
        News::Gained(gained)
    }

    /// Whether these offsets come from a member of the present generation.
    pub(super) fn takes(&self, from: &MemoryGroup) -> bool {
        self.generation == from.generation && self.members.contains_key(&from.member)
    }

    pub(super) fn commit(&mut self, partition: i32, offset: i64) {
        self.committed.insert(partition, offset);
    }

    pub(super) fn committed(&self, partition: i32) -> Option<i64> {
        self.committed.get(&partition).copied()
    }

    /// Shares the partitions out anew: everyone keeps what it may, in the order of joining.
    fn rebalance(&mut self) {
        self.generation += 1;
        let count = self.members.len() as i32;
        if count == 0 {
            return;
        }
        let mut free: BTreeSet<i32> = (0..self.partitions).collect();
        let share =
            |place: i32| (self.partitions / count + i32::from(place < self.partitions % count)) as usize;
        for (place, member) in (0..).zip(self.members.values_mut()) {
            member.target = member
                .owned
                .iter()
                .filter(|owned| free.contains(*owned))
                .take(share(place))
                .copied()
                .collect();
            free.retain(|partition| !member.target.contains(partition));
        }
        for (place, member) in (0..).zip(self.members.values_mut()) {
            while member.target.len() < share(place) {
                let Some(partition) = free.pop_first() else { return };
                member.target.insert(partition);
            }
        }
    }
}
