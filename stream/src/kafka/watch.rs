//! The thread that looks whether every partition of the topic has an owner, and how far the group is.
//!
//! A group can be stable while partitions are nobody's, and then it stays so for as long as nobody
//! joins or leaves. Whoever leads a group of another client can leave some out; and a member with a
//! name of its own (`group_instance_id`) that dies between the two rebalances by which partitions
//! move comes back into a stable group, which knows nothing of the partitions that it was to hand
//! over (see [`super::rebalance`], which ends that at the start). So every member asks the
//! coordinator, every [`LOOK`], who has what. Where a partition has been without an owner for
//! longer than a hand-over may take, one member after the other, by the order of their ids, joins
//! anew, which makes the group assign everything again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::group::{self, Group};
use super::rebalance::SourceContext;
use crate::Condition;

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(3);
/// How soon the thread sees that it is to end.
const TICK: Duration = Duration::from_millis(50);
/// How long a question may take, at most: the end of a source waits for it.
const QUESTION: Duration = Duration::from_secs(2);
/// Beyond what a hand-over may take, how long a partition may be nobody's.
const BEYOND: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partitions: i32,
    /// How long a member may take to hand a partition over.
    pub(super) hand_over: Duration,
    /// How long a question may take.
    pub(super) timeout: Duration,
}

/// What was seen last.
#[derive(Debug, Default)]
struct Seen {
    unowned: BTreeMap<i32, Instant>,
    group: Option<String>,
    lag: Option<u64>,
    answered: Option<Instant>,
    abandoned: bool,
    rejoin: bool,
}

impl Seen {
    /// Learns what the coordinator says. `me` is this member's id.
    fn learn(&mut self, group: &Group, me: Option<&str>, watched: &Watched, now: Instant) {
        self.answered = Some(now);
        self.group = Some(group.text());
        if group.tells_owners() {
            let unowned = group.unowned(watched.partitions);
            self.unowned.retain(|partition, _| unowned.contains(partition));
            for partition in unowned {
                self.unowned.entry(partition).or_insert(now);
            }
        }
        let longest =
            self.unowned.values().min().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since));
        let patience = watched.hand_over + BEYOND;
        let was = std::mem::replace(&mut self.abandoned, longest >= patience);
        let (partitions, group_id) = (self.unowned.keys().collect::<Vec<_>>(), &watched.group);
        match (was, self.abandoned) {
            (false, true) => tracing::error!(
                topic = watched.topic,
                ?partitions,
                "no member of the group {group_id} has had these partitions for {} s: nobody reads them. The \
                 group is {}. Its members join anew, one after the other, until all are assigned",
                longest.as_secs(),
                group.text()
            ),
            (true, false) => tracing::info!(topic = watched.topic, "every partition has an owner again"),
            _ => {}
        }
        let turn = BEYOND.saturating_mul(group.rank(me.unwrap_or_default()));
        self.rejoin = longest >= patience.saturating_add(turn);
    }
}

/// The watch of a source.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
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
        Ok(Self { seen, thread })
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
        Condition {
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
        // Brokers that are away are told of elsewhere.
        Err(code) => {
            if !std::mem::replace(refused, true) {
                tracing::warn!(
                    group = watched.group,
                    %code,
                    "the group cannot be asked who has which partition (right Describe on the group)"
                );
            }
        }
    }
    if let Some(lag) = lag(consumer, watched, timeout) {
        lock(seen).lag = Some(lag);
    }
}

/// Records of the whole topic that the group has not committed; none where the brokers do not say,
/// as while a transaction of a member is open.
fn lag(consumer: &BaseConsumer<SourceContext>, watched: &Watched, timeout: Duration) -> Option<u64> {
    let list = |offset: Offset| {
        let mut list = TopicPartitionList::with_capacity(usize::try_from(watched.partitions).ok()?);
        for partition in 0..watched.partitions {
            list.add_partition_offset(&watched.topic, partition, offset).ok()?;
        }
        Some(list)
    };
    let offsets = |list: TopicPartitionList| -> Option<Vec<Option<i64>>> {
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
    let committed = offsets(consumer.committed_offsets(list(Offset::Invalid)?, timeout).ok()?)?;
    let asked = |offset| offsets(consumer.offsets_for_times(list(offset)?, timeout).ok()?);
    let ends = asked(Offset::End)?;
    let begins = match committed.contains(&None) {
        true => asked(Offset::Beginning)?,
        false => vec![None; committed.len()],
    };
    let behind = ends.iter().zip(committed.iter().zip(&begins)).map(|(end, (committed, begin))| {
        let from = committed.or(*begin)?;
        Some(u64::try_from((*end)? - from).unwrap_or(0))
    });
    behind.sum()
}

#[cfg(test)]
mod tests {
    use super::super::group::Member;
    use super::*;

    fn watched() -> Watched {
        Watched {
            group: "g".to_owned(),
            topic: "events".to_owned(),
            partitions: 2,
            hand_over: Duration::from_secs(5),
            timeout: QUESTION,
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
        assert!(first.abandoned && second.abandoned && first.rejoin && !second.rejoin);
        second.learn(&hole, Some("b"), &watched, after(25));
        assert!(second.rejoin);
    }

    #[test]
    fn a_rebalance_says_nothing_and_an_owner_ends_it() {
        let (start, watched) = (Instant::now(), watched());
        let mut seen = Seen::default();
        seen.learn(&group("Stable", &[("a", &[0])]), Some("a"), &watched, start);
        let later = start + Duration::from_secs(20);
        seen.learn(&group("PreparingRebalance", &[("a", &[])]), Some("a"), &watched, later);
        assert!(seen.abandoned, "a rebalance that never ends is no owner either");
        seen.learn(&group("Stable", &[("a", &[0, 1])]), Some("a"), &watched, later);
        assert!(!seen.abandoned && seen.unowned.is_empty());
    }
}
