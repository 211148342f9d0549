//! Going on from a version: whole, under other settings, from an older one, from a fit's.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::common::{Memory, examples, logs, run_over, settings};
use hmisr_model::hmisr::EncoderKind;
use hmisr_recommend::artifact::{Artifact, Contents, Manifest, Metrics, publish, remove};
use hmisr_stream::Record;
use hmisr_trainer::snapshot::restore;
use hmisr_trainer::{Error, ErrorKind, Progress, Settings, Summary};

fn log(count: usize) -> Vec<Vec<Record>> {
    logs(&examples(count, 7, 20), 1)
}

fn train(settings: &Settings, count: usize) -> Result<Summary, Error> {
    run_over(settings, Memory::new(log(count), 1, None), &Progress::default())
}

fn manifest(folder: &Path, version: Option<u64>) -> Manifest {
    Artifact::open(folder, version).unwrap().manifest().clone()
}

#[test]
fn another_network_takes_what_it_knows_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.model.hmisr.encoder = EncoderKind::Attention;
    train(&small, 80).unwrap();
    let artifact = Artifact::open(folder.path(), None).unwrap();

    let mut remembering = small.clone();
    remembering.model.memory = 2;
    let restored = restore(&artifact, &remembering).unwrap();
    assert_eq!(restored.bound.changed, ["model.memory: 0 before, 2 now"]);
    assert_eq!((restored.bound.fresh, restored.bound.dropped), (vec!["encoder.user".to_owned()], vec![]));
    // And it learns on.
    assert_eq!(train(&remembering, 160).unwrap().examples, 160);
    let back = restore(&Artifact::open(folder.path(), None).unwrap(), &small).unwrap();
    assert_eq!((back.bound.fresh, back.bound.dropped), (vec![], vec!["encoder.user".to_owned()]));

    let mut wider = small;
    wider.model.width = 16;
    let error = train(&wider, 160).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(text.contains("shape") && text.contains("model.width: 8 before, 16 now"), "{text}");
    assert!(text.contains("set `trainer.model` as it was"), "{text}");
}

#[test]
fn a_model_that_was_not_set_is_the_versions_own() {
    let folder = tempfile::tempdir().unwrap();
    train(&settings(folder.path()), 80).unwrap();
    let unset = Settings { folder: folder.path().to_owned(), ..Settings::default() };
    let restored = restore(&Artifact::open(folder.path(), None).unwrap(), &unset).unwrap();
    assert_eq!(restored.settings.model, settings(folder.path()).model);
    assert!(restored.bound.is_same() && restored.is_whole);
}

#[test]
fn the_encoder_is_the_versions_whatever_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut attention = settings(folder.path());
    attention.model.hmisr.encoder = EncoderKind::Attention;
    train(&attention, 80).unwrap();
    let artifact = Artifact::open(folder.path(), None).unwrap();
    let mut other = attention.clone();
    other.model.hmisr.encoder = EncoderKind::Recurrence;
    // Another setting, so that the model is not the default.
    other.model.hmisr.intent = false;
    let restored = restore(&artifact, &other).unwrap();
    assert_eq!(restored.settings.model.hmisr.encoder, EncoderKind::Attention);
    assert!(!restored.settings.model.hmisr.intent);
    assert!(restored.bound.fresh.is_empty() && restored.bound.dropped.is_empty(), "{:?}", restored.bound);
}

#[test]
fn an_older_version_is_gone_on_from_once_and_then_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings =
        Settings { snapshot_every_examples: 32, keep_snapshots: 100, ..settings(folder.path()) };
    train(&settings, 160).unwrap();
    let newest = manifest(folder.path(), None);
    let old = manifest(folder.path(), Some(2));
    assert!(old.examples < newest.examples && newest.from.is_none());

    settings.from = Some(2);
    let again = train(&settings, 200).unwrap();
    let after = manifest(folder.path(), None);
    assert_eq!((after.from, after.examples, again.examples), (Some(2), 200, 200));
    assert!(after.version > newest.version);
    // Started once more with the same setting, it is not thrown back.
    assert_eq!(train(&settings, 240).unwrap().examples, 240);
    assert!(manifest(folder.path(), None).offsets[&0] > after.offsets[&0]);
    // The examples after version 2 were learnt anew from there: as if the versions between had never been.
    let never = tempfile::tempdir().unwrap();
    let plain = Settings { folder: never.path().to_owned(), from: None, ..settings.clone() };
    for count in [160, 200, 240] {
        train(&plain, count).unwrap();
    }
    let weights = |folder: &Path| Artifact::open(folder, None).unwrap().weights().unwrap().1;
    assert!(weights(folder.path()) == weights(never.path()), "the same weights, bit for bit");

    settings.from = Some(999);
    let error = train(&settings, 240).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("999"), "{error}");
}

#[test]
fn a_damaged_newest_version_is_what_an_older_one_is_named_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings =
        Settings { snapshot_every_examples: 32, keep_snapshots: 100, ..settings(folder.path()) };
    train(&settings, 160).unwrap();
    let newest = manifest(folder.path(), None).version;
    let file = folder.path().join(format!("v{newest:08}/manifest.json"));
    std::fs::write(&file, "{").unwrap();
    assert_eq!(train(&settings, 200).unwrap_err().kind(), ErrorKind::Corrupt);
    settings.from = Some(newest - 1);
    assert_eq!(train(&settings, 200).unwrap().examples, 200);
    remove(folder.path(), newest).unwrap();
}

/// A version as a fit publishes it: weights and items, and nothing of the trainer's.
fn publish_like_a_fit(from: &Path, to: &Path) {
    let artifact = Artifact::open(from, None).unwrap();
    let published = artifact.published().unwrap();
    let model = &artifact.manifest().model;
    let zeros = vec![0.0; published.items.len()];
    let steps = vec![0; published.catalogue.len()];
    let table =
        hmisr_model::Table::from_parts(model.width, model.seed, &published.items, &zeros, &zeros, steps)
            .unwrap();
    let contents = Contents {
        model,
        parameters: &published.parameters,
        table: &table,
        catalogue: &published.catalogue,
        counts: None,
        actions: artifact.manifest().actions.clone(),
        foresight: artifact.manifest().foresight,
        features: artifact.manifest().features.clone(),
        stage: artifact.manifest().stage,
        level_from: 0,
        lessons: Vec::new(),
        from: None,
        fitted: None,
        batches: 0,
        examples: 0,
        topic: None,
        offsets: Default::default(),
        metrics: Metrics::default(),
    };
    publish(to, contents, 9, &[]).unwrap();
}

#[test]
fn a_fits_version_begins_at_the_logs_start_and_an_old_journal_is_not_its_own() {
    let trained = tempfile::tempdir().unwrap();
    train(&settings(trained.path()), 160).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A trainer was here before, and died with batches in its journal.
    let before = Settings { snapshot_every_examples: 48, ..settings(folder.path()) };
    run_over(&before, Memory::new(log(160), 1, Some(100)), &Progress::default()).unwrap_err();
    publish_like_a_fit(trained.path(), folder.path());
    let restored = restore(&Artifact::open(folder.path(), None).unwrap(), &before).unwrap();
    assert!(!restored.is_whole && restored.bound.is_same());
    let summary = train(&before, 160).unwrap();
    assert_eq!(summary.examples, 160);
    // Warm: it foretells from the first example on, where a new model knows nothing.
    let anew = tempfile::tempdir().unwrap();
    let fresh = train(&settings(anew.path()), 160).unwrap();
    assert!(summary.overall.unknown < fresh.overall.unknown, "{summary:?} {fresh:?}");
    assert!(summary.overall.model_ndcg > fresh.overall.model_ndcg, "{summary:?} {fresh:?}");
}

#[test]
fn a_warm_start_that_is_killed_before_it_publishes_forms_the_same_batches_again() {
    let trained = tempfile::tempdir().unwrap();
    train(&settings(trained.path()), 160).unwrap();
    let weights = |folder: &Path| Artifact::open(folder, None).unwrap().weights().unwrap().1;
    let run = |kills: &[usize]| {
        let folder = tempfile::tempdir().unwrap();
        publish_like_a_fit(trained.path(), folder.path());
        let settings = settings(folder.path());
        for (seed, kill) in kills.iter().enumerate() {
            let source = Memory::new(log(160), seed as u64 + 2, Some(*kill));
            run_over(&settings, source, &Progress::default()).unwrap_err();
        }
        run_over(&settings, Memory::new(log(160), 1, None), &Progress::default()).unwrap();
        weights(folder.path())
    };
    assert!(run(&[50, 90]) == run(&[]));
}
