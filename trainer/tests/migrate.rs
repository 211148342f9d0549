//! Every format that was ever published is read: as written then, in `fixtures/`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::common::{Memory, examples, logs, run_over};
use hmisr_model::Architecture;
use hmisr_recommend::artifact::{Artifact, FORMAT_VERSION, versions};
use hmisr_recommend::{ErrorKind as Published, Event, Known, Lambda, Origin, Recommender, Request};
use hmisr_testkit::copy_folder;
use hmisr_trainer::snapshot::migrate;
use hmisr_trainer::{ErrorKind, Progress, Settings};

/// The network of the DiversityScore, as long as it was one.
const OF_FIRST_SCORE: [&str; 3] = ["diversity.hidden", "diversity.output", "diversity.session"];
const OF_SCORE: [&str; 3] = ["diversity.habits", "diversity.score", "diversity.session"];

/// A copy of a fixture's folder.
fn fixture(format: u32) -> tempfile::TempDir {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}"));
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&from, folder.path());
    folder
}

#[test]
fn each_format_is_migrated_served_and_trained_on() {
    for format in 1..FORMAT_VERSION {
        let folder = fixture(format);
        let error = Recommender::load(folder.path(), None).unwrap_err();
        assert_eq!(error.kind(), Published::Corrupt);
        assert!(error.to_string().contains("hmisr model migrate"), "format {format}: {error}");

        let (manifest, bound) = migrate(folder.path(), None).unwrap();
        assert_eq!((manifest.format_version, manifest.version), (FORMAT_VERSION, 2), "format {format}");
        assert_eq!(versions(folder.path()).unwrap(), [1, 2], "the old one stays");
        assert!(manifest.examples > 0 && manifest.step > 0 && !manifest.offsets.is_empty());
        let sasrec = format == 1;
        assert_eq!(manifest.model.architecture == Architecture::Sasrec, sasrec, "format {format}");
        // What a format lacks begins fresh, and what it has too many is dropped.
        let (expected, dropped): (&[&str], &[&str]) = match format {
            1 => (&[], &[]),
            2 => (&["event.kinds", "event.pauses", "vectors.along", "vectors.gate"], &OF_FIRST_SCORE),
            3 | 4 => (&["event.kinds", "event.pauses"], &OF_FIRST_SCORE),
            _ => (&[], &OF_SCORE),
        };
        let parts = |names: &[String]| -> BTreeSet<String> {
            names.iter().map(|name| name.split('.').take(2).collect::<Vec<_>>().join(".")).collect()
        };
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(parts(&bound.fresh), named(expected), "format {format}");
        assert_eq!(parts(&bound.dropped), named(dropped), "format {format}");

        // What users have seen, and what was counted, came along byte by byte.
        let file = |version: u64, name: &str| {
            std::fs::read(folder.path().join(format!("v{version:08}/{name}"))).unwrap_or_default()
        };
        let came_along = |name: &str| !file(1, name).is_empty() && file(2, name) == file(1, name);
        assert!(came_along("seen.bin"), "format {format}");
        assert_eq!(came_along("counts.bin"), format > 4, "format {format}");

        let recommender = Recommender::load(folder.path(), None).unwrap();
        let artifact = Artifact::open(folder.path(), None).unwrap();
        let items = artifact.catalogue().unwrap();
        let history: Vec<Event> = items
            .items()
            .iter()
            .take(4)
            .zip(0..)
            .map(|(item, n)| Event::new(item.id.clone(), n * 1_000))
            .collect();
        let known = Known { history: &history, ..Known::default() };
        let request = Request { known, k: 5, lambda: Lambda::Fixed(0.2), ..Request::default() };
        let answer = recommender.recommend(&request).unwrap();
        assert_eq!((answer.source, answer.items.len()), (Origin::Model, 5), "format {format}");

        // The trainer goes on from it, at the offsets that it names.
        let mut settings = Settings { folder: folder.path().to_owned(), ..Settings::default() };
        settings.model = manifest.model.clone();
        settings.skip_lost_examples = true;
        let topic = manifest.topic.unwrap();
        let logs = logs(&examples(4_000, 7, 20), topic.partitions as usize);
        let source = Memory::new(logs, 1, None).named(&topic.name, &topic.id);
        let summary = run_over(&settings, source, &Progress::default()).unwrap();
        assert!(summary.examples > manifest.examples, "format {format}");
        assert!(summary.version > 2, "format {format}");

        assert_eq!(migrate(folder.path(), Some(2)).unwrap_err().kind(), ErrorKind::Configuration);
    }
}

#[test]
fn a_fits_version_stays_a_fits() {
    let folder = fixture(4);
    let path = folder.path().join("v00000001/manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["attached"] = serde_json::json!({});
    manifest["metrics"]["validation"] = serde_json::json!({"hr": 0.25, "ndcg": 0.125});
    std::fs::write(&path, manifest.to_string()).unwrap();
    let (manifest, _) = migrate(folder.path(), None).unwrap();
    assert!(manifest.attached.is_empty());
    assert_eq!(manifest.metrics.validation.map(|it| (it.hr, it.ndcg)), Some((0.25, 0.125)));
    Recommender::load(folder.path(), None).unwrap();
}

#[test]
fn what_is_not_whole_is_not_migrated() {
    let folder = fixture(3);
    assert_eq!(migrate(folder.path(), Some(7)).unwrap_err().kind(), ErrorKind::Missing);
    let path = folder.path().join("v00000001/optimizer.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.pop();
    std::fs::write(&path, bytes).unwrap();
    let error = migrate(folder.path(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("optimizer.safetensors"), "{error}");
    assert_eq!(versions(folder.path()).unwrap(), [1], "nothing half-written is left");
    assert!(!folder.path().join(".migrating").exists());
}
