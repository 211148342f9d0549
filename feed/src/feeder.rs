//! From a source into the log: exactly once, and no faster than it is read.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hmisr_stream::{Partitioner, Result as LogResult};

use crate::pace::Pace;
use crate::settings::BatchSettings;
use crate::{
    Cut, EventLine, EventSource, FeedError, FeedMetrics, FeedProgress, MAX_EVENT_BYTES, Numbered,
    NumberedLine, Settings,
};

/// The longest sleep between two looks at the stop flag.
const NAP: Duration = Duration::from_millis(50);
/// The shortest sleep: a high rate is kept in small bursts.
const SHORT_NAP: Duration = Duration::from_millis(5);
/// How long readers are given before they are asked again.
const BACKPRESSURE_NAP: Duration = Duration::from_millis(10);
/// How often the ground truth is written while a feed runs.
const TRUTH_EVERY: Duration = Duration::from_secs(60);
/// How many cut events are named, one by one, in a minute.
const CUTS_NAMED: u32 = 10;

/// Where events are written: the topic `events`.
///
/// The feeder must be its only writer, and each event must take exactly one offset, in the order
/// written: on Kafka an idempotent producer without transactions, whose markers would take offsets.
pub trait EventWriter {
    /// The offset after the last record, per partition.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    fn ends(&mut self) -> LogResult<Vec<i64>>;

    /// Takes an event for a partition; it may wait for the next flush.
    ///
    /// # Errors
    /// Where the log refuses it.
    fn write(&mut self, partition: i32, line: EventLine) -> LogResult<()>;

    /// Returns once the log has everything that was written. After an error, or without a flush,
    /// each partition may have any beginning of it.
    ///
    /// # Errors
    /// Where the log did not take all.
    fn flush(&mut self) -> LogResult<()>;
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// Events that the log took in this run.
    pub fed: u64,
    /// Events that were in the log already.
    pub skipped: u64,
    /// Whether the source came to its end; otherwise the run was stopped.
    pub finished: bool,
}

/// Feeds a source into a log.
///
/// A restart needs no bookkeeping: of each partition's lines, those whose index is below the log's
/// end are in the log already and are skipped. So nothing is lost or repeated, wherever the last
/// run ended.
pub struct Feeder {
    rate_per_second: f64,
    batch: BatchSettings,
    partitioner: Partitioner,
    truth_file: Option<PathBuf>,
    progress: Arc<FeedProgress>,
    metrics: FeedMetrics,
}

impl Feeder {
    /// A feeder.
    ///
    /// # Errors
    /// [`FeedError::Setting`] for a setting outside its range.
    pub fn new(settings: &Settings, metrics: FeedMetrics) -> Result<Self, FeedError> {
        settings.validate()?;
        let (rate_per_second, batch) = (settings.rate_per_second, settings.batch);
        let partitioner = Partitioner::default();
        Ok(Self { rate_per_second, batch, partitioner, truth_file: None, progress: Arc::default(), metrics })
    }

    /// Writes to a topic that is not partitioned by murmur2.
    #[must_use]
    pub fn with_partitioner(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    /// Also writes the source's ground truth, where it has one, to this file: at the start, every
    /// minute and at the end.
    #[must_use]
    pub fn with_truth_file(mut self, path: PathBuf) -> Self {
        self.truth_file = Some(path);
        self
    }

    /// How far the feed is.
    pub fn progress(&self) -> Arc<FeedProgress> {
        Arc::clone(&self.progress)
    }

    /// Feeds `source`, which was not read from yet, until its end or until `stop` is set. After an
    /// error of kind `Unavailable` it can be called again with the source opened anew.
    ///
    /// `may_send` tells how many more events the readers can bear, `u64::MAX` for no limit; it is
    /// asked after a flush, when what it granted before is used up.
    ///
    /// # Errors
    /// Those of source and log, and [`FeedError::LogLonger`] or [`FeedError::LogTooLong`] where the
    /// log holds more than the source. What was written before an error may be in the log.
    pub fn run(
        &mut self,
        source: &mut dyn EventSource,
        writer: &mut dyn EventWriter,
        may_send: &mut dyn FnMut() -> u64,
        stop: &AtomicBool,
    ) -> Result<Fed, FeedError> {
        let ends = writer.ends()?;
        let partitions = i32::try_from(ends.len()).unwrap_or(0);
        if partitions == 0 || ends.iter().any(|end| *end < 0) {
            return Err(FeedError::Ends { ends });
        }
        let records: u64 = ends.iter().map(|end| end.unsigned_abs()).sum();
        if let Some(events) = source.total().filter(|events| *events < records) {
            return Err(FeedError::LogTooLong { records, events });
        }
        self.progress.start(source.total());
        self.metrics.done.set(0);
        let mut finished = false;
        let mut lines = Numbered::new(source, partitions, self.partitioner);
        let mut run = Run {
            feeder: self,
            writer,
            may_send,
            stop,
            pace: Pace::new(self.rate_per_second),
            credit: 0,
            open: Open::default(),
            flushed_at: Instant::now(),
            truth_at: None,
            cuts_named: (Instant::now(), 0),
        };
        while !stop.load(Relaxed) {
            let Some(line) = lines.next().transpose()? else {
                finished = true;
                break;
            };
            let NumberedLine { partition, offset, line } = line;
            if offset < ends[usize::try_from(partition).unwrap_or(0)] {
                run.skip(&lines);
            } else if run.wait(&lines)? {
                run.write(partition, line, &lines)?;
            }
        }
        run.flush(&lines)?;
        run.feeder.write_truth(lines.source())?;
        if finished {
            check_reached(&ends, lines.counts())?;
            self.progress.finish();
            self.metrics.done.set(1);
        }
        let skipped = self.progress.skipped();
        let fed = Fed { fed: self.progress.fed(), skipped, finished };
        tracing::info!(fed = fed.fed, skipped = fed.skipped, finished, "feed ended");
        Ok(fed)
    }

    /// Feeds nothing, into a log that others fill: whatever is in it is theirs.
    pub fn run_empty(&self) -> Fed {
        self.progress.start(Some(0));
        self.progress.finish();
        self.metrics.done.set(1);
        Fed { fed: 0, skipped: 0, finished: true }
    }

    fn write_truth(&self, source: &dyn EventSource) -> Result<(), FeedError> {
        match (&self.truth_file, source.truth()) {
            (Some(path), Some(truth)) => truth.write(path),
            _ => Ok(()),
        }
    }
}

/// The whole source was read: it must have had all that the log held at the start.
fn check_reached(ends: &[i64], lines: &[i64]) -> Result<(), FeedError> {
    for (partition, (&end, &lines)) in (0..).zip(ends.iter().zip(lines)) {
        if end > lines {
            return Err(FeedError::LogLonger { partition, end, lines });
        }
    }
    Ok(())
}

/// Written and not flushed.
#[derive(Default)]
struct Open {
    events: u64,
    bytes: u64,
    keyless: u64,
    cut: u64,
}

/// One run's state.
struct Run<'a> {
    feeder: &'a Feeder,
    writer: &'a mut dyn EventWriter,
    may_send: &'a mut dyn FnMut() -> u64,
    stop: &'a AtomicBool,
    pace: Pace,
    /// Events that may go before the readers are asked again.
    credit: u64,
    open: Open,
    flushed_at: Instant,
    truth_at: Option<Instant>,
    /// Cut events named since then.
    cuts_named: (Instant, u32),
}

impl Run<'_> {
    fn skip(&mut self, lines: &Numbered<'_>) {
        self.feeder.metrics.skipped.inc();
        let skipped = self.feeder.progress.skipped.fetch_add(1, Relaxed);
        if skipped.is_multiple_of(1_024) {
            self.feeder.progress.read(lines.source().share_read());
        }
    }

    /// Waits until one event may go; false where the run is to stop.
    fn wait(&mut self, lines: &Numbered<'_>) -> Result<bool, FeedError> {
        Ok(self.wait_for_pace(lines)? && self.wait_for_readers(lines)?)
    }

    fn wait_for_pace(&mut self, lines: &Numbered<'_>) -> Result<bool, FeedError> {
        if !self.pace.is_limited() {
            return Ok(true);
        }
        while let Err(wait) = self.pace.take(Instant::now()) {
            if self.stop.load(Relaxed) {
                return Ok(false);
            }
            self.flush_if_old(lines)?;
            sleep(wait.clamp(SHORT_NAP, NAP));
        }
        Ok(true)
    }

    fn wait_for_readers(&mut self, lines: &Numbered<'_>) -> Result<bool, FeedError> {
        if self.credit > 0 {
            return Ok(true);
        }
        // Nobody can read what is not flushed, so what is asked next would be wrong.
        self.flush(lines)?;
        let mut waited = false;
        loop {
            self.credit = (self.may_send)();
            // A few are taken only after a nap: else each of them would cost a flush.
            let enough = if waited { 1 } else { self.feeder.batch.events };
            if self.credit >= enough {
                return Ok(true);
            }
            if self.stop.load(Relaxed) {
                return Ok(false);
            }
            let from = Instant::now();
            sleep(BACKPRESSURE_NAP);
            waited = true;
            self.feeder.metrics.backpressure.inc_by(from.elapsed().as_secs_f64());
        }
    }

    fn write(&mut self, partition: i32, line: EventLine, lines: &Numbered<'_>) -> Result<(), FeedError> {
        self.open.events += 1;
        self.open.bytes += (line.payload.len() + line.key.as_ref().map_or(0, Vec::len)) as u64;
        self.open.keyless += u64::from(line.key.is_none());
        if let Some(cut) = lines.source().cut() {
            self.open.cut += 1;
            self.name_cut(&cut);
        }
        self.credit -= 1;
        self.writer.write(partition, line)?;
        let BatchSettings { events, bytes, .. } = self.feeder.batch;
        if self.open.events >= events || self.open.bytes >= bytes {
            return self.flush(lines);
        }
        self.flush_if_old(lines)
    }

    fn name_cut(&mut self, Cut { place, bytes }: &Cut) {
        if self.cuts_named.0.elapsed() >= Duration::from_secs(60) {
            self.cuts_named = (Instant::now(), 0);
        }
        self.cuts_named.1 += 1;
        match self.cuts_named.1 {
            named if named <= CUTS_NAMED => tracing::warn!(
                "{place}: {bytes} bytes; only the first {MAX_EVENT_BYTES} are fed, which become a dead letter"
            ),
            named if named == CUTS_NAMED + 1 => tracing::warn!(
                "more lines are cut; hmisr_feed_cut_events_total counts them, and they are named again in a minute"
            ),
            _ => {}
        }
    }

    fn flush_if_old(&mut self, lines: &Numbered<'_>) -> Result<(), FeedError> {
        if self.flushed_at.elapsed() >= Duration::from_millis(self.feeder.batch.ms) {
            return self.flush(lines);
        }
        Ok(())
    }

    fn flush(&mut self, lines: &Numbered<'_>) -> Result<(), FeedError> {
        if self.open.events > 0 {
            let from = Instant::now();
            self.writer.flush()?;
            let open = std::mem::take(&mut self.open);
            let metrics = &self.feeder.metrics;
            metrics.flush.observe(from.elapsed().as_secs_f64());
            metrics.events.inc_by(open.events);
            metrics.bytes.inc_by(open.bytes);
            metrics.keyless.inc_by(open.keyless);
            metrics.cut.inc_by(open.cut);
            self.feeder.progress.cut.fetch_add(open.cut, Relaxed);
            self.feeder.progress.fed.fetch_add(open.events, Relaxed);
        }
        self.flushed_at = Instant::now();
        self.feeder.progress.read(lines.source().share_read());
        if self.truth_at.is_none_or(|at| at.elapsed() >= TRUTH_EVERY) {
            self.feeder.write_truth(lines.source())?;
            self.truth_at = Some(Instant::now());
        }
        Ok(())
    }
}
