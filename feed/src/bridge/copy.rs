//! The loop: read, map, write, commit.
//!
//! The records of one poll make one transaction: events, dead letters and the group's next offsets are
//! there together or not at all. What took no effect is read again from the committed offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmisr_stream::contract::{DeadLetter, Reason, topic};
use hmisr_stream::{
    Error, ErrorKind, Limits, Outgoing, Polled, Record, Result, Sink, Source, partition_for_key,
};
use serde::Serialize;
use tracing::{info, warn};

use super::{BridgeMetrics, BridgeSettings, Mapping};
use crate::MAX_EVENT_BYTES;

/// Records of one transaction.
const LIMITS: Limits = Limits { records: 5_000, bytes: 8 << 20 };
/// Longest wait of a poll, so that a stop is seen in time.
const POLL: Duration = Duration::from_millis(100);
/// Failures in a row before the run ends.
const PATIENCE: u32 = 10;
/// Half of the pause after the first of them; it doubles with each, so giving up takes 10 s.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two lines that tell how far it is.
const TOLD: Duration = Duration::from_secs(10);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Records that became events.
    pub events: u64,
    /// Records that became dead letters, by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
}

/// Copies a topic into `events`.
pub struct Bridge<'a, S, K> {
    source: S,
    sink: Option<K>,
    make_sink: &'a dyn Fn() -> Result<K>,
    mapping: Mapping,
    metrics: &'a BridgeMetrics,
    /// The next offset of every partition that is read.
    positions: BTreeMap<i32, i64>,
    /// Partitions to be sought to the committed offset before anything more is read.
    to_seek: BTreeSet<i32>,
    copied: Copied,
}

impl<'a, S: Source, K: Sink<Group = S::Group>> Bridge<'a, S, K> {
    /// Over a source that was not polled yet. `make_sink` is asked again where the outcome of a
    /// transaction is unknown.
    pub fn new(
        settings: &BridgeSettings,
        source: S,
        make_sink: &'a dyn Fn() -> Result<K>,
        metrics: &'a BridgeMetrics,
    ) -> Self {
        let mapping = Mapping::new(settings);
        let (positions, to_seek, copied) = (BTreeMap::new(), BTreeSet::new(), Copied::default());
        Self { source, sink: None, make_sink, mapping, metrics, positions, to_seek, copied }
    }

    /// Runs until `stop`; with `until_end` also until every partition was owned and read to its end.
    ///
    /// # Errors
    /// A topic that is missing, a second run of the same transactional id, and offsets that the log
    /// does not hold name their remedy; brokers that stay away end it after some tries.
    pub fn run(mut self, stop: &AtomicBool, until_end: bool) -> Result<Copied> {
        let (mut failures, mut told) = (0, Instant::now());
        while !stop.load(Ordering::Relaxed) {
            match self.turn() {
                Ok(read) => {
                    failures = 0;
                    if until_end && !read && self.is_at_end()? {
                        break;
                    }
                }
                Err(error) if is_passing(error.kind()) && failures < PATIENCE => {
                    failures += 1;
                    warn!(%error, failures, "the bridge tries again from the last commit");
                    std::thread::sleep(PAUSE * (1 << failures));
                }
                Err(error) => return Err(error),
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                let letters: u64 = self.copied.dead_letters.values().sum();
                info!(
                    events = self.copied.events,
                    dead_letters = letters,
                    lag = self.metrics.lag.get(),
                    "bridged"
                );
            }
        }
        Ok(self.copied)
    }

    /// One poll and what it brought; whether that was records.
    fn turn(&mut self) -> Result<bool> {
        // Before the committed offsets are asked for: a new sink settles what the old one left open.
        if self.sink.is_none() {
            self.sink = Some((self.make_sink)()?);
        }
        while let Some(partition) = self.to_seek.first().copied() {
            self.seek_back(partition)?;
            self.to_seek.remove(&partition);
        }
        match self.source.poll(LIMITS, POLL)? {
            Polled::Assigned(partitions) => {
                self.to_seek.extend(partitions);
                Ok(true)
            }
            Polled::Revoked(partitions) => {
                self.positions.retain(|partition, _| !partitions.contains(partition));
                Ok(true)
            }
            Polled::Records(records) if records.is_empty() => {
                self.show_lag();
                Ok(false)
            }
            Polled::Records(records) => {
                let copied = self.copy(&records);
                if let Err(error) = &copied {
                    self.undo(error);
                }
                copied?;
                self.show_lag();
                Ok(true)
            }
        }
    }

    /// To the group's committed offset, or to the start of the log.
    fn seek_back(&mut self, partition: i32) -> Result<()> {
        let (start, end) = self.source.bounds(partition)?;
        let position = self.source.committed(partition)?.unwrap_or(start);
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
        Ok(())
    }

    /// One transaction.
    fn copy(&mut self, records: &[Record]) -> Result<()> {
        let Some(sink) = self.sink.as_mut() else { return Ok(()) };
        let events = partitions(sink, topic::EVENTS)?;
        let letters = partitions(sink, topic::DEAD_LETTERS)?;
        let mut refused: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut next = BTreeMap::new();
        sink.begin()?;
        for record in records {
            let outgoing = outgoing(&self.mapping, record, events).unwrap_or_else(|(reason, message)| {
                *refused.entry(reason.as_str()).or_default() += 1;
                let topic = &self.source.topic().name;
                DeadLetter { record, topic, reason, message: &message }.outgoing(topic::DEAD_LETTERS, letters)
            });
            sink.produce(&outgoing)?;
            next.insert(record.partition, record.offset + 1);
        }
        let offsets: Vec<(i32, i64)> = next.iter().map(|(partition, offset)| (*partition, *offset)).collect();
        sink.send_offsets(&self.source.group(), &self.source.topic().name, &offsets)?;
        sink.commit()?;

        self.positions.extend(next);
        let events = records.len() as u64 - refused.values().sum::<u64>();
        self.copied.events += events;
        self.metrics.events.inc_by(events);
        for (reason, count) in refused {
            *self.copied.dead_letters.entry(reason).or_default() += count;
            self.metrics.dead_letters.with_label_values(&[reason]).inc_by(count);
        }
        Ok(())
    }

    /// After a transaction that failed: back to what is committed, and with a new sink unless this one
    /// could be told to forget it.
    fn undo(&mut self, error: &Error) {
        self.metrics.failed_commits.inc();
        self.to_seek.extend(self.positions.keys());
        let forgot = |sink: &mut K| error.kind() == ErrorKind::Aborted && sink.abort().is_ok();
        if !self.sink.as_mut().is_some_and(forgot) {
            self.sink = None;
        }
    }

    fn show_lag(&self) {
        let behind = |(partition, position): (&i32, &i64)| {
            self.source.known_end(*partition).map_or(0, |end| (end - position).max(0))
        };
        self.metrics.lag.set(self.positions.iter().map(behind).sum());
    }

    /// Whether all partitions are owned and read. Markers of transactions take offsets, too: only who
    /// has read over them knows, so the source is asked where it stands.
    fn is_at_end(&mut self) -> Result<bool> {
        if self.positions.len() as i64 != i64::from(self.source.topic().partitions) {
            return Ok(false);
        }
        for (&partition, &position) in &self.positions {
            if self.source.bounds(partition)?.1 > position {
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

fn partitions(sink: &mut impl Sink, topic: &str) -> Result<i32> {
    sink.partitions(topic)?.ok_or_else(|| {
        let text = format!("the topic {topic} does not exist; make it with `hmisr topics create`");
        Error::new(ErrorKind::MissingTopic, text)
    })
}

/// The event as a record of `events`.
fn outgoing(
    mapping: &Mapping,
    record: &Record,
    partitions: i32,
) -> std::result::Result<Outgoing, (Reason, String)> {
    let event = mapping.event(record)?;
    let (key, payload) = (event.user_id.to_string().into_bytes(), event.encode());
    if payload.len() > MAX_EVENT_BYTES {
        return Err((
            Reason::TooLarge,
            format!("the event has {} bytes, at most {MAX_EVENT_BYTES} are written", payload.len()),
        ));
    }
    let partition = partition_for_key(&key, partitions);
    Ok(Outgoing {
        topic: topic::EVENTS,
        partition,
        key: Some(key),
        payload: Some(payload),
        headers: Vec::new(),
    })
}
