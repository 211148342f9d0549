//! Every format that was ever published is read: as written then, in `fixtures/`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use crate::common::{Memory, examples, logs, run_over};
use hmisr_features::Id;
use hmisr_model::Architecture;
use hmisr_recommend::artifact::{Artifact, FORMAT_VERSION, versions};
use hmisr_recommend::{ErrorKind as Published, Lambda, Origin, Recommender, Request};
use hmisr_testkit::copy_folder;
use hmisr_trainer::snapshot::migrate;
use hmisr_trainer::{ErrorKind, Progress, Settings};

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
        let expected: &[&str] = if format == 2 { &["vectors.along", "vectors.gate"] } else { &[] };
        let mut fresh: Vec<&str> = bound.fresh.iter().map(String::as_str).collect();
        fresh.sort_unstable();
        assert!(
            fresh.iter().all(|name| expected.iter().any(|known| name.starts_with(known)))
                && fresh.is_empty() == expected.is_empty(),
            "format {format}: {bound:?}"
        );
        assert!(bound.dropped.is_empty(), "format {format}: {bound:?}");

        // What users have seen came along, byte by byte.
        let seen =
            |version: u64| std::fs::read(folder.path().join(format!("v{version:08}/seen.bin"))).unwrap();
        assert!(!seen(1).is_empty() && seen(2) == seen(1), "format {format}");

        let recommender = Recommender::load(folder.path(), None).unwrap();
        let artifact = Artifact::open(folder.path(), None).unwrap();
        let items = artifact.catalogue().unwrap();
        let history: Vec<(Id, i64)> =
            items.items().iter().take(4).zip(0..).map(|(item, n)| (item.id.clone(), n * 1_000)).collect();
        let request = Request { history: &history, k: 5, lambda: Lambda::Fixed(0.2), ..Request::default() };
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
