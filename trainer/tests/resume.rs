//! Kill, restore, go on = never killed, bit for bit.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::common::{Memory, examples, logs, newest_files, run_over, settings};
use hmisr_model::hmisr::EncoderKind;
use hmisr_recommend::artifact::Artifact;
use hmisr_testkit::copy_folder;
use hmisr_trainer::{Progress, Settings};

fn every(folder: &Path, examples: u64) -> Settings {
    let mut settings = Settings { snapshot_every_examples: examples, ..settings(folder) };
    settings.model.max_len = 4;
    settings.sources.max_bytes = 4_000;
    settings
}

/// The same over attention, where the two oldest of six events are remembered as one token.
fn remembering(folder: &Path, examples: u64) -> Settings {
    let mut settings = every(folder, examples);
    (settings.model.hmisr.encoder, settings.model.memory) = (EncoderKind::Attention, 1);
    settings
}

#[test]
fn a_killed_run_ends_with_the_weights_of_one_that_was_not() {
    for every in [every, remembering] {
        end_alike(every);
    }
}

fn end_alike(every: fn(&Path, u64) -> Settings) {
    let folder = tempfile::tempdir().unwrap();
    // Some examples are ranked as served, and tell what counts are worth; their pairs do not all fit.
    let log = logs(&examples(400, 13, 40), 1);
    // One partition and batches by number: every run forms the same batches.
    let whole = folder.path().join("whole");
    let summary =
        run_over(&every(&whole, 64), Memory::new(log.clone(), 1, None), &Progress::default()).unwrap();
    assert_eq!(summary.examples, 400);
    let expected = newest_files(&whole);
    let counts = Artifact::open(&whole, None).unwrap().counts(40).unwrap().unwrap();
    assert_eq!(counts.choices(), 400);
    assert!(counts.weights() != [1.0, 0.0, 0.0, 0.0, 0.0, 0.0] && counts.bytes() <= 4_000, "{counts:?}");
    // Before the first snapshot, on a batch, within one, with and without batches after the last
    // snapshot, and at the very end.
    for dies in [5, 16, 33, 64, 65, 95, 128, 200, 391, 400] {
        let place = folder.path().join(format!("{dies}"));
        let settings = every(&place, 64);
        let died =
            run_over(&settings, Memory::new(log.clone(), dies as u64, Some(dies)), &Progress::default());
        assert!(died.is_err());
        let journal = std::fs::read_to_string(place.join("journal")).unwrap();
        let journalled = journal.lines().filter(|line| line.contains("\"batch\"")).count();
        if dies == 33 {
            assert_eq!(journalled, 2, "two batches and no snapshot");
        }
        let summary = run_over(&settings, Memory::new(log.clone(), 99, None), &Progress::default()).unwrap();
        assert_eq!(summary.examples, 400, "killed after {dies}");
        let found = newest_files(&place);
        assert!(found.keys().eq(expected.keys()));
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "killed after {dies}: {name} differs");
        }
    }
}

#[test]
fn batches_of_several_partitions_are_formed_again_in_whatever_order_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = logs(&examples(500, 23, 40), 4);
    for (seed, dies) in [(1, 150), (2, 250), (3, 318), (4, 499)] {
        let place = folder.path().join(format!("{seed}"));
        let before = Progress::default();
        let died = run_over(&every(&place, 100), Memory::new(log.clone(), seed, Some(dies)), &before);
        assert!(died.is_err());
        let before = before.view();
        let entries = std::fs::read_to_string(place.join("journal")).unwrap().lines().count();
        assert!(entries > 0, "seed {seed}: nothing to learn again");
        // The log now ends where the last journalled batch does.
        let short: Vec<Vec<_>> = (log.iter().enumerate())
            .map(|(partition, records)| {
                let end = before.positions.get(&(partition as i32)).copied().unwrap_or(0);
                records.iter().filter(|record| record.offset < end).cloned().collect()
            })
            .collect();
        let mut results = Vec::new();
        for order in [7, 8] {
            let copied = folder.path().join(format!("{seed}-{order}"));
            copy_folder(&place, &copied);
            let after = Progress::default();
            run_over(&every(&copied, 100), Memory::new(short.clone(), order, None), &after).unwrap();
            let after = after.view();
            assert_eq!(after.loss.to_bits(), before.loss.to_bits(), "seed {seed}, order {order}");
            assert_eq!((after.step, after.examples), (before.step, before.examples));
            assert_eq!(after.overall, before.overall);
            assert_eq!(after.positions, before.positions);
            results.push(newest_files(&copied));
        }
        assert!(results[0] == results[1], "seed {seed}");
    }
}

#[test]
fn a_second_restart_begins_where_the_first_ended() {
    let folder = tempfile::tempdir().unwrap();
    let settings = every(folder.path(), 1_000);
    let log = logs(&examples(100, 7, 20), 2);
    let first = run_over(&settings, Memory::new(log.clone(), 1, None), &Progress::default()).unwrap();
    let files = newest_files(folder.path());
    let second = run_over(&settings, Memory::new(log, 2, None), &Progress::default()).unwrap();
    assert_eq!((first.examples, first.version), (100, 1));
    assert_eq!(
        (second.examples, second.version),
        (100, 1),
        "nothing was learnt twice or published for nothing"
    );
    assert!(files == newest_files(folder.path()));
}
