//! An engine over an embedded log in a folder of its own.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hmisr_features::FeatureSettings;
use hmisr_pipeline::engine::{Engine, Setup, SystemWorld};
use hmisr_pipeline::{PipelineMetrics, PipelineProgress, PipelineSettings, StateDirectory};
use hmisr_state::StateSettings;
use hmisr_stream::contract::{Event, topic};
use hmisr_stream::log::{Log, LogSettings, LogSink, LogSource};
use hmisr_stream::{
    Condition, Error, ErrorKind, Limits, Outgoing, Polled, Record, Sink, Source, Stuck, TopicInfo,
};
use hmisr_testkit::messages::{self, keyed};
use hmisr_testkit::random;

/// Partition, key and payload of a record.
pub type Content = (i32, Option<Vec<u8>>, Option<Vec<u8>>);

pub struct Bench {
    pub log: Log,
    pub folder: tempfile::TempDir,
    pub features: FeatureSettings,
    pub pipeline: PipelineSettings,
}

impl Bench {
    pub fn new(partitions: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log =
            Log::open(&folder.path().join("log"), LogSettings { sync: false, ..Default::default() }).unwrap();
        log.create_topic(topic::EVENTS, partitions).unwrap();
        for (name, partitions) in
            [(topic::USER_FEATURES, 3), (topic::TRAINING_EXAMPLES, 2), (topic::DEAD_LETTERS, 1)]
        {
            log.create_topic(name, partitions).unwrap();
        }
        let pipeline = PipelineSettings {
            commit_interval_ms: 0,
            batch_records: 16,
            history: 5,
            max_failed_commits: 100,
            retry_pause_ms: 1,
            ..Default::default()
        };
        // Times in tests are small numbers.
        let features = FeatureSettings { window: 8, min_ts_ms: 0, max_lateness_ms: 0, ..Default::default() };
        Self { log, folder, features, pipeline }
    }

    pub fn state_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub fn setup(&self, folder: &Path) -> (Setup, Arc<PipelineProgress>, StateDirectory) {
        let progress = Arc::new(PipelineProgress::default());
        let directory = StateDirectory::new(self.features.clone());
        let setup = Setup {
            features: self.features.clone(),
            pipeline: self.pipeline.clone(),
            state: StateSettings { memory_bytes: 8 << 20, cache_bytes: 8 << 20, ..StateSettings::default() },
            folder: folder.to_owned(),
            metrics: PipelineMetrics::new(&prometheus::Registry::new()).unwrap(),
            directory: directory.clone(),
            progress: progress.clone(),
            world: Arc::new(SystemWorld::default()),
        };
        (setup, progress, directory)
    }

    /// Runs an engine whose sinks are made by `sink` until all input is committed or it fails.
    pub fn run_with<K>(&self, sink: impl FnMut() -> K + Send) -> hmisr_pipeline::Result<StateDirectory>
    where
        K: Sink<Group = String>,
    {
        self.run_over(self.source(), sink)
    }

    /// The same over a source of the caller's.
    pub fn run_over<S, K>(
        &self,
        source: S,
        sink: impl FnMut() -> K + Send,
    ) -> hmisr_pipeline::Result<StateDirectory>
    where
        S: Source<Group = String>,
        K: Sink<Group = String>,
    {
        self.run_in(&self.state_folder(), source, sink)
    }

    /// The same with state in a folder of the caller's.
    pub fn run_in<S, K>(
        &self,
        folder: &Path,
        source: S,
        mut sink: impl FnMut() -> K + Send,
    ) -> hmisr_pipeline::Result<StateDirectory>
    where
        S: Source<Group = String>,
        K: Sink<Group = String>,
    {
        let (setup, progress, directory) = self.setup(folder);
        let engine = Engine::new(setup, source, sink())?;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| engine.run(&stop, || Ok(sink())));
            let ends = self.log.ends(topic::EVENTS).unwrap();
            while !running.is_finished() {
                let done = progress.next_offsets();
                if ends.iter().enumerate().all(|(at, end)| done.get(&(at as i32)) == Some(end)) {
                    stop.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            running.join().unwrap()
        })?;
        Ok(directory)
    }

    pub fn source(&self) -> LogSource {
        self.log.source(topic::EVENTS, &self.pipeline.group).unwrap()
    }

    pub fn sink(&self) -> LogSink {
        self.log.sink(&self.pipeline.transactional_id)
    }

    pub fn run(&self) -> hmisr_pipeline::Result<StateDirectory> {
        self.run_with(|| self.sink())
    }

    pub fn send(&self, events: &[Event]) {
        let partitions = self.log.topic(topic::EVENTS).unwrap().partitions;
        let records: Vec<_> = events
            .iter()
            .map(|event| keyed(topic::EVENTS, partitions, event.user_id.to_string(), event.encode()))
            .collect();
        self.log.append(&records).unwrap();
    }

    /// Everything committed to a topic, by partition and offset.
    pub fn read(&self, name: &str) -> Vec<Record> {
        let mut source = self.log.source(name, "test-reader").unwrap();
        let mut records = Vec::new();
        loop {
            match source.poll(Limits { records: 10_000, bytes: 1 << 26 }, Duration::ZERO).unwrap() {
                Polled::Assigned(partitions) => {
                    partitions.into_iter().for_each(|partition| source.seek(partition, 0).unwrap());
                }
                Polled::Records(more) if more.is_empty() => break,
                Polled::Records(more) => records.extend(more),
                Polled::Revoked(_) => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Key and payload of everything committed to a topic.
    pub fn contents(&self, name: &str) -> Vec<Content> {
        self.read(name).into_iter().map(|record| (record.partition, record.key, record.payload)).collect()
    }
}

/// A log source that does what a group may do to a member.
pub struct OddSource {
    pub inner: LogSource,
    /// At which poll a partition goes, and at which it comes back.
    pub plan: Vec<(usize, usize, i32)>,
    /// After the first poll that took a partition away, how often the last partition's committed
    /// offset is not known yet, as while a peer has a transaction open.
    pub unknown: usize,
    /// Whether the group has lost its offsets.
    pub forgets: bool,
    /// A batch of partition 0 that cannot be read.
    pub hole: Range<i64>,
    /// Partitions that nobody in the group has.
    pub unowned: Vec<i32>,
    pub polls: usize,
    pub gone: Vec<i32>,
    /// Where partition 0 was last sought, and whether it has come to the hole since.
    pub sought: i64,
    pub blocked: bool,
}

impl OddSource {
    pub fn over(inner: LogSource) -> Self {
        Self {
            inner,
            plan: Vec::new(),
            unknown: 0,
            forgets: false,
            hole: i64::MAX..i64::MAX,
            unowned: Vec::new(),
            polls: 0,
            gone: Vec::new(),
            sought: 0,
            blocked: false,
        }
    }
}

impl Source for OddSource {
    type Group = String;

    fn topic(&self) -> &TopicInfo {
        self.inner.topic()
    }

    fn group_id(&self) -> &str {
        self.inner.group_id()
    }

    fn group(&self) -> String {
        self.inner.group()
    }

    fn poll(&mut self, limits: Limits, timeout: Duration) -> hmisr_stream::Result<Polled> {
        self.polls += 1;
        for (goes, comes, partition) in &self.plan {
            if self.polls == *goes {
                self.gone.push(*partition);
                return Ok(Polled::Revoked(vec![*partition]));
            }
            if self.polls == *comes {
                self.gone.retain(|gone| gone != partition);
                return Ok(Polled::Assigned(vec![*partition]));
            }
        }
        match self.inner.poll(limits, timeout)? {
            Polled::Records(mut records) => {
                records.retain(|record| !self.gone.contains(&record.partition));
                let reads = |it: &Record| {
                    it.partition != 0 || it.offset < self.hole.start || self.sought >= self.hole.end
                };
                self.blocked |= !records.iter().all(reads);
                records.retain(reads);
                Ok(Polled::Records(records))
            }
            other => Ok(other),
        }
    }

    fn seek(&mut self, partition: i32, offset: i64) -> hmisr_stream::Result<()> {
        if partition == 0 {
            (self.sought, self.blocked) = (offset, false);
        }
        self.inner.seek(partition, offset)
    }

    fn committed(&mut self, partition: i32) -> hmisr_stream::Result<Option<i64>> {
        if !self.gone.is_empty() && self.unknown > 0 && partition == self.topic().partitions - 1 {
            self.unknown -= 1;
            return Err(Error::new(ErrorKind::Unavailable, "a peer's transaction is open"));
        }
        if self.forgets { Ok(None) } else { self.inner.committed(partition) }
    }

    fn bounds(&mut self, partition: i32) -> hmisr_stream::Result<(i64, i64)> {
        self.inner.bounds(partition)
    }

    fn commit(&mut self, offsets: &[(i32, i64)]) -> hmisr_stream::Result<()> {
        self.inner.commit(offsets)
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        self.inner.known_end(partition)
    }

    fn condition(&self) -> Condition {
        let stuck = Stuck {
            partition: 0,
            offset: self.hole.start,
            tried_for: Duration::from_secs(31),
            message: "the batch cannot be read".to_owned(),
        };
        Condition {
            stuck: Vec::from_iter(self.blocked.then_some(stuck)),
            unowned: self.unowned.clone(),
            abandoned: !self.unowned.is_empty(),
            group: Some("Stable with 2 members".to_owned()),
            ..Condition::default()
        }
    }

    fn end_of_batch(&mut self, partition: i32, offset: i64) -> hmisr_stream::Result<i64> {
        assert_eq!((partition, offset), (0, self.hole.start));
        Ok(self.hole.end)
    }
}

pub fn outgoing(partition: i32, key: Option<&[u8]>, payload: Option<&[u8]>) -> Outgoing {
    Outgoing {
        topic: topic::EVENTS,
        partition,
        key: key.map(<[u8]>::to_vec),
        payload: payload.map(<[u8]>::to_vec),
        headers: Vec::new(),
    }
}

pub fn event(user: u32, item: u32, ts: i64) -> Event {
    let action = if item.is_multiple_of(7) { "skip" } else { "click" };
    Event { action: action.into(), ..messages::event(user, item, item % 5, ts) }
}

/// A stream of a few users, with late events in it.
pub fn events(seed: u64, count: usize) -> Vec<Event> {
    let mut random = random(seed);
    (0..count)
        .map(|n| {
            event(random(9) as u32, random(40) as u32, 1_000_000 + n as i64 * 10 - random(2) as i64 * 15)
        })
        .collect()
}
