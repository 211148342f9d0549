//! Source and sink of a job in the simulation, with the mistakes that it must find.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmisr_stream::memory::{Broker, MemoryGroup, MemorySink, MemorySource};
use hmisr_stream::{Limits, Outgoing, Polled, Result, Sink, Source, TopicInfo};

use super::plan::Mistake;

/// What a run knows of itself, shared by all jobs.
#[derive(Clone, Default)]
pub struct Habits {
    mistake: Option<Mistake>,
    /// Mistakes end with the storm: what they have broken by then stays broken.
    calm: Arc<AtomicBool>,
    /// What has happened, and how often.
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Habits {
    pub fn new(mistake: Option<Mistake>) -> Self {
        Self { mistake, ..Self::default() }
    }

    pub fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake) && !self.is_calm()
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn see(&self, what: impl Into<String>) {
        *self.seen.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub fn seen(&self) -> BTreeMap<String, u64> {
        self.seen.lock().unwrap().clone()
    }

    /// Remembers how a call failed.
    fn told<T>(&self, call: &str, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.see(format!("{call}: {:?}", error.kind())))
    }
}

pub struct JobSource {
    pub inner: MemorySource,
    pub broker: Broker,
    pub habits: Habits,
    pub sought: BTreeSet<i32>,
}

impl Source for JobSource {
    type Group = MemoryGroup;

    fn topic(&self) -> &TopicInfo {
        self.inner.topic()
    }

    fn group_id(&self) -> &str {
        self.inner.group_id()
    }

    fn group(&self) -> MemoryGroup {
        self.inner.group()
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled> {
        let polled = self.habits.told("poll", self.inner.poll(limits, timeout))?;
        if let Polled::Revoked(partitions) = &polled {
            self.sought.retain(|partition| !partitions.contains(partition));
        }
        Ok(polled)
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        if !self.sought.insert(partition) && self.habits.makes(Mistake::IgnoresSeek) {
            return Ok(());
        }
        if self.broker.committed(self.group_id(), partition) > Some(offset) {
            self.habits.see("a muted replay");
        }
        self.inner.seek(partition, offset)
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        if self.habits.makes(Mistake::IgnoresOpenTransactions) {
            return Ok(self.broker.committed(self.inner.group_id(), partition));
        }
        self.habits.told("committed", self.inner.committed(partition))
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        self.inner.bounds(partition)
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        self.habits.told("offsets outside of a transaction", self.inner.commit(offsets))
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        self.inner.known_end(partition)
    }
}

pub struct JobSink {
    pub inner: MemorySink,
    pub habits: Habits,
    /// A commit that was acknowledged and not sent.
    pub owed: bool,
}

impl Sink for JobSink {
    type Group = MemoryGroup;

    fn begin(&mut self) -> Result<()> {
        if std::mem::take(&mut self.owed) {
            self.inner.commit()?;
        }
        self.inner.begin()
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.habits.told("produce", self.inner.produce(record))
    }

    fn send_offsets(&mut self, group: &MemoryGroup, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.habits.told("send_offsets", self.inner.send_offsets(group, topic, offsets))
    }

    fn commit(&mut self) -> Result<()> {
        if self.habits.makes(Mistake::CommitsLate) {
            self.owed = true;
            return Ok(());
        }
        self.habits.told("commit", self.inner.commit())
    }

    fn abort(&mut self) -> Result<()> {
        self.habits.told("abort", self.inner.abort())
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}
