//! The first lesson: the stages of a fit, over what the log retained when the trainer began with nothing.
//!
//! The first pass over an example evaluates and counts it, as the stream does; later passes only learn. The
//! stream then goes on where the lesson's examples end.

use std::collections::BTreeMap;

use hmisr_model::Architecture;
use hmisr_model::hmisr::Stage;
use hmisr_recommend::artifact::Lesson;
use serde::{Deserialize, Serialize};

use crate::settings::LessonSettings;
use crate::state::State;

/// How a batch is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) stage: Stage,
    /// Passes of this stage before.
    pub(crate) epoch: usize,
    /// Whether its examples come for the first time: then they are evaluated and counted.
    pub(crate) is_first: bool,
}

impl Phase {
    /// The stream's. After ten epochs of the last stage its weights stay: an endless stream is there from its
    /// beginning.
    const STEADY: Self = Self { stage: Stage::All, epoch: 10, is_first: true };
}

/// Which examples are learnt in which passes, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FirstLesson {
    /// The stages with their passes.
    schedule: Vec<Lesson>,
    /// Per partition the first offset and the one after the last.
    ranges: BTreeMap<i32, (i64, i64)>,
    /// Passes that are done.
    #[serde(default)]
    done: usize,
    /// Batches learnt before the pass under way.
    #[serde(default)]
    pub(crate) began: u64,
    /// Offsets of the pass under way that the log no longer held.
    #[serde(default)]
    missed: i64,
    /// Next offset per partition in the pass under way, when the version that holds this was written.
    #[serde(default)]
    pub(crate) positions: BTreeMap<i32, i64>,
}

impl FirstLesson {
    /// The lesson over a log with these bounds (first offset, the one after the last); none where it holds
    /// fewer examples than a lesson needs, or no passes are set. Offsets without a record count as examples.
    pub(crate) fn over(
        settings: &LessonSettings,
        architecture: Architecture,
        bounds: &BTreeMap<i32, (i64, i64)>,
    ) -> Option<Self> {
        let length = |(begin, end): &(i64, i64)| u64::try_from(end - begin).unwrap_or(0);
        let total: u64 = bounds.values().map(length).sum();
        let schedule = schedule(settings.passes, architecture);
        if schedule.is_empty() || total < settings.min_examples.max(1) {
            return None;
        }
        // Of each partition the newest, by its share in all.
        let taken = |bounds: &(i64, i64)| {
            let most = u128::from(length(bounds)) * u128::from(settings.max_examples.min(total));
            i64::try_from(most / u128::from(total)).unwrap_or(i64::MAX)
        };
        let range =
            |(partition, bounds): (&i32, &(i64, i64))| (*partition, (bounds.1 - taken(bounds), bounds.1));
        let ranges: BTreeMap<i32, (i64, i64)> = bounds.iter().map(range).collect();
        Some(Self { schedule, positions: begins(&ranges), ranges, done: 0, began: 0, missed: 0 })
    }

    /// Of the pass under way; none once all are done.
    fn phase(&self) -> Option<Phase> {
        let mut epoch = self.done;
        for Lesson { stage, epochs } in &self.schedule {
            if epoch < *epochs {
                return Some(Phase { stage: *stage, epoch, is_first: self.done == 0 });
            }
            epoch -= epochs;
        }
        None
    }

    /// The pass under way, counted from 1.
    pub(crate) fn pass(&self) -> usize {
        self.done + 1
    }

    /// Passes in all.
    pub(crate) fn passes(&self) -> usize {
        self.schedule.iter().map(|lesson| lesson.epochs).sum()
    }

    /// Per partition the first offset and the one after the last.
    pub(crate) fn ranges(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.ranges
    }

    /// Per partition the first offset.
    pub(crate) fn begins(&self) -> BTreeMap<i32, i64> {
        begins(&self.ranges)
    }

    /// Per partition the offset after the last.
    fn ends(&self) -> BTreeMap<i32, i64> {
        self.ranges.iter().map(|(partition, (_, end))| (*partition, *end)).collect()
    }

    /// The offset after a partition's last; none of a partition that is not in the lesson.
    pub(crate) fn end(&self, partition: i32) -> Option<i64> {
        Some(self.ranges.get(&partition)?.1)
    }

    /// Next offset per partition of what is in the model, at these positions of the pass.
    pub(crate) fn learnt(&self, positions: &BTreeMap<i32, i64>) -> BTreeMap<i32, i64> {
        if self.done == 0 { positions.clone() } else { self.ends() }
    }

    /// First offset per partition that is still to be read, in this pass or in a later one.
    pub(crate) fn needed(&self, positions: &BTreeMap<i32, i64>) -> BTreeMap<i32, i64> {
        if self.pass() >= self.passes() { positions.clone() } else { self.begins() }
    }

    /// Offsets of a pass.
    pub(crate) fn examples(&self) -> i64 {
        self.ranges.values().map(|(begin, end)| end - begin).sum()
    }

    /// Share of the pass that is done at these positions, 0 to 1.
    pub(crate) fn share(&self, positions: &BTreeMap<i32, i64>) -> f64 {
        let read = |(partition, (begin, end)): (&i32, &(i64, i64))| {
            positions.get(partition).map_or(0, |position| position.clamp(begin, end) - begin)
        };
        self.ranges.iter().map(read).sum::<i64>() as f64 / self.examples().max(1) as f64
    }

    /// Notes that the pass under way goes on without so many offsets.
    pub(crate) fn miss(&mut self, offsets: i64) {
        self.missed += offsets.max(0);
    }

    /// Ends each range where its last record is: the log's end may lie behind markers of transactions.
    fn narrow(&mut self, positions: &BTreeMap<i32, i64>) {
        for (partition, (begin, end)) in &mut self.ranges {
            if let Some(position) = positions.get(partition) {
                *end = (*position).clamp(*begin, *end);
            }
        }
    }
}

fn begins(ranges: &BTreeMap<i32, (i64, i64)>) -> BTreeMap<i32, i64> {
    ranges.iter().map(|(partition, (begin, _))| (*partition, *begin)).collect()
}

/// The stages with their passes: three, or one of a network without stages.
fn schedule(passes: [usize; 3], architecture: Architecture) -> Vec<Lesson> {
    let stages: Vec<(Stage, usize)> = match architecture.is_staged() {
        true => Stage::ALL.into_iter().zip(passes).collect(),
        false => vec![(Stage::All, passes.iter().sum())],
    };
    let planned = stages.into_iter().filter(|(_, epochs)| *epochs > 0);
    planned.map(|(stage, epochs)| Lesson { stage, epochs }).collect()
}

impl State {
    /// How the next batch is learnt.
    pub(crate) fn phase(&self) -> Phase {
        self.lesson.as_ref().and_then(FirstLesson::phase).unwrap_or(Phase::STEADY)
    }

    /// Begins a lesson, before anything was learnt.
    pub(crate) fn begin_lesson(&mut self, lesson: FirstLesson) {
        self.lesson = Some(FirstLesson { began: self.batches, ..lesson });
        self.lineage.stage = self.phase().stage;
    }

    /// Ends the pass under way, which was learnt up to these positions, and with the last one the lesson.
    pub(crate) fn end_pass(&mut self, positions: &BTreeMap<i32, i64>) {
        let Phase { stage, is_first, .. } = self.phase();
        let Some(lesson) = &mut self.lesson else { return };
        if is_first {
            lesson.narrow(positions);
        }
        let is_mostly_learnt = 2 * lesson.missed <= lesson.examples();
        lesson.done += 1;
        (lesson.began, lesson.missed) = (self.batches, 0);
        lesson.positions = lesson.begins();
        let next = lesson.phase();
        match self.lineage.lessons.last_mut() {
            Some(last) if last.stage == stage => last.epochs += 1,
            _ => self.lineage.lessons.push(Lesson { stage, epochs: 1 }),
        }
        // What a few examples taught is not served; enough steps of the stage say so by themselves.
        if is_mostly_learnt {
            self.lineage.stage = stage;
        }
        self.leave_coarse(stage, next.map_or(Stage::All, |next| next.stage));
        if next.is_none() {
            self.leave_lesson();
        }
    }

    /// Counts were weighed in the first pass alone, beside a network that had learnt little.
    fn leave_lesson(&mut self) {
        self.lesson = None;
        if let Some(counts) = &mut self.counts {
            counts.unsure();
        }
    }

    /// Ends the lesson before its pass, whichever are done: what comes is learnt as a stream.
    pub(crate) fn end_lesson(&mut self) {
        self.leave_coarse(self.phase().stage, Stage::All);
        self.leave_lesson();
        if self.lineage.lessons.is_empty() {
            self.lineage.stage = Stage::All;
        }
    }

    /// Above the encoder nothing was learnt in the coarse stage: that begins now.
    fn leave_coarse(&mut self, before: Stage, next: Stage) {
        if before == Stage::Coarse && next != Stage::Coarse {
            self.lineage.level_from = self.parameters.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(settings: &LessonSettings, bounds: &[(i64, i64)]) -> Option<FirstLesson> {
        FirstLesson::over(settings, Architecture::Hmisr, &(0..).zip(bounds.iter().copied()).collect())
    }

    fn settings(passes: [usize; 3], min_examples: u64, max_examples: u64) -> LessonSettings {
        LessonSettings { passes, min_examples, max_examples }
    }

    #[test]
    fn each_partition_gives_the_newest_of_its_share() {
        let bounds = [(100, 400), (0, 100), (7, 7)];
        let lesson = over(&settings([0, 0, 1], 400, 40), &bounds).unwrap();
        assert_eq!(lesson.ranges, BTreeMap::from([(0, (370, 400)), (1, (90, 100)), (2, (7, 7))]));
        assert_eq!((lesson.examples(), lesson.share(&BTreeMap::from([(0, 380), (1, 100)]))), (40, 0.5));
        let all = over(&settings([0, 0, 1], 400, 400), &bounds).unwrap();
        assert_eq!(all.ranges, BTreeMap::from([(0, (100, 400)), (1, (0, 100)), (2, (7, 7))]));
        assert_eq!(over(&settings([0, 0, 1], 401, 40), &bounds), None);
        assert_eq!(over(&settings([0; 3], 0, 40), &bounds), None);
        assert_eq!(over(&settings([0, 0, 1], 0, 40), &[(7, 7)]), None, "an empty log");
    }

    #[test]
    fn passes_go_through_the_stages_and_only_the_first_is_new() {
        let mut lesson = over(&settings([1, 0, 2], 1, 40), &[(0, 10)]).unwrap();
        let phases = std::iter::from_fn(|| {
            let phase = lesson.phase()?;
            lesson.done += 1;
            Some((phase.stage, phase.epoch, phase.is_first))
        });
        let expected = [(Stage::Coarse, 0, true), (Stage::All, 0, false), (Stage::All, 1, false)];
        assert_eq!(phases.collect::<Vec<_>>(), expected);
        let sum = schedule([1, 0, 2], Architecture::Sasrec);
        assert_eq!(sum, [Lesson { stage: Stage::All, epochs: 3 }]);
    }
}
