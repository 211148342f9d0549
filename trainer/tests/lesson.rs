//! A trainer that begins with nothing over a log that holds something: passes first, then the stream.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{
    Change, Memory, MemorySink, examples, logs, metrics, newest_files, record, run_over, run_with, settings,
    value,
};
use hmisr_model::hmisr::Stage;
use hmisr_recommend::artifact::{Artifact, Lesson, Manifest};
use hmisr_stream::Record;
use hmisr_trainer::online::has_lesson;
use hmisr_trainer::settings::LessonSettings;
use hmisr_trainer::{ErrorKind, Progress, Settings};

/// A lesson of these passes, however little the log holds.
fn lesson(folder: &Path, passes: [usize; 3]) -> Settings {
    let lesson = LessonSettings { passes, min_examples: 50, ..LessonSettings::default() };
    Settings { lesson, keep_snapshots: 50, ..settings(folder) }
}

/// One partition, in which every run forms the same batches.
fn log(count: usize) -> Vec<Vec<Record>> {
    logs(&examples(count, 13, 40), 1)
}

/// The log's records from `from` on, as they come later.
fn later(from: usize, count: usize) -> Change {
    behind(&log(from), log(count))
}

/// What `all` has behind what is held.
fn behind(held: &[Vec<Record>], all: Vec<Vec<Record>>) -> Change {
    Change::Come(all.into_iter().zip(held).map(|(all, held)| all[held.len()..].to_vec()).collect())
}

/// Per partition the offset behind its last record.
fn ends(log: &[Vec<Record>]) -> BTreeMap<i32, i64> {
    (0..).zip(log).map(|(partition, records)| (partition, records.last().unwrap().offset + 1)).collect()
}

fn manifest(folder: &Path) -> Manifest {
    Artifact::open(folder, None).unwrap().manifest().clone()
}

/// The newest manifest but for what is of the time that it was written at.
fn told(folder: &Path) -> Manifest {
    Manifest { version: 0, created_ms: 0, ..manifest(folder) }
}

fn taught(stages: &[(Stage, usize)]) -> Vec<Lesson> {
    stages.iter().map(|(stage, epochs)| Lesson { stage: *stage, epochs: *epochs }).collect()
}

#[test]
fn stages_over_what_the_log_holds_and_then_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [2, 1, 2]);
    let (registry, metrics) = metrics();
    // A hundred are there at the start; the others come while the first pass reads.
    let source = Memory::new(log(100), 1, None).then(30, later(100, 140));
    let mut sink = MemorySink::default();
    let summary = run_with(&settings, source, &mut sink, &metrics).unwrap();
    // Once each in what was learnt, evaluated and chosen; seven batches a pass.
    assert_eq!((summary.examples, summary.overall.examples, summary.step), (140, 140, 5 * 7 + 3));
    let artifact = Artifact::open(folder.path(), None).unwrap();
    let mut chosen = BTreeMap::new();
    examples(140, 13, 40)
        .iter()
        .for_each(|example| *chosen.entry(example.item.as_int().unwrap()).or_insert(0) += 1);
    for item in artifact.catalogue().unwrap().items() {
        assert_eq!(item.count, chosen.get(&item.id.as_int().unwrap()).copied().unwrap_or(0), "{item:?}");
    }
    let manifest = artifact.manifest();
    assert_eq!(manifest.lessons, taught(&[(Stage::Coarse, 2), (Stage::Fine, 1), (Stage::All, 2)]));
    assert_eq!(manifest.stage, Stage::All);
    let end = |count: usize| log(count)[0].last().unwrap().offset + 1;
    assert_eq!(manifest.offsets, BTreeMap::from([(0, end(140))]));
    assert_eq!(value(&registry, "hmisr_trainer_lesson_pass"), 0.0);
    assert_eq!(value(&registry, "hmisr_trainer_examples_total"), 140.0);
    assert_eq!(value(&registry, "hmisr_trainer_repeated_examples_total"), 4.0 * 100.0);

    // A version a pass, and one of the stream. What a later pass needs is not told to be read.
    let committed = sink.committed.lock().unwrap();
    let told: Vec<i64> = committed.offsets.iter().map(|offsets| offsets[0].1).collect();
    assert_eq!(told, [0, 0, 0, 0, end(100), end(140)]);
    for (version, lessons) in [
        (1, taught(&[(Stage::Coarse, 1)])),
        (2, taught(&[(Stage::Coarse, 2)])),
        (3, taught(&[(Stage::Coarse, 2), (Stage::Fine, 1)])),
    ] {
        let artifact = Artifact::open(folder.path(), Some(version)).unwrap();
        let stage = lessons.last().unwrap().stage;
        assert_eq!((&artifact.manifest().lessons, artifact.manifest().stage), (&lessons, stage));
        assert_eq!(artifact.manifest().offsets, BTreeMap::from([(0, end(100))]), "all of it is in the model");
    }
}

#[test]
fn killed_in_the_second_pass_it_ends_with_the_weights_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = lesson(&folder.path().join("whole"), [1, 1, 1]);
    run_over(&whole, Memory::new(log(100), 1, None), &Progress::default()).unwrap();
    let expected = (newest_files(&whole.folder), told(&whole.folder));
    // In the first pass, at its end, within and on a batch of the second, at its end, in the third, twice.
    for kills in [&[40][..], &[100], &[150], &[164], &[200], &[270], &[130, 20]] {
        let settings = lesson(&folder.path().join(format!("{kills:?}")), [1, 1, 1]);
        for (seed, kill) in kills.iter().enumerate() {
            let source = Memory::new(log(100), seed as u64 + 2, Some(*kill));
            run_over(&settings, source, &Progress::default()).unwrap_err();
        }
        let progress = Progress::default();
        let summary = run_over(&settings, Memory::new(log(100), 99, None), &progress).unwrap();
        assert_eq!((summary.examples, summary.overall.examples), (100, 100), "killed after {kills:?}");
        assert_eq!(progress.view().lesson, None);
        for (name, bytes) in &newest_files(&settings.folder) {
            assert!(*bytes == expected.0[name], "killed after {kills:?}: {name} differs");
        }
        assert_eq!(told(&settings.folder), expected.1, "killed after {kills:?}");
    }
}

#[test]
fn killed_anywhere_over_two_partitions_it_learns_all_of_them_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = logs(&examples(128, 13, 40), 2);
    for kills in [&[50][..], &[128], &[170], &[256], &[300, 10]] {
        let settings = lesson(&folder.path().join(format!("{kills:?}")), [1, 1, 1]);
        for (seed, kill) in kills.iter().enumerate() {
            let source = Memory::new(log.clone(), seed as u64 + 2, Some(*kill));
            run_over(&settings, source, &Progress::default()).unwrap_err();
        }
        let source = Memory::new(log.clone(), 99, None);
        let summary = run_over(&settings, source, &Progress::default()).unwrap();
        assert_eq!((summary.examples, summary.overall.examples), (128, 128), "killed after {kills:?}");
        let manifest = manifest(&settings.folder);
        assert_eq!(manifest.offsets, ends(&log), "killed after {kills:?}");
        let lessons = taught(&[(Stage::Coarse, 1), (Stage::Fine, 1), (Stage::All, 1)]);
        assert_eq!((manifest.lessons, manifest.stage), (lessons, Stage::All), "killed after {kills:?}");
    }
}

#[test]
fn a_partition_that_goes_and_comes_back_is_learnt_once_in_each_pass() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 0, 1]);
    let log = logs(&examples(128, 13, 40), 2);
    let (registry, metrics) = metrics();
    // In each pass.
    let source = Memory::new(log.clone(), 1, None)
        .then(40, Change::Revoke(vec![1]))
        .then(190, Change::Revoke(vec![0, 1]));
    let summary = run_with(&settings, source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!((summary.examples, summary.overall.examples), (128, 128));
    assert_eq!(value(&registry, "hmisr_trainer_repeated_examples_total"), 128.0);
    assert_eq!(manifest(folder.path()).offsets, ends(&log));
}

#[test]
fn a_lesson_ends_where_the_log_did_when_it_began_whatever_came_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let whole = lesson(&folder.path().join("whole"), [1, 0, 1]);
    run_over(&whole, Memory::new(log(96), 1, None).then(20, later(96, 128)), &Progress::default()).unwrap();
    // Killed before anything was published: the journal alone knows where the lesson ends. By settings that
    // were changed since there would be none.
    let mut killed = lesson(&folder.path().join("killed"), [1, 0, 1]);
    run_over(&killed, Memory::new(log(96), 2, Some(50)), &Progress::default()).unwrap_err();
    assert!(std::fs::read_to_string(killed.folder.join("journal")).unwrap().contains("schedule"));
    killed.lesson.passes = [0; 3];
    run_over(&killed, Memory::new(log(128), 3, None), &Progress::default()).unwrap();
    let weights = |folder: &Path| Artifact::open(folder, None).unwrap().weights().unwrap().1;
    assert!(weights(&killed.folder) == weights(&whole.folder));
    assert_eq!(manifest(&killed.folder).lessons, taught(&[(Stage::Coarse, 1), (Stage::All, 1)]));
}

#[test]
fn a_lesson_that_the_journal_alone_knows_is_of_its_topic_and_of_its_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 0, 1]);
    run_over(&settings, Memory::new(log(96), 1, Some(50)), &Progress::default()).unwrap_err();
    let refused = |source: Memory| {
        let error = run_over(&settings, source, &Progress::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Position);
        error.to_string()
    };
    let said = refused(Memory::new(log(96), 2, None).recreated());
    assert!(said.contains("the journal in") && said.contains("\"two\""), "{said}");
    // What its batches were is gone.
    let rest = log(96).into_iter().map(|records| records[40..].to_vec()).collect();
    let said = refused(Memory::new(rest, 3, None));
    assert!(said.contains("begins at offset 0") && said.contains("to begin the lesson anew"), "{said}");
}

#[test]
fn an_empty_log_has_no_lesson_nor_has_a_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let weights = |name: &str, passes: [usize; 3], held: usize| {
        let settings = lesson(&folder.path().join(name), passes);
        let source = Memory::new(log(held), 1, None).then(0, later(held, 120));
        let summary = run_over(&settings, source, &Progress::default()).unwrap();
        assert_eq!((summary.examples, summary.step), (120, 8), "{name}");
        let manifest = manifest(&settings.folder);
        assert_eq!((manifest.lessons, manifest.stage), (Vec::new(), Stage::All), "{name}");
        Artifact::open(&settings.folder, None).unwrap().weights().unwrap().1
    };
    let without = weights("none", [0; 3], 0);
    assert!(weights("empty", [2, 2, 3], 0) == without);
    assert!(weights("short", [2, 2, 3], 24) == without);
}

#[test]
fn a_trainer_waits_for_what_the_log_holds_and_may_begin_without_a_lesson() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = lesson(folder.path(), [1, 0, 1]);
    let stop = AtomicBool::new(false);
    let mut source = Memory::new(log(96), 1, None);
    source.unreachable = 2;
    assert_eq!(has_lesson(&settings, &mut source, &stop).unwrap(), Some(true));
    assert_eq!(has_lesson(&settings, &mut Memory::new(log(24), 1, None), &stop).unwrap(), Some(false));
    source.unreachable = usize::MAX;
    stop.store(true, Ordering::Relaxed);
    assert_eq!(has_lesson(&settings, &mut source, &stop).unwrap(), None);

    settings.is_without_lesson = true;
    let summary = run_over(&settings, Memory::new(log(96), 1, None), &Progress::default()).unwrap();
    assert_eq!((summary.examples, summary.step), (96, 6));
    // The settings that are told are those that were set.
    let artifact = Artifact::open(folder.path(), None).unwrap();
    let kept: serde_json::Value =
        serde_json::from_slice(&artifact.attached("trainer.json").unwrap().unwrap()).unwrap();
    assert_eq!(kept["settings"]["lesson"]["passes"], serde_json::json!([1, 0, 1]));
}

#[test]
fn the_newest_examples_are_taken_of_a_long_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = lesson(folder.path(), [1, 0, 1]);
    settings.lesson.max_examples = 64;
    // Offsets without holes: as many as records.
    let mut log = log(96);
    log[0].iter_mut().zip(0..).for_each(|(record, offset)| record.offset = offset);
    let (registry, metrics) = metrics();
    let source = Memory::new(log, 1, None);
    let summary = run_with(&settings, source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!((summary.examples, summary.step), (64, 8));
    assert_eq!(value(&registry, "hmisr_trainer_left_out_examples_total"), 32.0);
    assert_eq!(manifest(folder.path()).offsets, BTreeMap::from([(0, 96)]));
}

#[test]
fn what_retention_takes_between_two_passes_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 1, 1]);
    let (registry, metrics) = metrics();
    let source = Memory::new(log(96), 1, None).then(96, Change::Go(40));
    let summary = run_with(&settings, source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!((summary.examples, summary.step), (96, 6 + 4 + 4));
    assert_eq!(value(&registry, "hmisr_trainer_lost_examples_total"), 0.0, "all were learnt from once");
    let ended = manifest(folder.path());
    assert_eq!((ended.lessons.len(), ended.stage), (3, Stage::All));

    // The less than half of a pass that is left is learnt, and not served by.
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 1, 1]);
    let source = Memory::new(log(96), 1, None).then(96, Change::Go(64));
    let summary = run_over(&settings, source, &Progress::default()).unwrap();
    assert_eq!((summary.examples, summary.step), (96, 6 + 2 + 2));
    let ended = manifest(folder.path());
    let lessons = taught(&[(Stage::Coarse, 1), (Stage::Fine, 1), (Stage::All, 1)]);
    assert_eq!((ended.lessons, ended.stage, ended.level_from), (lessons, Stage::Coarse, 6));

    // Of all that it was to learn again nothing is left: it ends, and the stream goes on.
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 1, 1]);
    let source = Memory::new(log(96), 1, None).then(96, later(96, 120)).then(96, Change::Go(96));
    let summary = run_over(&settings, source, &Progress::default()).unwrap();
    assert_eq!((summary.examples, summary.step), (120, 6 + 2));
    let ended = manifest(folder.path());
    assert_eq!((ended.lessons, ended.stage), (taught(&[(Stage::Coarse, 1)]), Stage::Coarse));

    // Nor is anything left after a restart: the pass that the version is in is as empty.
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 1, 1]);
    run_over(&settings, Memory::new(log(96), 1, Some(97)), &Progress::default()).unwrap_err();
    let rest = log(120).into_iter().map(|records| records[96..].to_vec()).collect();
    let summary = run_over(&settings, Memory::new(rest, 2, None), &Progress::default()).unwrap();
    assert_eq!((summary.examples, summary.step), (120, 6 + 2));
    let ended = manifest(folder.path());
    assert_eq!((ended.lessons, ended.stage), (taught(&[(Stage::Coarse, 1)]), Stage::Coarse));
}

#[test]
fn a_pass_ends_behind_markers_and_over_several_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 1, 1]);
    let (registry, metrics) = metrics();
    let mut log = logs(&examples(200, 13, 40), 3);
    // The last record of one is a tombstone, that of another no example.
    let end = |log: &[Record]| log.last().unwrap().offset + 1;
    let (first, second) = (end(&log[0]), end(&log[1]));
    log[0].push(record(0, first, None));
    log[1].push(record(1, second, Some(b"nonsense".to_vec())));
    let last = ends(&log);
    let mut source = Memory::new(log, 4, None);
    source.markers = 2;
    let summary = run_with(&settings, source, &mut MemorySink::default(), &metrics).unwrap();
    assert_eq!((summary.examples, summary.overall.examples), (200, 200));
    assert_eq!(value(&registry, "hmisr_trainer_bad_examples_total"), 1.0);
    assert_eq!(value(&registry, "hmisr_trainer_tombstones_total"), 1.0);
    assert_eq!(manifest(folder.path()).lessons.len(), 3);
    // Where the first pass ended, not where the log did with its markers.
    let first = Artifact::open(folder.path(), Some(1)).unwrap();
    assert_eq!((&first.manifest().offsets, first.manifest().lessons.len()), (&last, 1));
}

#[test]
fn what_is_read_before_the_stream_can_be_sought_after_a_lesson_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = lesson(folder.path(), [1, 0, 1]);
    let (held, all) = (logs(&examples(96, 13, 40), 2), logs(&examples(400, 13, 40), 2));
    let mut source = Memory::new(held.clone(), 1, None).then(20, behind(&held, all.clone()));
    // Once for the lesson, then for each pass, of each partition. The stream has to wait.
    source.unbounded = 6..14;
    let summary = run_over(&settings, source, &Progress::default()).unwrap();
    assert_eq!((summary.examples, summary.overall.examples), (400, 400));
    let manifest = manifest(folder.path());
    assert_eq!(manifest.offsets, ends(&all));
    assert_eq!(manifest.lessons, taught(&[(Stage::Coarse, 1), (Stage::All, 1)]));
}
