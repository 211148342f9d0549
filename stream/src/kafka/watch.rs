//! The thread that looks whether every partition of the topic has an owner, and how far the group is.
//!
//! A group can be stable while partitions are nobody's, and then it stays so for as long as nobody
//! joins or leaves. Whoever leads a group of another client can leave some out; and a member with a
//! name of its own (`group_instance_id`) that dies between the two rebalances by which partitions
//! move comes back into a stable group, which knows nothing of the partitions that it was to hand
//! over (see [`super::rebalance`], which ends that at the start). So every member asks the
//! coordinator, every [`LOOK`], who has what. Where a partition of a stable group has been without an owner
//! for [`HOLE`], one member after the other, by the order of their ids, joins anew, which makes the group
//! assign everything again. Where that is because a member takes long to let go (it may take
//! `revoke_timeout_ms`), the rebalance waits for it, and whoever joined anew has nothing until then.
//!
//! In the protocol `consumer` (KIP-848) the brokers keep the assignment, and give what a member has not
//! taken to nobody else while that one lives; who has what cannot be asked there (see
//! [`group::describe`]). So there a partition counts as nobody's when its log has grown, and the group has
//! committed nothing of it, for several times what a hand-over may take. This member's own do not: one that
//! replays what its store is behind commits nothing until it is through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::group::{self, Group};
use super::rebalance::SourceContext;
use crate::{Condition, Silence};

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(3);
/// How soon the thread sees that it is to end.
const TICK: Duration = Duration::from_millis(50);
/// How long a question may take, at most: the end of a source waits for it.
const QUESTION: Duration = Duration::from_secs(2);
/// How long a partition of a stable group may be nobody's.
const HOLE: Duration = Duration::from_secs(15);
/// How long until that is more than a rebalance: it is told, and an instance is not ready.
const ABANDONED: Duration = Duration::from_secs(30);
/// How long the brokers may leave all questions unanswered until it is told.
const SILENT: Duration = Duration::from_secs(15);
/// Between one member's joining anew and the next one's.
const TURN: Duration = Duration::from_secs(5);
/// How many hand-overs the group may take until it commits something, and how long at least.
const HAND_OVERS: u32 = 5;
const COMMITS: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) brokers: String,
    pub(super) partitions: i32,
    /// How long a member may take to hand a partition over.
    pub(super) hand_over: Duration,
    /// How long a question may take.
    pub(super) timeout: Duration,
    /// Whether the group can be asked who has what.
    pub(super) tells_owners: bool,
}

/// How far the group is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offsets {
    /// What it has committed, or the begin of the log.
    committed: i64,
    /// The last stable offset.
    end: i64,
}

impl Watched {
    /// How long a partition may be nobody's.
    fn patience(&self) -> Duration {
        if self.tells_owners { ABANDONED } else { self.hand_over.saturating_mul(HAND_OVERS).max(COMMITS) }
    }
}

/// How far the group was when it last committed, and since when it could have read on.
#[derive(Debug, Clone, Copy)]
struct Standing {
    offsets: Offsets,
    grows_since: Option<Instant>,
}

/// What was seen last.
#[derive(Debug, Default)]
struct Seen {
    unowned: BTreeMap<i32, Instant>,
    standing: BTreeMap<i32, Standing>,
    group: Option<String>,
    lag: Option<u64>,
    answered: Option<Instant>,
    abandoned: bool,
    /// Whether it was said.
    told: bool,
    rejoin: bool,
}

impl Seen {
    /// Learns what the coordinator says. `me` is this member's id.
    fn learn(&mut self, group: &Group, me: Option<&str>, watched: &Watched, now: Instant) {
        self.answered = Some(now);
        self.group = watched.tells_owners.then(|| group.text());
        if watched.tells_owners && group.tells_owners() {
            let unowned = group.unowned(watched.partitions);
            self.unowned.retain(|partition, _| unowned.contains(partition));
            for partition in unowned {
                self.unowned.entry(partition).or_insert(now);
            }
        }
        self.judge(watched, now);
        let turn = TURN.saturating_mul(group.rank(me.unwrap_or_default()));
        self.rejoin =
            watched.tells_owners && group.is_stable() && self.longest(now) >= HOLE.saturating_add(turn);
    }

    /// Learns how far the group is, partition by partition. `own`: those that this member has.
    fn learn_offsets(&mut self, offsets: &[Offsets], own: &[i32], watched: &Watched, now: Instant) {
        self.answered = Some(now);
        self.lag =
            Some(offsets.iter().map(|it| u64::try_from(it.end - it.committed).unwrap_or(0)).sum::<u64>());
        if watched.tells_owners {
            return;
        }
        for (partition, &offsets) in (0..).zip(offsets) {
            let first = Standing { offsets, grows_since: None };
            let standing = self.standing.entry(partition).or_insert(first);
            if standing.offsets.committed != offsets.committed || own.contains(&partition) {
                *standing = first;
            }
            // One more is the marker of a transaction that had ended just then: no record.
            let grows = offsets.end > standing.offsets.end.max(offsets.committed) + 1;
            standing.grows_since = grows.then(|| standing.grows_since.unwrap_or(now));
            match standing.grows_since {
                Some(since) if now.saturating_duration_since(since) >= watched.patience() => {
                    self.unowned.insert(partition, since);
                }
                _ => drop(self.unowned.remove(&partition)),
            }
        }
        self.judge(watched, now);
    }

    /// How long a partition has been without an owner.
    fn longest(&self, now: Instant) -> Duration {
        self.unowned.values().min().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
    }

    /// Says so when partitions have been nobody's for too long, and when that is over.
    fn judge(&mut self, watched: &Watched, now: Instant) {
        let longest = self.longest(now);
        let is_long = longest >= watched.patience();
        // A member that replays commits nothing either: where owners are not told, nobody is unready for it.
        self.abandoned = is_long && watched.tells_owners;
        let was = std::mem::replace(&mut self.told, is_long);
        let (partitions, group_id) = (self.unowned.keys().collect::<Vec<_>>(), &watched.group);
        let group = self.group.as_deref().unwrap_or("not known");
        let remedy = match watched.tells_owners {
            true => "its members join anew, one after the other, until all are assigned",
            false => {
                "a member may replay them, or be held up by a batch that it cannot read: its /readyz says so; \
                      one that does nothing is to be ended"
            }
        };
        match (was, is_long) {
            (false, true) => tracing::error!(
                topic = watched.topic,
                ?partitions,
                "nobody in the group {group_id} has read these partitions for {} s. The group is {group}; {remedy}",
                longest.as_secs(),
            ),
            (true, false) => tracing::info!(topic = watched.topic, "every partition has an owner again"),
            _ => {}
        }
    }
}

/// The watch of a source.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    brokers: String,
    begun: Instant,
    thread: JoinHandle<()>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Starts the thread, which ends soon after the consumer's context is closed.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub(super) fn start(
        consumer: Arc<BaseConsumer<SourceContext>>,
        watched: Watched,
    ) -> std::io::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (brokers, begun) = (watched.brokers.clone(), Instant::now());
        let thread = std::thread::Builder::new().name("kafka-watch".to_owned()).spawn({
            let seen = seen.clone();
            move || {
                let mut refused = false;
                while !consumer.context().is_closing() {
                    look(&consumer, &watched, &seen, &mut refused);
                    let looked = Instant::now();
                    while looked.elapsed() < LOOK && !consumer.context().is_closing() {
                        std::thread::sleep(TICK);
                    }
                }
            }
        })?;
        Ok(Self { seen, brokers, begun, thread })
    }

    /// Waits for the thread, whose consumer was closed.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that watches the group ended by a panic");
        }
    }

    /// Whether this member is to join anew.
    pub(super) fn wants_rejoin(&self) -> bool {
        lock(&self.seen).rejoin
    }

    /// Whether the brokers answered a short while ago.
    pub(super) fn is_answered(&self) -> bool {
        lock(&self.seen).answered.is_some_and(|at| at.elapsed() < LOOK * 3)
    }

    /// What was seen last.
    pub(super) fn condition(&self) -> Condition {
        let seen = lock(&self.seen);
        let lasting = seen.answered.unwrap_or(self.begun).elapsed();
        Condition {
            silence: (lasting >= SILENT).then(|| Silence { lasting, brokers: self.brokers.clone() }),
            stuck: Vec::new(),
            unowned: seen.unowned.keys().copied().collect(),
            abandoned: seen.abandoned,
            topic_lag: seen.lag,
            group: seen.group.clone(),
        }
    }
}

fn look(consumer: &BaseConsumer<SourceContext>, watched: &Watched, seen: &Mutex<Seen>, refused: &mut bool) {
    let timeout = watched.timeout.min(QUESTION);
    match group::describe(consumer, &watched.group, &watched.topic, timeout) {
        Ok(group) => {
            let me = group::member_id(consumer.client());
            lock(seen).learn(&group, me.as_deref(), watched, Instant::now());
        }
        // An error of the brokers' own is an answer too. Those that are away are told of by their silence.
        Err(code) => {
            if code as i32 > 0 {
                lock(seen).answered = Some(Instant::now());
            }
            if !std::mem::replace(refused, true) {
                let remedy = match code {
                    RDKafkaErrorCode::GroupAuthorizationFailed => {
                        "; the right Describe on the group is missing"
                    }
                    _ => "",
                };
                tracing::warn!(
                    group = watched.group,
                    %code,
                    "the group cannot be asked who has which partition{remedy}"
                );
            }
        }
    }
    if let Some(offsets) = offsets(consumer, watched, timeout) {
        let shared = consumer.context().shared();
        let own: Vec<i32> = (0..watched.partitions).filter(|partition| shared.owns(*partition)).collect();
        drop(shared);
        lock(seen).learn_offsets(&offsets, &own, watched, Instant::now());
    }
}

/// How far the group is in every partition; none where the brokers do not say, as while a transaction of a
/// member is open.
fn offsets(
    consumer: &BaseConsumer<SourceContext>,
    watched: &Watched,
    timeout: Duration,
) -> Option<Vec<Offsets>> {
    let list = |offset: Offset| {
        let mut list = TopicPartitionList::with_capacity(usize::try_from(watched.partitions).ok()?);
        for partition in 0..watched.partitions {
            list.add_partition_offset(&watched.topic, partition, offset).ok()?;
        }
        Some(list)
    };
    let known = |list: TopicPartitionList| -> Option<Vec<Option<i64>>> {
        (0..watched.partitions)
            .map(|partition| {
                let element = list.find_partition(&watched.topic, partition)?;
                element.error().ok()?;
                match element.offset() {
                    Offset::Offset(offset) => Some(Some(offset)),
                    _ => Some(None),
                }
            })
            .collect()
    };
    // Asked first: so an offset is never ahead of its end.
    let committed = known(consumer.committed_offsets(list(Offset::Invalid)?, timeout).ok()?)?;
    let asked = |offset| known(consumer.offsets_for_times(list(offset)?, timeout).ok()?);
    let ends = asked(Offset::End)?;
    let begins = match committed.contains(&None) {
        true => asked(Offset::Beginning)?,
        false => vec![None; committed.len()],
    };
    let pairs = ends.iter().zip(committed.iter().zip(&begins));
    pairs
        .map(|(end, (committed, begin))| Some(Offsets { committed: committed.or(*begin)?, end: (*end)? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::group::Member;
    use super::*;

    fn watched() -> Watched {
        Watched {
            group: "g".to_owned(),
            topic: "events".to_owned(),
            brokers: "k:9092".to_owned(),
            partitions: 2,
            hand_over: Duration::from_secs(5),
            timeout: QUESTION,
            tells_owners: true,
        }
    }

    fn group(state: &str, members: &[(&str, &[i32])]) -> Group {
        let member = |(id, partitions): &(&str, &[i32])| Member {
            id: (*id).to_owned(),
            partitions: partitions.to_vec(),
        };
        Group { state: state.to_owned(), members: members.iter().map(member).collect() }
    }

    #[test]
    fn a_partition_that_stays_nobodys_lets_one_member_after_the_other_join_anew() {
        let (start, watched) = (Instant::now(), watched());
        let hole = group("Stable", &[("a", &[0]), ("b", &[])]);
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let (mut first, mut second) = (Seen::default(), Seen::default());
        for seconds in [0, 3, 14] {
            first.learn(&hole, Some("a"), &watched, after(seconds));
            second.learn(&hole, Some("b"), &watched, after(seconds));
            assert!(!first.rejoin && !second.rejoin && !first.abandoned);
            assert_eq!(first.unowned.keys().collect::<Vec<_>>(), [&1]);
        }
        first.learn(&hole, Some("a"), &watched, after(15));
        second.learn(&hole, Some("b"), &watched, after(15));
        assert!(!first.abandoned && first.rejoin && !second.rejoin);
        second.learn(&hole, Some("b"), &watched, after(25));
        assert!(second.rejoin && !second.abandoned);
        second.learn(&hole, Some("b"), &watched, after(30));
        assert!(second.abandoned);
    }

    #[test]
    fn where_nobody_can_be_asked_a_log_that_grows_unread_is_nobodys() {
        let (start, watched) = (Instant::now(), Watched { tells_owners: false, ..watched() });
        let mut seen = Seen::default();
        let mut at = |seconds: u64, offsets: [(i64, i64); 2]| {
            let offsets = offsets.map(|(committed, end)| Offsets { committed, end });
            seen.learn_offsets(&offsets, &[], &watched, start + Duration::from_secs(seconds));
            seen.learn(&group("Dead", &[]), None, &watched, start + Duration::from_secs(seconds));
            assert!(!seen.rejoin);
            (seen.unowned.keys().copied().collect::<Vec<i32>>(), seen.abandoned, seen.lag)
        };
        // What lies there from before, and the marker of a transaction, are no sign.
        assert_eq!(at(0, [(5, 9), (5, 5)]), (vec![], false, Some(4)));
        assert_eq!(at(20, [(5, 10), (5, 6)]), (vec![], false, Some(6)));
        // Both grow; the first is read.
        assert_eq!(at(30, [(9, 20), (5, 20)]).0, [0; 0]);
        assert_eq!(at(54, [(15, 30), (5, 30)]).0, [0; 0]);
        assert_eq!(at(55, [(15, 30), (5, 30)]), (vec![1], false, Some(40)));
        assert_eq!(at(60, [(30, 30), (30, 30)]), (vec![], false, Some(0)));
        // Idle for long, and then written to: it has its time to be read.
        assert_eq!(at(500, [(30, 30), (30, 40)]).0, [0; 0]);
        assert_eq!(at(525, [(30, 30), (30, 42)]).0, [1]);
        // Its own it replays, perhaps: that it is at work it knows.
        let offsets = [(30, 30), (30, 50)].map(|(committed, end)| Offsets { committed, end });
        seen.learn_offsets(&offsets, &[1], &watched, start + Duration::from_secs(530));
        assert!(seen.unowned.is_empty() && seen.group.is_none());
    }

    #[test]
    fn a_rebalance_says_nothing_and_an_owner_ends_it() {
        let (start, watched) = (Instant::now(), watched());
        let mut seen = Seen::default();
        seen.learn(&group("Stable", &[("a", &[0])]), Some("a"), &watched, start);
        let later = start + Duration::from_secs(40);
        seen.learn(&group("PreparingRebalance", &[("a", &[])]), Some("a"), &watched, later);
        assert!(seen.abandoned, "a rebalance that never ends is no owner either");
        assert!(!seen.rejoin, "and not helped by another one");
        seen.learn(&group("Stable", &[("a", &[0, 1])]), Some("a"), &watched, later);
        assert!(!seen.abandoned && seen.unowned.is_empty());
    }
}
