//! A log or data folder that is not the source's is refused, with what to do about it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::atomic::AtomicBool;

use crate::common::{MemoryLog, folder, metrics, open};
use hmisr_feed::{FeedError, FeedIdentity, Feeder, Format, Generator, GeneratorSettings, Settings};

fn run(text: &[u8], log: &mut MemoryLog) -> Result<hmisr_feed::Fed, FeedError> {
    let folder = folder(&[("events.jsonl", text)]);
    let mut source = open(folder.path(), Format::Jsonl).unwrap();
    let never = AtomicBool::new(false);
    Feeder::new(&Settings::default(), metrics()).unwrap().run(&mut *source, log, &mut || u64::MAX, &never)
}

#[test]
fn a_log_that_is_longer_than_the_source() {
    let mut log = MemoryLog::new(1);
    run(b"1\n2\n3\n", &mut log).unwrap();
    let error = run(b"1\n2\n", &mut log).unwrap_err();
    assert!(matches!(error, FeedError::LogLonger { partition: 0, end: 3, lines: 2 }), "{error}");
    assert!(error.is_users() && error.to_string().contains("another data folder"), "{error}");
    assert_eq!(log.log[0].len(), 3);
    // Where the source knows its length, nothing is fed at all.
    let settings = GeneratorSettings { events: Some(2), ..GeneratorSettings::default() };
    let mut short = Generator::new(settings).unwrap();
    let never = AtomicBool::new(false);
    let mut feeder = Feeder::new(&Settings::default(), metrics()).unwrap();
    let error = feeder.run(&mut short, &mut log, &mut || u64::MAX, &never).unwrap_err();
    assert!(matches!(error, FeedError::LogTooLong { records: 3, events: 2 }), "{error}");
}

#[test]
fn a_log_without_partitions() {
    let error = run(b"1\n", &mut MemoryLog::new(0)).unwrap_err();
    assert!(error.to_string().contains("at least one"), "{error}");
}

#[test]
fn a_source_that_breaks_off_keeps_what_came_before() {
    let mut text = b"1\n2\n".to_vec();
    text.resize(hmisr_feed::MAX_LINE_BYTES + 100, b'x');
    let mut log = MemoryLog::new(1);
    let error = run(&text, &mut log).unwrap_err();
    assert!(error.to_string().contains("events.jsonl:3"), "{error}");
    log.crash(|open| open);
    assert_eq!(log.log[0].len(), 2);
}

#[test]
fn a_data_folder_of_another_source() {
    let folder = folder(&[]);
    let path = folder.path().join("feed.json");
    let identity = |seed, partitions| {
        let generator = Generator::new(GeneratorSettings { seed, ..GeneratorSettings::default() }).unwrap();
        FeedIdentity::of(&generator, partitions)
    };
    let error = identity(1, 4).claim(&path, &[0, 3, 0, 1]).unwrap_err();
    assert!(matches!(error, FeedError::Unclaimed { records: 4, .. }), "{error}");
    assert!(error.to_string().contains("feed.json"), "{error}");
    assert_eq!(FeedIdentity::read(&path).unwrap(), None);

    identity(1, 4).claim(&path, &[0; 4]).unwrap();
    assert_eq!(FeedIdentity::read(&path).unwrap(), Some(identity(1, 4)));
    identity(1, 4).claim(&path, &[7; 4]).unwrap();
    for other in [identity(2, 4), identity(1, 3)] {
        let error = other.claim(&path, &[7; 4]).unwrap_err();
        assert!(matches!(error, FeedError::OtherSource { .. }) && error.is_users(), "{error}");
        let text = error.to_string();
        assert!(text.contains("seed 1") && text.contains("over 4 partitions"), "{text}");
        assert!(text.contains("use another data folder"), "{text}");
    }
}

#[test]
fn an_identity_that_cannot_be_read() {
    let version = br#"{"version": 9, "source": "x", "partitions": 1, "described": "x"}"#;
    for (content, part) in [(&b"{"[..], "EOF"), (version, "`version`: 9 instead of 1"), (b"{}", "version")] {
        let folder = folder(&[("feed.json", content)]);
        let error = FeedIdentity::read(&folder.path().join("feed.json")).unwrap_err().to_string();
        assert!(error.contains("feed.json") && error.contains(part), "{error}");
    }
}
