//! The loop itself.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmisr_recommend::artifact::Topic;
use hmisr_stream::{Limits, Polled, Record, Sink, Source};
use tracing::{error, info, warn};

use super::journal::{Base, Entry, Journal};
use super::progress::Progress;
use super::publish::topic_of;
use super::queue::Queue;
use crate::backend::Device;
use crate::metrics::Metrics;
use crate::prequential::Means;
use crate::settings::Settings;
use crate::snapshot::{Bound, Restored, Start, restore, start};
use crate::trainer::Trainer;
use crate::{Error, ErrorKind, Result};

/// Longest wait of a poll, so that a stop is seen in time.
const POLL: Duration = Duration::from_millis(50);
/// Bytes that one poll may bring.
const POLL_BYTES: usize = 16 << 20;
/// Pause after a source that cannot be reached.
const PAUSE: Duration = Duration::from_millis(100);
/// How old the shown progress may get: lag changes also while nothing is learnt.
const SHOW: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Examples learnt from, over all runs.
    pub examples: u64,
    /// Optimizer steps, over all runs.
    pub step: u64,
    /// Items that the model knows.
    pub items: u64,
    /// Newest published version; 0 where nothing was ever learnt.
    pub version: u64,
    /// The evaluation over all examples.
    pub overall: Means,
    /// Over the newest tenth of them.
    pub last_tenth: Means,
    /// The curve, consecutive stretches of equally many examples.
    pub curve: Vec<Means>,
}

/// Learns from `source` until `stop`, then from what it has already read, and publishes.
///
/// It starts from the newest snapshot below `settings.folder`, or from the one that `settings.from` names, at the
/// offsets that it names, learns the journalled batches again, and goes on. One such loop may write to a folder at a
/// time ([`FolderLock`](hmisr_recommend::artifact::FolderLock)), and read a topic ([`alone`](super::alone)). With a `sink`, each snapshot is announced on `model-snapshots` together with the group's
/// offsets; an announcement that is refused for now is counted, and the next one brings it.
///
/// Without a version it begins with a lesson over what the log holds
/// ([`LessonSettings`](crate::settings::LessonSettings)), where that is enough for one.
///
/// # Errors
/// A snapshot, journal or offset that does not fit names its remedy. A sink whose outcome is
/// unknown, or a non-finite loss, ends the run; a new run goes on from the last snapshot.
pub fn run<'a, S: Source>(
    settings: &Settings,
    device: Device,
    source: S,
    sink: Option<&'a mut dyn Sink<Group = S::Group>>,
    metrics: &'a Metrics,
    progress: &'a Progress,
    stop: &AtomicBool,
) -> Result<Summary> {
    let mut looped = Loop::<S>::restore(settings, device, source, sink, metrics, progress)?;
    while !stop.load(Ordering::Relaxed) {
        looped.read()?;
        looped.replay()?;
        if looped.replay.is_empty() && looped.is_due() {
            looped.learn_new()?;
        }
        looped.pass_on()?;
        looped.publish_if_due()?;
        if looped.shown.elapsed() >= SHOW {
            looped.show();
        }
    }
    if looped.replay.is_empty() && looped.queue.len() > 0 {
        looped.learn_new()?;
    }
    looped.publish()?;
    looped.show();
    Ok(looped.summary())
}

pub(super) struct Loop<'a, S: Source> {
    pub(super) source: S,
    pub(super) sink: Option<&'a mut dyn Sink<Group = S::Group>>,
    pub(super) metrics: &'a Metrics,
    pub(super) progress: &'a Progress,
    pub(super) trainer: Trainer,
    pub(super) queue: Queue,
    pub(super) journal: Journal,
    /// Journalled batches still to be learnt again.
    pub(super) replay: VecDeque<Entry>,
    /// Partitions gained and not yet read from.
    pub(super) gained: Vec<i32>,
    /// All that are this reader's.
    pub(super) owned: BTreeSet<i32>,
    /// Whether it is still to be seen what the log holds for a first lesson.
    pub(super) is_undecided: bool,
    /// Partitions that were read past the end of the lesson's pass.
    pub(super) passed: BTreeSet<i32>,
    /// Examples learnt from in this run.
    pub(super) taken: u64,
    /// When the oldest record of the queue came.
    pub(super) waiting_since: Option<Instant>,
    /// When progress was last shown.
    pub(super) shown: Instant,
    /// Batches in the newest snapshot, its examples, and when it was written.
    pub(super) published: (u64, u64, Instant),
    pub(super) version: u64,
    pub(super) loss: f64,
}

impl<'a, S: Source> Loop<'a, S> {
    fn restore(
        settings: &Settings,
        device: Device,
        source: S,
        sink: Option<&'a mut dyn Sink<Group = S::Group>>,
        metrics: &'a Metrics,
        progress: &'a Progress,
    ) -> Result<Self> {
        settings.validate()?;
        let mut queue = Queue::default();
        let (mut version, mut loss) = (0, 0.0);
        let mut base = Base::default();
        let trainer = match start(&settings.folder, settings.from)? {
            None => Trainer::new(settings.clone(), device)?,
            Some(Start { artifact, is_newest }) => {
                let manifest = artifact.manifest();
                same_topic(&source, settings, "snapshot", manifest.topic.as_ref())?;
                queue.positions = manifest.offsets.clone();
                (version, loss) = (manifest.version, manifest.metrics.loss);
                metrics.snapshot(manifest);
                progress.update(|view| {
                    view.learnt_before = manifest.examples;
                    view.snapshot_version = manifest.version;
                    view.snapshot_ms = manifest.created_ms;
                    view.snapshot_offsets = manifest.offsets.clone();
                });
                let Restored { mut state, settings, bound, is_whole } = restore(&artifact, settings)?;
                base = manifest.into();
                if let Some(lesson) = &state.lesson {
                    queue.positions.clone_from(&lesson.positions);
                }
                if !is_newest {
                    state.lineage.from = Some(manifest.version);
                }
                info!(version, examples = manifest.examples, whole = is_whole, "going on from a snapshot");
                if !bound.is_same() {
                    let Bound { changed, fresh, dropped } = bound;
                    warn!(
                        ?changed,
                        ?fresh,
                        ?dropped,
                        "the snapshot is of another network: weights were bound by name"
                    );
                }
                Trainer::with_state(settings, state, device)
            }
        };
        let (journal, replay) =
            Journal::open(&settings.folder, base, topic_of(&source), trainer.state().batches)?;
        same_topic(&source, settings, "journal", Some(&journal.topic))?;
        let published = (trainer.state().batches, trainer.state().examples, Instant::now());
        let begun_before = journal.lesson.clone();
        // Batches that were learnt without a lesson stay without one.
        let is_undecided =
            version == 0 && !settings.is_without_lesson && begun_before.is_none() && replay.is_empty();
        let mut looped = Self {
            source,
            sink,
            metrics,
            progress,
            trainer,
            queue,
            journal,
            replay: replay.into(),
            gained: Vec::new(),
            owned: BTreeSet::new(),
            is_undecided,
            passed: BTreeSet::new(),
            taken: 0,
            waiting_since: None,
            shown: Instant::now(),
            published,
            version,
            loss,
        };
        match begun_before {
            Some(lesson) => looped.take_up(lesson),
            None => looped.tell_pass(),
        }
        looped.show();
        Ok(looped)
    }

    /// Reads once, for at most the time that the batch may still wait.
    fn read(&mut self) -> Result<()> {
        let settings = self.trainer.settings();
        let wait = self.waiting_since.map_or(POLL, |since| {
            Duration::from_millis(settings.batch_ms).saturating_sub(since.elapsed()).min(POLL)
        });
        // In a replay the queue may hold more than a batch of one partition while it waits for
        // another; what is read then still comes in polls of a batch.
        let room = match self.replay.is_empty() {
            true => settings.batch_examples.saturating_sub(self.queue.len()),
            false => settings.batch_examples,
        };
        if room == 0 {
            return Ok(());
        }
        let polled = self.source.poll(Limits { records: room, bytes: POLL_BYTES }, wait);
        let polled = polled.map(|polled| match polled {
            Polled::Records(records) => Polled::Records(self.of_pass(records)),
            changed => changed,
        });
        match polled {
            Ok(Polled::Records(records)) if records.is_empty() => {
                // Nothing is learnt past what cannot be read: it is no example that may be left out unseen.
                if let Some(stuck) = self.source.condition().stuck.into_iter().next() {
                    return Err(
                        hmisr_stream::Error::new(hmisr_stream::ErrorKind::Corrupt, stuck.message).into()
                    );
                }
            }
            Ok(Polled::Records(records)) => self.push(records),
            Ok(Polled::Assigned(partitions)) => {
                self.owned.extend(&partitions);
                self.gained.extend(partitions);
            }
            Ok(Polled::Revoked(partitions)) => {
                self.owned.retain(|partition| !partitions.contains(partition));
                self.gained.retain(|partition| !partitions.contains(partition));
                self.passed.retain(|partition| !partitions.contains(partition));
                partitions.into_iter().for_each(|partition| self.queue.revoke(partition));
                if self.queue.len() == 0 {
                    self.waiting_since = None;
                }
            }
            Err(failed) if self.may_go_on_after(&failed) => {
                warn!(error = %failed, "the first lesson goes on with what the log still holds");
                self.gained = self.owned.iter().copied().collect();
                self.waiting_since = None;
                std::thread::sleep(PAUSE);
            }
            Err(failed) => return pause_if_unavailable(failed.into()),
        }
        self.assign_gained()
    }

    /// Whether retention has overtaken a lesson, which needs no example but those that there are.
    fn may_go_on_after(&self, failed: &hmisr_stream::Error) -> bool {
        let is_in_lesson = self.trainer.state().lesson.is_some() && self.replay.is_empty();
        failed.kind() == hmisr_stream::ErrorKind::OffsetOutOfRange && is_in_lesson
    }

    /// Starts the partitions that were gained, or are to be read from another place.
    pub(super) fn assign_gained(&mut self) -> Result<()> {
        if self.is_undecided
            && !self.gained.is_empty()
            && let Err(failed) = self.decide()
        {
            return pause_if_unavailable(failed);
        }
        while let Some(partition) = self.gained.last().copied() {
            if let Err(failed) = self.assign(partition) {
                return pause_if_unavailable(failed);
            }
            self.gained.pop();
        }
        Ok(())
    }

    fn push(&mut self, records: Vec<Record>) {
        for record in records {
            let (partition, offset) = (record.partition, record.offset);
            let is_first = self.trainer.state().phase().is_first;
            if let Err(problem) = self.queue.push(record)
                && is_first
            {
                self.metrics.bad_examples.inc();
                self.progress.update(|view| view.bad_examples += 1);
                error!(partition, offset, problem, "a record is no training example; skipped");
            }
            self.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    /// Starts a partition where the model's knowledge of it ends.
    fn assign(&mut self, partition: i32) -> Result<()> {
        self.queue.revoke(partition);
        self.passed.remove(&partition);
        let (begin, end) = self.source.bounds(partition)?;
        let position = self.queue.positions.get(&partition).copied();
        let settings = self.trainer.settings();
        let pass_end = self.trainer.state().lesson.as_ref().and_then(|lesson| lesson.end(partition));
        let may_skip = settings.skip_lost_examples || pass_end.is_some();
        let start = match position {
            None => begin,
            Some(position) if (begin..=end).contains(&position) => position,
            Some(position) if position < begin && may_skip && self.replay.is_empty() => begin,
            Some(position) => {
                let (known, verb) =
                    if self.version == 0 { ("journal", "begins") } else { ("snapshot", "ends") };
                let removed = format!("remove the journal there {}", self.without_journal());
                let remedy = match position < begin {
                    true if may_skip => removed.as_str(),
                    true => "set skip_lost_examples to go on without them, or keep the log longer",
                    false => "give another `folder` where the topic was made anew, to learn from its start",
                };
                return Err(Error::new(
                    ErrorKind::Position,
                    format!(
                        "training examples, partition {partition}: the {known} in {} {verb} at offset {position}, the \
                         log holds {begin} to {end}; {remedy}",
                        settings.folder.display()
                    ),
                ));
            }
        };
        self.source.seek(partition, start)?;
        let next = pass_end.map_or(start, |end| start.min(end));
        self.queue.positions.insert(partition, next);
        if let Some(lesson) = &mut self.trainer.state_mut().lesson {
            lesson.miss(next - position.unwrap_or(next));
        }
        // A partition that the snapshot does not know should have been read from offset 0.
        self.lost(partition, position.unwrap_or(0), next);
        self.show();
        Ok(())
    }

    /// Tells of the offsets from `wanted` to `begin`, where there are any: the log no longer holds them.
    pub(super) fn lost(&self, partition: i32, wanted: i64, begin: i64) {
        let Some(lost) = u64::try_from(begin - wanted).ok().filter(|lost| *lost > 0) else { return };
        if !self.trainer.state().phase().is_first {
            warn!(
                partition,
                wanted, begin, lost, "the log no longer holds these offsets: the lesson goes on without"
            );
            return;
        }
        warn!(
            partition,
            wanted,
            begin,
            lost,
            "the log no longer holds these offsets: their examples are lost to the model"
        );
        self.metrics.lost_examples.inc_by(lost);
    }

    /// What removing the journal is for.
    fn without_journal(&self) -> &'static str {
        match (self.version, &self.trainer.state().lesson) {
            (0, Some(_)) => "to begin the lesson anew",
            (0, None) => "to begin anew",
            _ => "to go on from the snapshot alone",
        }
    }

    /// Learns again what the journal says and the queue holds.
    fn replay(&mut self) -> Result<()> {
        while let Some(entry) = self.replay.front() {
            if !self.queue.holds(entry) {
                return self.possible(entry);
            }
            let Some(entry) = self.replay.pop_front() else { break };
            self.metrics.replayed.inc();
            self.learn(&entry)?;
        }
        Ok(())
    }

    /// Whether the log still has what the journal names.
    fn possible(&self, entry: &Entry) -> Result<()> {
        for (partition, (_, end)) in &entry.ranges {
            if let Some(known) = self.source.known_end(*partition).filter(|known| known < end) {
                return Err(Error::new(
                    ErrorKind::Position,
                    format!(
                        "journal in {}: batch {} ends at offset {end} of partition {partition}, the log at {known}; \
                         remove the journal {}",
                        self.trainer.settings().folder.display(),
                        entry.batch,
                        self.without_journal()
                    ),
                ));
            }
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let settings = self.trainer.settings();
        let waited =
            self.waiting_since.is_some_and(|since| since.elapsed().as_millis() >= settings.batch_ms.into());
        let is_rest = || waited || self.is_read_through();
        self.queue.len() >= settings.batch_examples || (self.queue.len() > 0 && is_rest())
    }

    fn learn_new(&mut self) -> Result<()> {
        let entry = self.queue.all(self.trainer.state().batches + 1);
        self.journal.append(&entry)?;
        self.learn(&entry)
    }

    fn learn(&mut self, entry: &Entry) -> Result<()> {
        let batch = self.queue.take(entry);
        self.waiting_since = (self.queue.len() > 0).then(Instant::now);
        let begun = Instant::now();
        let report = self.trainer.learn_and_serve(&batch.examples, &batch.asked)?;
        self.taken += batch.examples.len() as u64;
        let is_first = self.trainer.state().phase().is_first;
        // In a later pass the user may have begun anew since.
        if is_first {
            for user in &batch.forgotten {
                self.trainer.forget(user);
            }
            self.metrics.tombstones.inc_by(batch.forgotten.len() as u64);
        }
        self.metrics.step_seconds.observe(begun.elapsed().as_secs_f64());
        self.metrics.step(&report, &self.trainer.rolling(), is_first);
        let seen = &self.trainer.state().seen;
        self.metrics.seen_entries.set(i64::try_from(seen.entries()).unwrap_or(i64::MAX));
        self.metrics.seen_dropped.set(i64::try_from(seen.dropped).unwrap_or(i64::MAX));
        if !batch.examples.is_empty() {
            self.loss = report.loss;
        }
        self.show();
        Ok(())
    }

    /// Records behind the known ends; none where one is not known, or a partition not yet read.
    fn lag(&self) -> Option<u64> {
        let learnt = self.learnt();
        if (learnt.len() as i64) < i64::from(self.source.topic().partitions) {
            return None;
        }
        let behind = |(partition, position): (&i32, &i64)| {
            self.source.known_end(*partition).map(|end| u64::try_from(end - position).unwrap_or(0))
        };
        learnt.iter().map(behind).sum()
    }

    pub(super) fn show(&mut self) {
        self.shown = Instant::now();
        let lag = self.lag();
        if let Some(lag) = lag {
            self.metrics.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        }
        self.progress.look(&self.source, self.owned.len(), self.metrics);
        let (pass, positions) = (self.pass(), self.learnt());
        self.metrics.pass(pass);
        let state = self.trainer.state();
        self.progress.update(|view| {
            view.examples = state.examples;
            view.taken = self.taken;
            view.step = state.parameters.step;
            view.loss = self.loss;
            view.rolling = state.prequential.rolling();
            view.overall = state.prequential.overall();
            view.items = state.catalogue.len() as u64;
            view.lag = lag;
            view.replaying = !self.replay.is_empty();
            view.lesson = pass;
            view.positions = positions;
        });
    }

    fn summary(&self) -> Summary {
        let state = self.trainer.state();
        Summary {
            examples: state.examples,
            step: state.parameters.step,
            items: state.catalogue.len() as u64,
            version: self.version,
            overall: state.prequential.overall(),
            last_tenth: state.prequential.last(0.1),
            curve: state.prequential.curve(),
        }
    }
}

/// Waits a moment where the same call may work later; passes any other error on.
pub(super) fn pause_if_unavailable(failed: Error) -> Result<()> {
    if failed.kind() != ErrorKind::Stream(hmisr_stream::ErrorKind::Unavailable) {
        return Err(failed);
    }
    warn!(error = %failed, "the training examples cannot be read; trying again");
    std::thread::sleep(PAUSE);
    Ok(())
}

/// Refuses a snapshot or a journal of another topic: its offsets mean nothing here.
fn same_topic<S: Source>(source: &S, settings: &Settings, what: &str, trained: Option<&Topic>) -> Result<()> {
    let (found, Some(trained)) = (source.topic(), trained) else { return Ok(()) };
    if (&found.name, &found.id, found.partitions) == (&trained.name, &trained.id, trained.partitions) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Position,
        format!(
            "the {what} in {} is of topic {:?} (id {:?}, {} partitions), the source reads {:?} (id {:?}, {} \
             partitions); give another `folder` to learn from this topic's start",
            settings.folder.display(),
            trained.name,
            trained.id,
            trained.partitions,
            found.name,
            found.id,
            found.partitions
        ),
    ))
}
