//! The broker that sources and sinks talk to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::faults::{Call, Effect, Fault, Faults};
use super::group::Group;
use super::log::{Fate, PartitionLog};
use super::transactions::{End, Producer};
use crate::{Error, ErrorKind, Limits, Outgoing, Record, Result};

/// When the broker gives up on its clients.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A member that has not polled for so long is out of its group.
    pub session: Duration,
    /// A transaction that is open for longer is aborted, and its producer fenced.
    pub transaction: Duration,
}

pub(super) struct Inner {
    pub(super) now: Duration,
    pub(super) timeouts: Timeouts,
    pub(super) topics: BTreeMap<String, Vec<PartitionLog>>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) producers: BTreeMap<String, Producer>,
    /// By transaction number.
    pub(super) fates: Vec<Fate>,
    late: Vec<End>,
    faults: Option<Faults>,
}

impl Inner {
    pub(super) fn log(&mut self, topic: &str, partition: i32) -> Result<&mut PartitionLog> {
        let logs = self.topics.get_mut(topic).and_then(|logs| logs.get_mut(usize::try_from(partition).ok()?));
        logs.ok_or_else(|| {
            Error::new(ErrorKind::MissingTopic, format!("topic `{topic}` has no partition {partition}"))
        })
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
        let before = |timeout: Duration| self.now.saturating_sub(timeout);
        let (session, transaction) = (before(self.timeouts.session), before(self.timeouts.transaction));
        self.groups.values_mut().for_each(|group| group.expire(session));
        self.expire_transactions(transaction);
    }

    /// Has the request's fault happen; `Effect` where the request itself is to be done or not.
    fn fault(&mut self, call: Call) -> Result<Option<Effect>> {
        let fault = self.faults.as_mut().and_then(|faults| faults(call));
        let error = |kind, what: &str| Err(Error::new(kind, format!("injected: {call:?} {what}")));
        match fault {
            None => Ok(None),
            Some(Fault::Slow(time)) => {
                self.advance(time);
                Ok(None)
            }
            Some(Fault::Unavailable) => error(ErrorKind::Unavailable, "did not reach the broker"),
            Some(Fault::Refused) => error(ErrorKind::Aborted, "was refused"),
            Some(Fault::Unanswered(effect)) => Ok(Some(effect)),
        }
    }
}

/// Topics, groups and transactions in memory. Clones are the same broker.
///
/// Its clock stands still but for [`Broker::advance`], and for what a client waits.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Mutex<Inner>>,
}

impl Broker {
    /// A broker without topics.
    pub fn new(timeouts: Timeouts) -> Self {
        let inner = Inner {
            now: Duration::ZERO,
            timeouts,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            producers: BTreeMap::new(),
            fates: Vec::new(),
            late: Vec::new(),
            faults: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a topic where there is none.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let logs = || (0..partitions).map(|_| PartitionLog::default()).collect();
        self.inner().topics.entry(name.to_owned()).or_insert_with(logs);
    }

    /// From now on `faults` decides on each request; none lets all of them go well.
    pub fn set_faults(&self, faults: Option<Faults>) {
        self.inner().faults = faults;
    }

    /// Time since the broker was made.
    pub fn now(&self) -> Duration {
        self.inner().now
    }

    /// Lets time go by; what has timed out then ends.
    pub fn advance(&self, time: Duration) {
        self.inner().advance(time);
    }

    /// A process that talks to the broker.
    pub fn connect(&self) -> Connection {
        Connection { broker: self.clone(), alive: Arc::new(AtomicBool::new(true)) }
    }

    /// Appends records outside of any transaction.
    ///
    /// # Errors
    /// Kind `MissingTopic`.
    pub fn append(&self, records: &[Outgoing]) -> Result<()> {
        let mut inner = self.inner();
        records.iter().try_for_each(|record| inner.append(record, None))
    }

    /// Everything that a reader of committed records sees of a topic, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let inner = self.inner();
        let all = Limits { records: usize::MAX, bytes: usize::MAX };
        let logs = inner.topics.get(topic).into_iter().flatten();
        logs.flat_map(|log| log.read(0, all, &inner.fates).0).collect()
    }

    /// The group's committed next offset.
    pub fn committed(&self, group: &str, partition: i32) -> Option<i64> {
        self.inner().groups.get(group)?.committed(partition)
    }

    /// Ends of transactions that nobody waits for, on their way.
    pub fn late(&self) -> usize {
        self.inner().late.len()
    }

    /// One of them arrives.
    ///
    /// # Errors
    /// Kind `Fenced` where a newer producer has taken over: it has no effect.
    pub fn deliver_late(&self, number: usize) -> Result<()> {
        let mut inner = self.inner();
        if number >= inner.late.len() {
            return Ok(());
        }
        let end = inner.late.remove(number);
        inner.end(&end)
    }

    /// The group throws out the member that joined first, or last, which does not know of it.
    pub fn evict(&self, group: &str, first: bool) {
        if let Some(group) = self.inner().groups.get_mut(group) {
            group.evict(first);
        }
    }
}

/// A process's connection. Clones are the same process.
#[derive(Clone)]
pub struct Connection {
    pub(super) broker: Broker,
    alive: Arc<AtomicBool>,
}

impl Connection {
    /// The process is gone: nothing of it reaches the broker any more, not even a farewell.
    pub fn cut(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// Makes a request whose loss is told as `silence`.
    pub(super) fn request<T>(
        &self,
        call: Call,
        silence: ErrorKind,
        done: impl FnOnce(&mut Inner) -> Result<T>,
    ) -> Result<T> {
        let unanswered = || Error::new(silence, format!("injected: {call:?} was not answered"));
        if !self.is_alive() {
            return Err(Error::new(silence, "the connection is cut"));
        }
        let mut inner = self.broker.inner();
        match inner.fault(call)? {
            None => done(&mut inner),
            Some(Effect::Done) => {
                let _ = done(&mut inner);
                Err(unanswered())
            }
            Some(Effect::Late | Effect::Lost) => Err(unanswered()),
        }
    }

    /// Ends a transaction; without an answer its end may still be on its way.
    pub(super) fn end(&self, call: Call, end: End) -> Result<()> {
        let unanswered =
            || Error::new(ErrorKind::UnknownOutcome, format!("injected: {call:?} was not answered"));
        if !self.is_alive() {
            return Err(unanswered());
        }
        let mut inner = self.broker.inner();
        match inner.fault(call)? {
            None => inner.end(&end),
            Some(effect) => {
                match effect {
                    Effect::Done => drop(inner.end(&end)),
                    Effect::Late => inner.late.push(end),
                    Effect::Lost => {}
                }
                Err(unanswered())
            }
        }
    }
}
