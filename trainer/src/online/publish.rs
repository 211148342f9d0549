//! Publishing a snapshot, and telling others of it.

use std::collections::BTreeMap;
use std::time::Instant;

use hmisr_recommend::artifact::{Manifest, Topic};
use hmisr_recommend::counts::Counts;
use hmisr_stream::contract::{SnapshotAnnouncement, topic};
use hmisr_stream::{Error, ErrorKind, Outgoing, Sink, Source};
use tracing::warn;

use super::run::Loop;
use crate::Result;
use crate::snapshot::{Context, publish};

/// Bytes of counts from which on time alone makes no version more often than each [`RARELY_S`] seconds: each version
/// holds all of them.
const LARGE_COUNTS: usize = 16 << 20;
const RARELY_S: u64 = 60;

impl<S: Source> Loop<'_, S> {
    pub(super) fn publish_if_due(&mut self) -> Result<()> {
        let (_, examples, at) = self.published;
        let settings = self.trainer.settings();
        let counted = self.trainer.state().counts.as_ref().map_or(0, Counts::bytes);
        let rarely = if counted > LARGE_COUNTS { RARELY_S } else { 0 };
        let due = at.elapsed().as_secs() >= settings.snapshot_every_s.max(rarely);
        let every = settings.snapshot_every_examples;
        let enough = every > 0 && self.trainer.state().examples - examples >= every;
        // Before the replay is over the journal still holds batches to come; it must not be emptied.
        if self.replay.is_empty() && (enough || due) {
            self.publish()?;
        }
        Ok(())
    }

    /// Publishes what was learnt since the last snapshot, if anything was.
    pub(super) fn publish(&mut self) -> Result<()> {
        if self.trainer.state().batches == self.published.0 || !self.replay.is_empty() {
            return Ok(());
        }
        self.publish_now()
    }

    /// Publishes, whatever was learnt since. The journal's batches must all be.
    pub(super) fn publish_now(&mut self) -> Result<()> {
        let begun = Instant::now();
        let (offsets, needed) = (self.learnt(), self.needed());
        if let Some(lesson) = &mut self.trainer.state_mut().lesson {
            lesson.positions.clone_from(&self.queue.positions);
        }
        let state = self.trainer.state();
        let topic = topic_of(&self.source);
        let name = topic.name.clone();
        let settings = self.trainer.settings();
        let manifest = publish(
            state,
            Context { settings, shown: None, topic: Some(topic), offsets, loss: self.loss, validation: None },
        )?;
        self.journal.clear((&manifest).into())?;
        self.published = (state.batches, state.examples, Instant::now());
        self.version = manifest.version;
        self.metrics.snapshot_seconds.observe(begun.elapsed().as_secs_f64());
        self.metrics.snapshot(&manifest);
        self.progress.update(|view| {
            view.snapshot_version = manifest.version;
            view.snapshot_ms = manifest.created_ms;
            view.snapshot_offsets.clone_from(&manifest.offsets);
        });
        let group = self.source.group();
        let Some(sink) = self.sink.as_deref_mut() else { return Ok(()) };
        match announce(sink, &group, &name, &manifest, &needed) {
            Ok(()) => Ok(()),
            Err(failed) if matches!(failed.kind(), ErrorKind::Aborted | ErrorKind::Unavailable) => {
                self.metrics.announce_failures.inc();
                warn!(version = manifest.version, error = %failed, "the snapshot could not be announced");
                Ok(())
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

/// The topic that is read, as a version names it.
pub(super) fn topic_of<S: Source>(source: &S) -> Topic {
    let topic = source.topic();
    Topic { name: topic.name.clone(), id: topic.id.clone(), partitions: topic.partitions }
}

/// Sends the announcement and the group's offsets in one transaction. The snapshot on disk is the
/// truth; the offsets tell lag tools and retention what is still `needed`.
///
/// # Errors
/// As the sink's; the transaction is aborted where it can be.
fn announce<G>(
    sink: &mut dyn Sink<Group = G>,
    group: &G,
    read: &str,
    manifest: &Manifest,
    needed: &BTreeMap<i32, i64>,
) -> hmisr_stream::Result<()> {
    sink.begin()?;
    let sent = fill(sink, group, read, manifest, needed).and_then(|()| sink.commit());
    if let Err(error) = sent {
        // After an unknown outcome, or when fenced, there is nothing left to abort.
        if !matches!(error.kind(), ErrorKind::UnknownOutcome | ErrorKind::Fenced) {
            sink.abort()?;
        }
        return Err(error);
    }
    Ok(())
}

fn fill<G>(
    sink: &mut dyn Sink<Group = G>,
    group: &G,
    read: &str,
    manifest: &Manifest,
    needed: &BTreeMap<i32, i64>,
) -> hmisr_stream::Result<()> {
    let announcement = SnapshotAnnouncement {
        version: manifest.version,
        created_ms: manifest.created_ms,
        step: manifest.step,
        path: format!("v{:08}", manifest.version),
        offsets: manifest.offsets.clone(),
    };
    let payload = serde_json::to_vec(&announcement)
        .map_err(|error| Error::caused(ErrorKind::Configuration, format!("announcement: {error}"), error))?;
    sink.produce(&Outgoing {
        topic: topic::SNAPSHOTS,
        partition: 0,
        key: None,
        payload: Some(payload),
        headers: Vec::new(),
    })?;
    let offsets: Vec<(i32, i64)> = needed.iter().map(|(partition, next)| (*partition, *next)).collect();
    sink.send_offsets(group, read, &offsets)
}
