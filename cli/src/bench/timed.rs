//! A source and a sink that note when records came and when what became of them was committed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmisr_stream::{Condition, Limits, Outgoing, Polled, Result, Sink, Source, TopicInfo};

use super::usage;

/// What was noted.
#[derive(Default)]
pub struct Notes {
    /// When the first records came, and the CPU used until then.
    pub began: Option<(Instant, f64)>,
    /// Timestamps of the records that are not committed yet, where latency is asked for.
    open: Vec<i64>,
    /// From a record's timestamp to the commit of its outputs, milliseconds.
    pub latencies_ms: Option<Vec<u32>>,
}

impl Notes {
    /// Begins anew, now with latencies.
    pub fn take_latencies(&mut self) {
        *self = Self { latencies_ms: Some(Vec::new()), ..Self::default() };
    }
}

pub type SharedNotes = Arc<Mutex<Notes>>;

fn lock(notes: &SharedNotes) -> std::sync::MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct TimedSource<S> {
    pub inner: S,
    pub notes: SharedNotes,
}

impl<S: Source> Source for TimedSource<S> {
    type Group = S::Group;

    fn topic(&self) -> &TopicInfo {
        self.inner.topic()
    }

    fn group_id(&self) -> &str {
        self.inner.group_id()
    }

    fn group(&self) -> S::Group {
        self.inner.group()
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> Result<Polled> {
        let began = Instant::now();
        let polled = self.inner.poll(limits, timeout)?;
        if let Polled::Records(records) = &polled
            && !records.is_empty()
        {
            let mut notes = lock(&self.notes);
            notes.began.get_or_insert_with(|| (began, usage::cpu_seconds().unwrap_or_default()));
            if notes.latencies_ms.is_some() {
                notes.open.extend(records.iter().map(|record| record.timestamp_ms));
            }
        }
        Ok(polled)
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.inner.seek(partition, offset)
    }

    fn committed(&mut self, partition: i32) -> Result<Option<i64>> {
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

    fn condition(&self) -> Condition {
        self.inner.condition()
    }

    fn end_of_batch(&mut self, partition: i32, offset: i64) -> Result<i64> {
        self.inner.end_of_batch(partition, offset)
    }
}

pub struct TimedSink<K> {
    pub inner: K,
    pub notes: SharedNotes,
}

impl<K: Sink> Sink for TimedSink<K> {
    type Group = K::Group;

    fn begin(&mut self) -> Result<()> {
        self.inner.begin()
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.inner.produce(record)
    }

    fn send_offsets(&mut self, group: &K::Group, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.inner.send_offsets(group, topic, offsets)
    }

    fn commit(&mut self) -> Result<()> {
        self.inner.commit()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let mut notes = lock(&self.notes);
        let Notes { open, latencies_ms, .. } = &mut *notes;
        if let Some(latencies) = latencies_ms {
            latencies.extend(open.drain(..).map(|timestamp| (now - timestamp).max(0) as u32));
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        self.inner.abort()
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.inner.partitions(topic)
    }
}
