//! What is broken, foreign or out of place is refused with the file, the finding and the remedy.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::common::{Memory, examples, logs, run_over, settings};
use hmisr_recommend::artifact::{Artifact, latest_version};
use hmisr_recommend::{ErrorKind as Published, Recommender};
use hmisr_stream::Record;
use hmisr_trainer::{ErrorKind, Progress};

fn log() -> Vec<Vec<Record>> {
    logs(&examples(80, 7, 20), 1)
}

fn trained(folder: &Path) {
    run_over(&settings(folder), Memory::new(log(), 1, None), &Progress::default()).unwrap();
}

/// The loop's error on a folder that was spoilt.
fn refused(folder: &Path) -> hmisr_trainer::Error {
    run_over(&settings(folder), Memory::new(log(), 1, None), &Progress::default()).unwrap_err()
}

#[test]
fn a_truncated_changed_missing_or_foreign_file() {
    for name in [
        "model.safetensors",
        "optimizer.safetensors",
        "catalogue.json",
        "trainer.json",
        "seen.bin",
        "counts.bin",
    ] {
        let folder = tempfile::tempdir().unwrap();
        trained(folder.path());
        let path = folder.path().join("v00000001").join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        let spoilt: [(&[u8], &str); 3] = [
            (&whole[..whole.len() - 1], &format!("{} bytes, expected {}", whole.len() - 1, whole.len())),
            (&changed, "SHA-256"),
            (b"", "0 bytes"),
        ];
        for (bytes, problem) in spoilt {
            std::fs::write(&path, bytes).unwrap();
            let error = refused(folder.path());
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
            assert!(text.contains(name) && text.contains(problem) && text.contains("restore it"), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        let text = refused(folder.path()).to_string();
        assert!(text.contains(name) && text.contains("cannot be read"), "{text}");
        // A server needs no optimizer, and none of what users have seen.
        let serves = Recommender::load(folder.path(), None).is_ok();
        assert_eq!(serves, !["model.safetensors", "catalogue.json", "counts.bin"].contains(&name), "{name}");
    }
}

#[test]
fn what_is_no_plain_file_or_longer_than_it_may_be_is_refused_unread() {
    type Put = fn(&Path);
    let fifo: Put = |path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let device: Put = |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let sparse: Put = |path| std::fs::File::create(path).unwrap().set_len(2 << 40).unwrap();
    let kinds = [(fifo, "a FIFO"), (device, "a device"), (sparse, "2199023255552 bytes")];
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    for name in [
        "LATEST",
        "journal",
        "v00000001/manifest.json",
        "v00000001/catalogue.json",
        "v00000001/model.safetensors",
        "v00000001/seen.bin",
    ] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for (put, said) in kinds {
            std::fs::remove_file(&path).unwrap();
            put(&path);
            let text = refused(folder.path()).to_string();
            assert!(text.contains(name) && text.contains(said), "{name}: {text}");
            if name != "journal" && !name.ends_with("seen.bin") {
                let text = Recommender::load(folder.path(), None).unwrap_err().to_string();
                assert!(text.contains(name) && text.contains(said), "{name}: {text}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, whole).unwrap();
    }
    Recommender::load(folder.path(), None).unwrap();
}

#[test]
fn a_file_longer_than_the_bound_is_refused_whatever_the_manifest_says() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let snapshot = Artifact::open(folder.path(), None).unwrap();
    let weights = snapshot.manifest().files["model.safetensors"].bytes;
    let bounded = |most| Recommender::of(&Artifact::open(folder.path(), None).unwrap().within(most));
    bounded(weights).unwrap();
    let text = bounded(weights - 1).unwrap_err().to_string();
    assert!(
        text.contains("model.safetensors") && text.contains(&format!("at most {}", weights - 1)),
        "{text}"
    );
}

#[test]
fn a_manifest_with_a_model_beyond_all_bounds() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let path = folder.path().join("v00000001/manifest.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let huge = whole.replace("\"feed_forward\": 16", "\"feed_forward\": 1000000000000");
    assert_ne!(huge, whole);
    std::fs::write(&path, huge).unwrap();
    let error = Recommender::load(folder.path(), None).unwrap_err();
    assert_eq!(error.kind(), Published::Corrupt);
    assert!(
        error.to_string().contains("manifest.json") && error.to_string().contains("feed_forward"),
        "{error}"
    );
}

#[test]
fn a_manifest_of_another_format_or_version_or_none() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let path = folder.path().join("v00000001/manifest.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let spoilt = [
        (
            whole.replace("\"format_version\": 6", "\"format_version\": 7"),
            "format_version is 7, this build reads 6",
        ),
        (whole.replace("\"version\": 1", "\"version\": 9"), "it is of version 9, expected 1"),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        ("{}".to_owned(), "format_version is none"),
    ];
    for (text, problem) in spoilt {
        std::fs::write(&path, text).unwrap();
        let error = refused(folder.path());
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(problem), "{error}");
        assert!(Recommender::load(folder.path(), None).is_err());
    }
    std::fs::write(folder.path().join("LATEST"), "newest\n").unwrap();
    let error = refused(folder.path());
    assert!(error.to_string().contains("LATEST") && error.to_string().contains("newest"), "{error}");
}

#[test]
fn a_topic_made_anew_or_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let settings = settings(folder.path());
    let error =
        run_over(&settings, Memory::new(log(), 1, None).recreated(), &Progress::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Position);
    assert!(error.to_string().contains("two"), "{error}");
    // Fewer records than the snapshot has seen.
    let short = vec![log()[0][..10].to_vec()];
    let error = run_over(&settings, Memory::new(short, 1, None), &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("partition 0") && error.to_string().contains("folder"), "{error}");
    // Retention went past the snapshot.
    let mut late = logs(&examples(300, 7, 20), 1);
    late[0].drain(..150);
    let error = run_over(&settings, Memory::new(late.clone(), 1, None), &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("skip_lost_examples"), "{error}");
    let mut skipping = settings.clone();
    skipping.skip_lost_examples = true;
    let summary = run_over(&skipping, Memory::new(late, 1, None), &Progress::default()).unwrap();
    assert_eq!(summary.examples, 80 + 150);
}

#[test]
fn nothing_published_yet() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(latest_version(folder.path()).unwrap(), None);
    let error = Recommender::load(folder.path(), None).unwrap_err();
    assert_eq!(error.kind(), Published::Missing);
    assert!(error.to_string().contains("start the trainer"), "{error}");
}
