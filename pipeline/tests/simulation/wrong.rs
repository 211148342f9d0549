//! Source and sink of a job in the simulation, with the mistakes that it must find.

use std::collections::BTreeSet;
use std::time::Duration;

use hmisr_stream::memory::{Broker, MemoryGroup, MemorySink, MemorySource};
use hmisr_stream::{Limits, Outgoing, Polled, Result, Sink, Source, TopicInfo};

use crate::plan::Mistake;

pub struct JobSource {
    pub inner: MemorySource,
    pub broker: Broker,
    pub mistake: Option<Mistake>,
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
        let polled = self.inner.poll(limits, timeout)?;
        if let Polled::Revoked(partitions) = &polled {
            self.sought.retain(|partition| !partitions.contains(partition));
        }
        Ok(polled)
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        if !self.sought.insert(partition) && self.mistake == Some(Mistake::IgnoresSeek) {
            return Ok(());
        }
        self.inner.seek(partition, offset)
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
        if self.mistake == Some(Mistake::IgnoresOpenTransactions) {
            return Ok(self.broker.committed(self.inner.group_id(), partition));
        }
        self.inner.committed(partition)
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        self.inner.bounds(partition)
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> Result<()> {
        self.inner.commit(offsets)
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        self.inner.known_end(partition)
    }
}

pub struct JobSink {
    pub inner: MemorySink,
    pub mistake: Option<Mistake>,
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
        self.inner.produce(record)
    }

    fn send_offsets(&mut self, group: &MemoryGroup, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.inner.send_offsets(group, topic, offsets)
    }

    fn commit(&mut self) -> Result<()> {
        if self.mistake == Some(Mistake::CommitsLate) {
            self.owed = true;
            return Ok(());
        }
        self.inner.commit()
    }

    fn abort(&mut self) -> Result<()> {
        self.inner.abort()
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}
