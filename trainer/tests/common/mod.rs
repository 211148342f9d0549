//! Users with known habits, and a source and sink in memory.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmisr_stream::contract::{Id, TrainingExample};
use hmisr_stream::{Error, ErrorKind, Limits, Outgoing, Polled, Record, Result, Sink, Source, TopicInfo};
use hmisr_testkit::messages;
use hmisr_trainer::{Metrics, Progress, Settings, Summary, backend, run};

/// A small model, so that a test takes seconds.
pub fn settings(folder: &Path) -> Settings {
    let mut settings = Settings { folder: folder.to_owned(), ..Settings::default() };
    settings.model.width = 8;
    settings.model.heads = 2;
    settings.model.layers = 1;
    settings.model.feed_forward = 16;
    settings.model.max_len = 6;
    settings.batch_examples = 16;
    // Batches end by their number of examples, not by the clock.
    settings.batch_ms = 60_000;
    settings.snapshot_every_s = 3_600;
    settings
}

/// A stream in which every user walks the items in a circle, from a start and with a stride of
/// its own: `item(t + 1)` follows from `item(t)` and the stride.
pub fn examples(count: usize, users: u32, items: u32) -> Vec<TrainingExample> {
    let mut lives: Vec<Vec<(u32, i64)>> = vec![Vec::new(); users as usize];
    let mut examples = Vec::new();
    // An uneven rotation, so that some users come in bursts.
    let mut turn = 0u32;
    while examples.len() < count {
        turn += 1;
        let user = turn.wrapping_mul(turn / 5 + 1) % users;
        let life = &mut lives[user as usize];
        let stride = 1 + user % 2;
        let item = (user * 7 + life.len() as u32 * stride) % items;
        let ts = 1_000_000 + i64::from(turn) * 1_000;
        if !life.is_empty() {
            let history = &life[life.len().saturating_sub(6)..];
            examples.push(example(user, life.len() as u64, history, item, ts));
        }
        life.push((item, ts));
    }
    examples
}

/// An example with this history, item and time, newest last.
pub fn example(user: u32, position: u64, history: &[(u32, i64)], item: u32, ts: i64) -> TrainingExample {
    let visit = |item: u32, ts: i64| (Id::from(item), Id::from(item % 5), ts);
    let history: Vec<_> = history.iter().map(|(item, ts)| visit(*item, *ts)).collect();
    let mut example = messages::example(user, &history, visit(item, ts));
    example.position = position;
    example.features.window.entropy = f64::from(user % 7) / 7.0;
    example
}

/// The examples in `partitions` logs, by user, as records. Offsets have holes, as a transactional
/// log's do.
pub fn logs(examples: &[TrainingExample], partitions: usize) -> Vec<Vec<Record>> {
    let mut logs: Vec<Vec<Record>> = vec![Vec::new(); partitions];
    for example in examples {
        let partition = example.user.as_int().unwrap() as usize % partitions;
        let offset = logs[partition].last().map_or(0, |last: &Record| last.offset + 1 + last.offset % 3 / 2);
        logs[partition].push(record(partition as i32, offset, Some(encode(example))));
    }
    logs
}

/// An example's bytes on the wire.
pub fn encode(example: &TrainingExample) -> Vec<u8> {
    example.to_bytes()
}

/// A record of user 1.
pub fn record(partition: i32, offset: i64, payload: Option<Vec<u8>>) -> Record {
    Record { partition, offset, timestamp_ms: -1, key: Some(b"1".to_vec()), payload, headers: Vec::new() }
}

/// What happens to a log in memory.
pub enum Change {
    /// These records come, by partition.
    Come(Vec<Vec<Record>>),
    /// Retention takes the oldest records of each partition, so many.
    Go(usize),
    /// The group takes these partitions away, and gives them back at once.
    Revoke(Vec<i32>),
}

/// A source over logs in memory.
pub struct Memory {
    topic: TopicInfo,
    logs: Vec<Vec<Record>>,
    positions: BTreeMap<i32, i64>,
    assigned: bool,
    /// Decides which partition a poll reads, and how much of it.
    seed: u64,
    /// Records after which the source fails for good, as a killed process would see it.
    dies_after: Option<usize>,
    /// Calls that fail before the log can be reached.
    pub unreachable: usize,
    /// Questions for a partition's bounds that fail, by their number, while polls bring records.
    pub unbounded: Range<usize>,
    /// Such questions so far.
    asked: usize,
    /// Offsets of a transaction's marker behind each log's last record, known as part of the log
    /// until a poll has read over them.
    pub markers: i64,
    /// What happens once so many records were read.
    pub changes: VecDeque<(usize, Change)>,
    /// What the group says in the next polls.
    words: VecDeque<Polled>,
    /// Records that were read.
    read: usize,
    /// Raised when everything was read, so that the loop ends.
    at_end: Arc<AtomicBool>,
}

impl Memory {
    pub fn new(logs: Vec<Vec<Record>>, seed: u64, dies_after: Option<usize>) -> Self {
        let partitions = logs.len() as i32;
        let topic = TopicInfo { name: "training-examples".to_owned(), id: "one".to_owned(), partitions };
        let at_end = Arc::new(AtomicBool::new(false));
        Self {
            topic,
            logs,
            positions: BTreeMap::new(),
            assigned: false,
            seed,
            dies_after,
            unreachable: 0,
            unbounded: 0..0,
            asked: 0,
            markers: 0,
            changes: VecDeque::new(),
            words: VecDeque::new(),
            read: 0,
            at_end,
        }
    }

    pub fn then(mut self, read: usize, change: Change) -> Self {
        self.changes.push_back((read, change));
        self
    }

    pub fn named(mut self, name: &str, id: &str) -> Self {
        self.topic.name = name.to_owned();
        self.topic.id = id.to_owned();
        self
    }

    pub fn recreated(mut self) -> Self {
        self.topic.id = "two".to_owned();
        self
    }

    fn reach(&mut self) -> Result<()> {
        if self.unreachable == 0 {
            return Ok(());
        }
        self.unreachable -= 1;
        Err(Error::new(ErrorKind::Unavailable, "no route to the log"))
    }

    fn change(&mut self) {
        while self.changes.front().is_some_and(|(read, _)| *read <= self.read) {
            match self.changes.pop_front() {
                Some((_, Change::Come(records))) => {
                    self.logs.iter_mut().zip(records).for_each(|(log, records)| log.extend(records));
                }
                Some((_, Change::Revoke(partitions))) => {
                    self.positions.retain(|partition, _| !partitions.contains(partition));
                    self.words.extend([Polled::Revoked(partitions.clone()), Polled::Assigned(partitions)]);
                }
                Some((_, Change::Go(records))) => {
                    self.logs.iter_mut().for_each(|log| drop(log.drain(..records.min(log.len()))));
                }
                None => {}
            }
        }
    }

    fn random(&mut self) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize
    }

    fn end(&self, partition: i32) -> i64 {
        self.logs[partition as usize].last().map_or(0, |last| last.offset + 1)
    }
}

impl Source for Memory {
    type Group = ();

    fn topic(&self) -> &TopicInfo {
        &self.topic
    }

    fn group_id(&self) -> &str {
        "trainer"
    }

    fn group(&self) -> Self::Group {}

    fn poll(&mut self, limits: Limits, _: Duration) -> Result<Polled> {
        if !self.assigned {
            self.assigned = true;
            return Ok(Polled::Assigned((0..self.logs.len() as i32).collect()));
        }
        self.reach()?;
        if self.dies_after == Some(0) {
            return Err(Error::new(ErrorKind::Corrupt, "killed"));
        }
        self.change();
        if let Some(word) = self.words.pop_front() {
            return Ok(word);
        }
        let begin = |partition: i32| self.logs[partition as usize].first().map_or(0, |first| first.offset);
        if self.positions.iter().any(|(partition, position)| *position < begin(*partition)) {
            return Err(Error::new(ErrorKind::OffsetOutOfRange, "the log begins later"));
        }
        let open: Vec<i32> =
            self.positions.iter().filter(|(p, at)| **at < self.end(**p)).map(|(p, _)| *p).collect();
        if open.is_empty() {
            let sought = self.positions.len() == self.logs.len() && std::mem::take(&mut self.markers) == 0;
            self.at_end.store(sought, std::sync::atomic::Ordering::Relaxed);
            return Ok(Polled::Records(Vec::new()));
        }
        let partition = open[self.random() % open.len()];
        let mut most = 1 + self.random() % limits.records;
        if let Some(left) = &mut self.dies_after {
            most = most.min(*left);
            *left -= most;
        }
        let position = self.positions[&partition];
        let log = &self.logs[partition as usize];
        let records: Vec<Record> =
            log.iter().filter(|record| record.offset >= position).take(most).cloned().collect();
        self.read += records.len();
        if let Some(last) = records.last() {
            self.positions.insert(partition, last.offset + 1);
        }
        Ok(Polled::Records(records))
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.positions.insert(partition, offset);
        // What lies behind it is to be read again.
        self.at_end.store(false, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn committed(&mut self, _: i32) -> Result<Option<i64>> {
        Ok(None)
    }

    fn bounds(&mut self, partition: i32) -> Result<(i64, i64)> {
        self.reach()?;
        self.asked += 1;
        if self.unbounded.contains(&(self.asked - 1)) {
            return Err(Error::new(ErrorKind::Unavailable, "no word of the log's ends"));
        }
        let first = self.logs[partition as usize].first().map_or(0, |first| first.offset);
        Ok((first, self.end(partition) + self.markers))
    }

    fn commit(&mut self, _: &[(i32, i64)]) -> Result<()> {
        unreachable!("the trainer commits in transactions")
    }

    fn known_end(&self, partition: i32) -> Option<i64> {
        Some(self.end(partition) + self.markers)
    }
}

/// What a sink committed.
#[derive(Debug, Default)]
pub struct Committed {
    pub records: Vec<Outgoing>,
    pub offsets: Vec<Vec<(i32, i64)>>,
    pub aborted: usize,
}

/// A sink in memory.
#[derive(Default)]
pub struct MemorySink {
    pub committed: Arc<Mutex<Committed>>,
    pub open: (Vec<Outgoing>, Vec<Vec<(i32, i64)>>),
    /// What the next commit answers instead of committing.
    pub refuses: Option<ErrorKind>,
}

impl Sink for MemorySink {
    type Group = ();

    fn begin(&mut self) -> Result<()> {
        self.open = Default::default();
        Ok(())
    }

    fn produce(&mut self, record: &Outgoing) -> Result<()> {
        self.open.0.push(record.clone());
        Ok(())
    }

    fn send_offsets(&mut self, (): &(), _: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.open.1.push(offsets.to_vec());
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if let Some(kind) = self.refuses.take() {
            return Err(Error::new(kind, "refused"));
        }
        let (records, offsets) = std::mem::take(&mut self.open);
        let mut committed = self.committed.lock().unwrap();
        committed.records.extend(records);
        committed.offsets.extend(offsets);
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        self.committed.lock().unwrap().aborted += 1;
        Ok(())
    }

    fn partitions(&mut self, _: &str) -> Result<Option<i32>> {
        Ok(Some(1))
    }
}

/// Metrics in a registry of their own.
pub fn metrics() -> (prometheus::Registry, Metrics) {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    (registry, metrics)
}

/// A counter's or gauge's value.
pub fn value(registry: &prometheus::Registry, name: &str) -> f64 {
    let family = registry.gather().into_iter().find(|family| family.name() == name).expect(name);
    let metric = &family.get_metric()[0];
    metric.get_counter().get_value() + metric.get_gauge().get_value()
}

/// Runs the loop over the source until its end, or until it dies.
pub fn run_over(settings: &Settings, source: Memory, progress: &Progress) -> hmisr_trainer::Result<Summary> {
    let (_, metrics) = metrics();
    let stop = Arc::clone(&source.at_end);
    run(settings, backend::device()?, source, None, &metrics, progress, &stop)
}

/// The same with a sink and metrics.
pub fn run_with(
    settings: &Settings,
    source: Memory,
    sink: &mut MemorySink,
    metrics: &Metrics,
) -> hmisr_trainer::Result<Summary> {
    let stop = Arc::clone(&source.at_end);
    let progress = Progress::default();
    run(settings, backend::device()?, source, Some(sink), metrics, &progress, &stop)
}

/// Every file of the newest snapshot but its manifest, which holds the time and the version.
pub fn newest_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = std::fs::read_to_string(folder.join("LATEST")).unwrap();
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join(name.trim())).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name != "manifest.json" {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    files
}
