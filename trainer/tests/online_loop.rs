//! The loop learns from every readable record, tells of its snapshots, and keeps a few.
#![allow(clippy::unwrap_used)]

use crate::common::{
    Memory, MemorySink, examples, logs, metrics, record, run_over, run_with, settings, value,
};
use hmisr_recommend::artifact::{Artifact, latest_version};
use hmisr_stream::contract::{SnapshotAnnouncement, topic};
use hmisr_trainer::Progress;

#[test]
fn every_snapshot_is_announced_with_the_offsets_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.snapshot_every_examples = 48;
    settings.keep_snapshots = 2;
    let (registry, metrics) = metrics();
    let mut sink = MemorySink::default();
    let log = logs(&examples(200, 11, 30), 3);
    let ends: Vec<(i32, i64)> = (0..3).map(|p| (p, log[p as usize].last().unwrap().offset + 1)).collect();
    let summary = run_with(&settings, Memory::new(log, 5, None), &mut sink, &metrics).unwrap();
    assert_eq!(summary.examples, 200);
    assert_eq!(latest_version(folder.path()).unwrap(), Some(summary.version));
    let committed = sink.committed.lock().unwrap();
    assert_eq!(committed.records.len() as u64, summary.version);
    assert_eq!(committed.offsets.last().unwrap(), &ends);
    let last = committed.records.last().unwrap();
    assert_eq!(last.topic, topic::SNAPSHOTS);
    let announced: SnapshotAnnouncement = serde_json::from_slice(last.payload.as_ref().unwrap()).unwrap();
    let snapshot = Artifact::open(folder.path(), None).unwrap();
    assert_eq!(announced.offsets, snapshot.manifest().offsets);
    assert!(folder.path().join(&announced.path).join("manifest.json").exists());
    let kept = std::fs::read_dir(folder.path()).unwrap().flatten();
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with('v')).count();
    assert_eq!(kept, 2);
    assert_eq!(value(&registry, "hmisr_trainer_examples_total"), 200.0);
    assert_eq!(value(&registry, "hmisr_trainer_lag_records"), 0.0);
    assert_eq!(value(&registry, "hmisr_trainer_snapshot_version"), summary.version as f64);
}

#[test]
fn an_unreadable_record_is_counted_and_the_rest_is_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, metrics) = metrics();
    let mut log = logs(&examples(60, 5, 20), 1);
    let end = log[0].last().unwrap().offset;
    log[0].push(record(0, end + 1, Some(b"nonsense".to_vec())));
    // A user asks to be forgotten.
    log[0].push(record(0, end + 2, None));
    let mut sink = MemorySink::default();
    let summary = run_with(&settings(folder.path()), Memory::new(log, 5, None), &mut sink, &metrics).unwrap();
    assert_eq!(summary.examples, 60);
    assert_eq!(value(&registry, "hmisr_trainer_bad_examples_total"), 1.0);
    assert_eq!(value(&registry, "hmisr_trainer_tombstones_total"), 1.0);
    let snapshot = Artifact::open(folder.path(), None).unwrap();
    assert_eq!(snapshot.manifest().offsets[&0], end + 3);
}

#[test]
fn a_refused_announcement_is_counted_and_an_unknown_outcome_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let log = logs(&examples(60, 5, 20), 1);
    let (registry, refused_once) = metrics();
    let mut sink = MemorySink { refuses: Some(hmisr_stream::ErrorKind::Aborted), ..MemorySink::default() };
    run_with(&settings(folder.path()), Memory::new(log.clone(), 5, None), &mut sink, &refused_once).unwrap();
    assert_eq!(value(&registry, "hmisr_trainer_announce_failures_total"), 1.0);
    assert_eq!(sink.committed.lock().unwrap().aborted, 1);
    let other = tempfile::tempdir().unwrap();
    let (_, metrics) = metrics();
    let mut sink =
        MemorySink { refuses: Some(hmisr_stream::ErrorKind::UnknownOutcome), ..MemorySink::default() };
    let error =
        run_with(&settings(other.path()), Memory::new(log, 5, None), &mut sink, &metrics).unwrap_err();
    assert_eq!(error.kind(), hmisr_trainer::ErrorKind::Stream(hmisr_stream::ErrorKind::UnknownOutcome));
    assert_eq!(latest_version(other.path()).unwrap(), Some(1), "the snapshot on disk is the truth");
}

#[test]
fn a_log_that_cannot_be_reached_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (_, metrics) = metrics();
    let mut source = Memory::new(logs(&examples(40, 5, 20), 2), 5, None);
    // The first partition's bounds, twice, and the poll between them.
    source.unreachable = 3;
    let summary = run_with(&settings(folder.path()), source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!(summary.examples, 40);
}

#[test]
fn a_topic_without_an_example_shows_its_positions_and_no_lag() {
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress::default();
    run_over(&settings(folder.path()), Memory::new(vec![Vec::new(); 2], 5, None), &progress).unwrap();
    let view = progress.view();
    assert_eq!(view.positions, [(0, 0), (1, 0)].into());
    assert_eq!((view.lag, view.examples), (Some(0), 0));
}

#[test]
fn lag_falls_to_nothing_once_the_last_marker_is_read_over() {
    let folder = tempfile::tempdir().unwrap();
    let (log, progress) = (logs(&examples(32, 5, 20), 1), Progress::default());
    let mut source = Memory::new(log, 5, None);
    source.markers = 1;
    run_over(&settings(folder.path()), source, &progress).unwrap();
    let view = progress.view();
    assert_eq!((view.lag, view.examples), (Some(0), 32));
}

#[test]
fn examples_that_the_log_lost_before_the_first_run_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, metrics) = metrics();
    let mut log = logs(&examples(60, 5, 20), 1);
    log[0].drain(..20);
    let begin = log[0][0].offset;
    assert!(begin > 0);
    let source = Memory::new(log, 5, None);
    let summary = run_with(&settings(folder.path()), source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!(summary.examples, 40);
    assert_eq!(value(&registry, "hmisr_trainer_lost_examples_total"), begin as f64);
}
