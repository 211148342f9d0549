//! A sink that breaks the order of a commit, to see that the loop notices.

use hmisr_stream::{Outgoing, Result, Sink};

/// Puts a transaction's commit off until the next one begins: the state's `WriteBatch` comes first.
pub struct Swapped<K: Sink> {
    inner: K,
    swap: bool,
    owed: bool,
}

impl<K: Sink> Swapped<K> {
    /// Puts commits off where `swap` says so, and is `inner` otherwise.
    pub fn new(inner: K, swap: bool) -> Self {
        Self { inner, swap, owed: false }
    }

    fn settle(&mut self) -> Result<()> {
        if std::mem::take(&mut self.owed) { self.inner.commit() } else { Ok(()) }
    }
}

impl<K: Sink> Drop for Swapped<K> {
    fn drop(&mut self) {
        // Without a kill nothing is lost: what the loop notices is the order alone.
        drop(self.settle());
    }
}

impl<K: Sink> Sink for Swapped<K> {
    type Group = K::Group;

    fn begin(&mut self) -> Result<()> {
        self.settle()?;
        self.inner.begin()
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.inner.produce(record)
    }

    fn send_offsets(&mut self, group: &K::Group, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.inner.send_offsets(group, topic, offsets)
    }

    fn commit(&mut self) -> Result<()> {
        if self.swap {
            self.owed = true;
            return Ok(());
        }
        self.inner.commit()
    }

    fn abort(&mut self) -> Result<()> {
        self.settle()?;
        self.inner.abort()
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}
