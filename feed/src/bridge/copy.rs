//! The loop: read, map, write, commit.
//!
//! The records of one poll make one transaction, or several where they are lists of many events: events,
//! dead letters and the group's next offsets are there together or not at all, and all events of a record
//! in the same one. What took no effect is read again from the committed offsets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmisr_datasets::values::TimeRange;
use hmisr_stream::contract::{DeadLetter, Example, Reason, Rejections, topic};
use hmisr_stream::{Error, ErrorKind, Limits, Partitioner, Polled, Record, Result, Sink, SkipBatch, Source};
use serde::Serialize;
use tracing::{info, warn};

use super::{BridgeMetrics, Mapping, Times};

/// Records of one transaction.
const LIMITS: Limits = Limits { records: 5_000, bytes: 8 << 20 };
/// Events after which a transaction ends at the next record: a record may hold a list of them.
const EVENTS: usize = 20_000;
/// Longest wait of a poll, so that a stop is seen in time.
const POLL: Duration = Duration::from_millis(100);
/// Failures in a row before the run ends.
const PATIENCE: u32 = 10;
/// Failures further apart are not in a row, whether or not there was anything to commit between.
const IN_A_ROW: Duration = Duration::from_secs(10 * 60);
/// Half of the pause after the first of them; it doubles with each, so giving up takes 10 s and the
/// brokers' timeouts.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest part of a pause in which a stop is not seen.
const SLICE: Duration = Duration::from_millis(50);
/// How long a partition may wait for its committed offset, which is not known while an instance that
/// owned it has a transaction open: 15 minutes at most, by Kafka's default `transaction.max.timeout.ms`.
const WAIT: Duration = Duration::from_secs(16 * 60);
/// Between two lines that tell how far it is.
const TOLD: Duration = Duration::from_secs(10);
/// Between two looks at what holds the bridge up.
const LOOK: Duration = Duration::from_millis(200);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Records that were read, or stood in a batch that could not be read and was skipped.
    pub records: u64,
    /// Events that they became.
    pub events: u64,
    /// Records without an event: filtered out, or with an empty list.
    pub skipped: u64,
    /// Whether the group had committed nothing yet of some partition.
    #[serde(skip)]
    pub begins: bool,
    /// Payloads before which a schema registry's prefix was skipped.
    pub schema_prefixes: u64,
    /// Records that became dead letters, by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// The records that were refused, with an example of each reason: every one of a batch that was skipped,
    /// for which there is one dead letter.
    #[serde(skip)]
    pub rejections: Rejections,
    /// What times were read as, and the first and last; none where there was no event.
    pub times: Option<Times>,
}

/// What one transaction does.
#[derive(Default)]
pub(super) struct Tally {
    events: u64,
    skipped: u64,
    schema_prefixes: u64,
    refused: Rejections,
    times: Vec<i64>,
}

impl Tally {
    /// A dead letter, and nothing else.
    pub(super) fn letter(reason: Reason, example: Example) -> Self {
        let mut tally = Self::default();
        tally.refused.add(reason.as_str(), || example);
        tally
    }
}

/// Copies a topic into `events`.
pub struct Bridge<'a, S, K> {
    pub(super) source: S,
    pub(super) sink: Option<K>,
    make_sink: &'a dyn Fn() -> Result<K>,
    mapping: Mapping,
    partitioner: Partitioner,
    pub(super) metrics: &'a BridgeMetrics,
    /// Batches that are skipped where they cannot be read.
    pub(super) skips: Vec<SkipBatch>,
    /// The next offset of every partition that is read.
    pub(super) positions: BTreeMap<i32, i64>,
    /// Partitions to be sought to the committed offset before anything more of them is copied, and
    /// since when.
    pub(super) waiting: BTreeMap<i32, Instant>,
    /// Where each partition ended when it was first seen.
    ends: BTreeMap<i32, i64>,
    failures: u32,
    failed_at: Instant,
    looked_at: Instant,
    copied: Copied,
    /// The times of events that were written.
    range: TimeRange,
}

impl<'a, S: Source, K: Sink<Group = S::Group>> Bridge<'a, S, K> {
    /// Over a source that was not polled yet. `make_sink` is asked again where the outcome of a
    /// transaction is unknown.
    pub fn new(
        mapping: Mapping,
        source: S,
        make_sink: &'a dyn Fn() -> Result<K>,
        metrics: &'a BridgeMetrics,
    ) -> Self {
        Self {
            source,
            sink: None,
            make_sink,
            mapping,
            partitioner: Partitioner::default(),
            metrics,
            skips: Vec::new(),
            positions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ends: BTreeMap::new(),
            failures: 0,
            failed_at: Instant::now(),
            looked_at: Instant::now(),
            copied: Copied::default(),
            range: TimeRange::default(),
        }
    }

    /// Writes to a topic that is not partitioned by murmur2.
    #[must_use]
    pub fn with_partitioner(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    /// Batches that are skipped where they cannot be read.
    #[must_use]
    pub fn skipping(mut self, batches: &[SkipBatch]) -> Self {
        self.skips = batches.to_vec();
        self
    }

    /// Runs until `stop`; with `until_end` also until every partition was owned and read to where it
    /// ended when it was first seen.
    ///
    /// # Errors
    /// A topic that is missing, a second run of the same transactional id, and offsets that the log
    /// does not hold name their remedy; brokers that stay away end it after some tries.
    pub fn run(mut self, stop: &AtomicBool, until_end: bool) -> Result<Copied> {
        let mut told = Instant::now();
        self.metrics.waits().set(vec!["the bridge is being started".to_owned()]);
        while !stop.load(Ordering::Relaxed) {
            match self.turn(until_end) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => self.pause(error, stop)?,
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                let letters: u64 = self.copied.dead_letters.values().sum();
                info!(
                    events = self.copied.events,
                    skipped = self.copied.skipped,
                    dead_letters = letters,
                    times = %self.range,
                    lag = self.metrics.lag.get(),
                    partitions = format!("{} of {}", self.positions.len(), self.source.topic().partitions),
                    "bridged"
                );
            }
        }
        self.copied.times = self.mapping.times(&self.range);
        Ok(self.copied)
    }

    /// After a failure that may pass: waits, longer with each in a row.
    fn pause(&mut self, error: Error, stop: &AtomicBool) -> Result<()> {
        if self.failed_at.elapsed() > IN_A_ROW {
            self.failures = 0;
        }
        (self.failures, self.failed_at) = (self.failures + 1, Instant::now());
        if !is_passing(error.kind()) || self.failures > PATIENCE {
            return Err(error);
        }
        warn!(%error, failures = self.failures, "the bridge tries again from the last commit");
        let silent = self.source.condition().silent_seconds();
        self.metrics.silent_seconds.set(silent);
        self.metrics.waits().set(vec![format!("the last try failed: {error}")]);
        let pause = PAUSE * (1 << self.failures);
        while self.failed_at.elapsed() < pause && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(SLICE.min(pause));
        }
        Ok(())
    }

    /// One poll and what it brought; whether that was the end.
    fn turn(&mut self, until_end: bool) -> Result<bool> {
        // Before the committed offsets are asked for: a new sink settles what the old one left open.
        if self.sink.is_none() {
            self.sink = Some((self.make_sink)()?);
        }
        self.seek_waiting()?;
        match self.source.poll(LIMITS, POLL)? {
            Polled::Assigned(partitions) => {
                let now = Instant::now();
                self.waiting.extend(partitions.into_iter().map(|partition| (partition, now)));
                Ok(false)
            }
            Polled::Revoked(partitions) => {
                self.positions.retain(|partition, _| !partitions.contains(partition));
                self.waiting.retain(|partition, _| !partitions.contains(partition));
                Ok(false)
            }
            Polled::Records(mut records) => {
                // What comes of a partition before it was sought back comes again.
                records.retain(|record| self.positions.contains_key(&record.partition));
                if !records.is_empty() {
                    self.copy(&records).inspect_err(|error| self.undo(error))?;
                }
                self.show_lag();
                if self.looked_at.elapsed() >= LOOK {
                    self.look(until_end)?;
                    self.looked_at = Instant::now();
                }
                Ok(until_end && self.is_at_end(records.is_empty())?)
            }
        }
    }

    /// Seeks partitions that wait for it. One that cannot be sought yet holds up no polling, and with
    /// it neither the group's membership nor the news that the partition is someone else's by now.
    fn seek_waiting(&mut self) -> Result<()> {
        while let Some((&partition, &since)) = self.waiting.first_key_value() {
            match self.seek_back(partition) {
                Ok(()) => drop(self.waiting.remove(&partition)),
                Err(error) if is_passing(error.kind()) && since.elapsed() < WAIT => {
                    info!(partition, %error, "waiting to go on");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// To the group's committed offset, or to the start of the log.
    fn seek_back(&mut self, partition: i32) -> Result<()> {
        let (start, end) = self.source.bounds(partition)?;
        let committed = self.source.committed(partition)?;
        self.copied.begins |= committed.is_none();
        let position = committed.unwrap_or(start);
        if !(start..=end).contains(&position) {
            return Err(Error::new(
                ErrorKind::OffsetOutOfRange,
                format!(
                    "partition {partition} of {} holds offsets {start} to {end}, and group {} is at {position}: what lies between is gone, or the topic was made anew; set the group's offsets (kafka-consumer-groups.sh --reset-offsets --to-earliest) and start again",
                    self.source.topic().name,
                    self.source.group_id(),
                ),
            ));
        }
        self.source.seek(partition, position)?;
        self.positions.insert(partition, position);
        self.ends.entry(partition).or_insert(end);
        Ok(())
    }

    /// One transaction, or several.
    fn copy(&mut self, records: &[Record]) -> Result<()> {
        self.learn(records)?;
        let mut rest = records;
        while !rest.is_empty() {
            let taken = self.transaction(rest)?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// Decides in which form the topic's times are written, where that is open.
    fn learn(&mut self, records: &[Record]) -> Result<()> {
        let topic = &self.source.topic().name;
        let decided = self
            .mapping
            .learn(records)
            .map_err(|text| Error::new(ErrorKind::Configuration, format!("the times of {topic}: {text}")))?;
        if let Some(form) = decided {
            info!(%topic, %form, "the topic's times are read as");
        }
        Ok(())
    }

    /// One transaction with the first of some records; how many.
    fn transaction(&mut self, records: &[Record]) -> Result<usize> {
        let Some(sink) = self.sink.as_mut() else { return Ok(records.len()) };
        let events = partitions(sink, topic::EVENTS)?;
        let letters = partitions(sink, topic::DEAD_LETTERS)?;
        let (mut tally, mut taken) = (Tally::default(), 0);
        let mut next = BTreeMap::new();
        sink.begin()?;
        for record in records {
            match self.mapping.outgoing(record, |key| self.partitioner.choose(key, events)) {
                Ok((mapped, outgoing)) => {
                    outgoing.iter().try_for_each(|event| sink.produce(event))?;
                    tally.events += outgoing.len() as u64;
                    tally.skipped += u64::from(outgoing.is_empty());
                    tally.schema_prefixes += u64::from(mapped.prefixed);
                    tally.times.extend(mapped.events.iter().map(|event| event.ts));
                }
                Err((reason, message)) => {
                    let topic = &self.source.topic().name;
                    tally.refused.add(reason.as_str(), || Example::of(topic, record, &message));
                    let letter = DeadLetter { record, topic, reason, message: &message };
                    sink.produce(&letter.outgoing(topic::DEAD_LETTERS, letters))?;
                }
            }
            next.insert(record.partition, record.offset + 1);
            taken += 1;
            if tally.times.len() >= EVENTS {
                break;
            }
        }
        let offsets: Vec<(i32, i64)> = next.iter().map(|(partition, offset)| (*partition, *offset)).collect();
        sink.send_offsets(&self.source.group(), &self.source.topic().name, &offsets)?;
        sink.commit()?;

        self.positions.extend(next);
        self.failures = 0;
        self.count(taken as u64, tally);
        Ok(taken)
    }

    /// Counts what is committed.
    pub(super) fn count(&mut self, records: u64, tally: Tally) {
        let (copied, metrics) = (&mut self.copied, self.metrics);
        copied.records += records;
        copied.events += tally.events;
        copied.skipped += tally.skipped;
        copied.schema_prefixes += tally.schema_prefixes;
        metrics.events.inc_by(tally.events);
        metrics.skipped.inc_by(tally.skipped);
        metrics.schema_prefixes.inc_by(tally.schema_prefixes);
        tally.times.into_iter().for_each(|ts| self.range.see(ts));
        for one in tally.refused.by_frequency() {
            *copied.dead_letters.entry(one.reason).or_default() += one.count;
            metrics.dead_letters.with_label_values(&[one.reason]).inc_by(one.count);
        }
        copied.rejections.merge(tally.refused);
    }

    /// Counts further records of a batch that was skipped, beside the one that its letter counts for.
    pub(super) fn count_unreadable(&mut self, more: u64) {
        self.copied.rejections.add_more(Reason::Unreadable.as_str(), more);
    }

    /// After a transaction that failed: back to what is committed, and with a new sink unless this one
    /// could be told to forget it.
    pub(super) fn undo(&mut self, error: &Error) {
        self.metrics.failed_commits.inc();
        let now = Instant::now();
        self.waiting
            .extend(std::mem::take(&mut self.positions).into_keys().map(|partition| (partition, now)));
        let forgot = |sink: &mut K| error.kind() == ErrorKind::Aborted && sink.abort().is_ok();
        if !self.sink.as_mut().is_some_and(forgot) {
            self.sink = None;
        }
    }

    fn show_lag(&self) {
        if !self.waiting.is_empty() {
            return;
        }
        let behind = |(partition, position): (&i32, &i64)| {
            self.source.known_end(*partition).map_or(0, |end| (end - position).max(0))
        };
        self.metrics.lag.set(self.positions.iter().map(behind).sum());
    }

    /// Whether all partitions are owned and read to where they ended when they were first seen.
    /// Markers of transactions take offsets, too: only who has read over them knows, so where nothing
    /// comes any more (`idle`) the source is asked where it stands.
    fn is_at_end(&mut self, idle: bool) -> Result<bool> {
        if self.positions.len() as i64 != i64::from(self.source.topic().partitions) {
            return Ok(false);
        }
        for (partition, &position) in &self.positions {
            let is_read = self.ends.get(partition).is_some_and(|end| position >= *end);
            if !is_read && (!idle || self.source.bounds(*partition)?.1 > position) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether trying again may help.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Aborted | ErrorKind::UnknownOutcome | ErrorKind::Unavailable)
}

pub(super) fn partitions(sink: &mut impl Sink, topic: &str) -> Result<i32> {
    sink.partitions(topic)?.ok_or_else(|| {
        let text = format!("the topic {topic} does not exist; make it with `hmisr topics create`");
        Error::new(ErrorKind::MissingTopic, text)
    })
}
