//! The first lesson in the loop: its passes over the log, before the stream goes on.
//!
//! A pass is learnt as the stream is, in journalled batches, between the offsets that the lesson began with.
//! Each pass ends with a version, so that no journal is of two passes; that version says which pass comes next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use hmisr_stream::{Record, Source};
use tracing::{info, warn};

use super::journal::Base;
use super::progress::Pass;
use super::run::{Loop, pause_if_unavailable};
use crate::Result;
use crate::lesson::FirstLesson;
use crate::settings::Settings;

/// Whether the log that `source` reads holds enough for a first lesson. Waits for a log that is out of reach; none
/// where `stop` is set before it is there.
///
/// # Errors
/// Those of the source.
pub fn has_lesson<S: Source>(settings: &Settings, source: &mut S, stop: &AtomicBool) -> Result<Option<bool>> {
    while !stop.load(Ordering::Relaxed) {
        match bounds(source) {
            Ok(bounds) => {
                let lesson = FirstLesson::over(&settings.lesson, settings.model.architecture, &bounds);
                return Ok(Some(lesson.is_some()));
            }
            Err(failed) => pause_if_unavailable(failed)?,
        }
    }
    Ok(None)
}

/// Of every partition the first offset and the one after the last.
fn bounds<S: Source>(source: &mut S) -> Result<BTreeMap<i32, (i64, i64)>> {
    let mut bounds = BTreeMap::new();
    for partition in 0..source.topic().partitions {
        bounds.insert(partition, source.bounds(partition)?);
    }
    Ok(bounds)
}

impl<S: Source> Loop<'_, S> {
    /// Begins a lesson where the log holds enough for one. Once, before anything is read: it ends where the
    /// log does now.
    pub(super) fn decide(&mut self) -> Result<()> {
        let bounds = bounds(&mut self.source)?;
        self.is_undecided = false;
        let settings = self.trainer.settings();
        let Some(lesson) = FirstLesson::over(&settings.lesson, settings.model.architecture, &bounds) else {
            return Ok(());
        };
        let held: i64 = bounds.values().map(|(begin, end)| end - begin).sum();
        let older = u64::try_from(held - lesson.examples()).unwrap_or(0);
        if older > 0 {
            let max_examples = settings.lesson.max_examples;
            warn!(
                older,
                max_examples,
                "the log holds older examples than the first lesson takes: they are never learnt from"
            );
            self.metrics.left_out_examples.inc_by(older);
        }
        bounds.iter().for_each(|(partition, (begin, _))| self.lost(*partition, 0, *begin));
        self.journal.begin(lesson.clone())?;
        self.take_up(lesson);
        Ok(())
    }

    /// Begins a lesson, or goes on with one of which no version was published yet.
    pub(super) fn take_up(&mut self, lesson: FirstLesson) {
        self.queue.positions = lesson.begins();
        self.trainer.state_mut().begin_lesson(lesson);
        self.tell_pass();
    }

    /// Says which pass begins, or goes on.
    pub(super) fn tell_pass(&self) {
        let (Some(pass), Some(lesson)) = (self.pass(), &self.trainer.state().lesson) else { return };
        info!(stage = ?pass.stage, examples = lesson.examples(), "{pass} done before");
    }

    /// The records that are of the pass, where a lesson is under way; all of them otherwise.
    pub(super) fn of_pass(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        // What waits to be sought is read from where the pass before ended, or from beyond: also when the last
        // one has.
        records.retain(|record| !self.gained.contains(&record.partition));
        let Some(lesson) = &self.trainer.state().lesson else { return records };
        records.retain(|Record { partition, offset, .. }| {
            let is_in = lesson.end(*partition).is_some_and(|end| *offset < end);
            if !is_in {
                self.passed.insert(*partition);
            }
            is_in
        });
        records
    }

    /// Whether nothing of the pass is left in the log that was not read.
    pub(super) fn is_read_through(&self) -> bool {
        let Some(lesson) = &self.trainer.state().lesson else { return false };
        lesson.ranges().iter().all(|(partition, (begin, end))| {
            let next = self.queue.next(*partition).unwrap_or(*begin);
            let is_here = self.owned.contains(partition) && !self.gained.contains(partition);
            // The last offsets may be markers of transactions, which no record tells of.
            let read_over = || self.source.known_end(*partition).is_some_and(|known| known <= next);
            next >= *end || self.passed.contains(partition) || (is_here && read_over())
        })
    }

    /// Ends the pass, or with the last one the lesson, where all of it is learnt.
    pub(super) fn pass_on(&mut self) -> Result<()> {
        if !self.replay.is_empty() || self.queue.len() > 0 || !self.is_read_through() {
            return Ok(());
        }
        let batches = self.trainer.state().batches;
        let state = self.trainer.state_mut();
        let Some(lesson) = &state.lesson else { return Ok(()) };
        let (pass, passes) = (lesson.pass(), lesson.passes());
        if batches == lesson.began {
            warn!("first lesson, pass {pass} of {passes}: none of its examples are in the log, so it ends");
            state.end_lesson();
        } else {
            info!("first lesson, pass {pass} of {passes}, is done");
            state.end_pass(&self.queue.positions);
        }
        if let Some(lesson) = &state.lesson {
            self.queue.positions = lesson.begins();
        }
        self.passed.clear();
        match batches {
            // There is nothing to publish, and no lesson to go on with.
            0 => self.journal.clear(Base::default())?,
            _ => self.publish_now()?,
        }
        self.gained = self.owned.iter().copied().collect();
        match self.trainer.state().lesson {
            Some(_) => self.tell_pass(),
            None => info!("the first lesson is over: the stream goes on"),
        }
        self.show();
        self.assign_gained()
    }

    /// Next offset per partition: all before it is in the model.
    pub(super) fn learnt(&self) -> BTreeMap<i32, i64> {
        let positions = &self.queue.positions;
        self.trainer
            .state()
            .lesson
            .as_ref()
            .map_or_else(|| positions.clone(), |lesson| lesson.learnt(positions))
    }

    /// First offset per partition that is still to be read: retention must not touch what later passes need.
    pub(super) fn needed(&self) -> BTreeMap<i32, i64> {
        let positions = &self.queue.positions;
        self.trainer
            .state()
            .lesson
            .as_ref()
            .map_or_else(|| positions.clone(), |lesson| lesson.needed(positions))
    }

    /// The pass under way, for people.
    pub(super) fn pass(&self) -> Option<Pass> {
        let state = self.trainer.state();
        let lesson = state.lesson.as_ref()?;
        let share = lesson.share(&self.queue.positions);
        Some(Pass { number: lesson.pass(), of: lesson.passes(), stage: state.phase().stage, share })
    }
}
