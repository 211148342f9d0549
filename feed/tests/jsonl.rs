//! JSON lines go through byte for byte, good or bad.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::atomic::AtomicBool;

use crate::common::{MemoryLog, drain, error, folder, read};
use hmisr_feed::{Feeder, Format, MAX_EVENT_BYTES, Numbered, Settings, open};

const LINES: &[u8] = b"{\"user_id\": 2, \"item_id\":1}\r\n\n{\"ts\":1 ,\"user_id\":\"a\"}\n   \nnonsense \xff\n{\"user_id\": 2}";

#[test]
fn lines_pass_untouched_and_blank_ones_not_at_all() {
    let folder = folder(&[("events.jsonl", LINES)]);
    let path = folder.path().join("events.jsonl");
    let lines = read(&path, Format::Jsonl).unwrap();
    let payloads: Vec<&[u8]> = lines.iter().map(|line| line.payload.as_slice()).collect();
    let expected: [&[u8]; 4] = [
        b"{\"user_id\": 2, \"item_id\":1}",
        b"{\"ts\":1 ,\"user_id\":\"a\"}",
        b"nonsense \xff",
        b"{\"user_id\": 2}",
    ];
    assert_eq!(payloads, expected);
    let keys: Vec<_> = lines.iter().map(|line| line.key.as_deref()).collect();
    assert_eq!(keys, [Some(&b"2"[..]), Some(b"a"), None, Some(b"2")]);
    let mut source = open(&path, Format::Jsonl).unwrap();
    let offsets: Vec<_> =
        Numbered::new(&mut *source, 1, Default::default()).map(|line| line.unwrap().offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
    assert_eq!(source.share_read(), Some(1.0));
}

#[test]
fn a_folders_files_come_by_name() {
    let files: &[(&str, &[u8])] =
        &[("b.ndjson", b"2\n"), ("a.jsonl", b"\n1\n"), ("c.jsonl", b""), ("note.txt", b"no\n")];
    let folder = folder(files);
    let mut source = open(folder.path(), Format::Jsonl).unwrap();
    let payloads: Vec<_> = drain(&mut *source).unwrap().into_iter().map(|line| line.payload).collect();
    assert_eq!(payloads, [b"1", b"2"]);
}

#[test]
fn the_fingerprint_is_of_the_content() {
    let files: &[(&str, &[u8])] = &[("events.jsonl", b"1\n2\n")];
    let (one, same, other) = (folder(files), folder(files), folder(&[("events.jsonl", b"1\n3\n")]));
    let of = |folder: &tempfile::TempDir| open(folder.path(), Format::Jsonl).unwrap().fingerprint();
    assert_eq!(of(&one), of(&same));
    assert_ne!(of(&one), of(&other));
}

#[test]
fn nothing_to_read_is_said() {
    let folder = folder(&[("empty.jsonl", b""), ("blank.jsonl", b"\n \r\n\n")]);
    for name in ["empty.jsonl", "blank.jsonl"] {
        let text = error(&folder.path().join(name), Format::Jsonl);
        assert!(text.contains(name) && text.contains("no event in it"), "{text}");
    }
    let text = error(&folder.path().join("absent.jsonl"), Format::Jsonl);
    assert!(text.contains("absent.jsonl: no such file or folder; expected a file of one JSON"), "{text}");
    let text = error(crate::common::folder(&[("a.csv", b"1")]).path(), Format::Jsonl);
    assert!(text.contains("no *.jsonl file"), "{text}");
}

#[test]
fn a_line_too_long_for_the_log_is_fed_cut_in_its_place() {
    let long = |length: usize| {
        let mut line = br#"{"user_id":7,"item_id":""#.to_vec();
        line.resize(length - 2, b'x');
        line.extend_from_slice(b"\"}");
        line
    };
    let (fits, over) = (long(MAX_EVENT_BYTES), long(MAX_EVENT_BYTES + 1));
    let content =
        [&over, b"{\"user_id\":7}".as_slice(), &fits, &vec![b'x'; 2_000_000], &over].join(&b"\n"[..]);
    let folder = folder(&[("events.jsonl", &content)]);
    let path = folder.path().join("events.jsonl");

    let mut source = open(&path, Format::Jsonl).unwrap();
    let mut cuts = Vec::new();
    while source.next().transpose().unwrap().is_some() {
        cuts.push(source.cut().map(|cut| (cut.place, cut.bytes)));
    }
    let place = |line: u32| format!("{}:{line}", path.display());
    let over_bytes = MAX_EVENT_BYTES + 1;
    assert_eq!(
        cuts,
        [Some((place(1), over_bytes)), None, None, Some((place(4), 2_000_000)), Some((place(5), over_bytes))]
    );

    let mut log = MemoryLog::new(1);
    let metrics = crate::common::metrics();
    let mut feeder = Feeder::new(&Settings::default(), metrics.clone()).unwrap();
    let mut source = open(&path, Format::Jsonl).unwrap();
    let fed = feeder.run(&mut *source, &mut log, &mut || u64::MAX, &AtomicBool::new(false)).unwrap();
    assert_eq!((fed.fed, fed.finished, feeder.progress().cut()), (5, true, 3));
    assert_eq!(metrics.cut.get(), 3);
    let keys: Vec<_> = log.log[0].iter().map(|line| line.key.as_deref()).collect();
    assert_eq!(keys, [Some(&b"7"[..]), Some(b"7"), Some(b"7"), None, Some(b"7")]);
    let payloads: Vec<&[u8]> = log.log[0].iter().map(|line| line.payload.as_slice()).collect();
    let cut = &over[..MAX_EVENT_BYTES];
    assert_eq!(payloads, [cut, b"{\"user_id\":7}", &fits, &[b'x'; MAX_EVENT_BYTES], cut]);
}

#[test]
fn a_line_above_16_mib_is_refused_where_it_stands() {
    let mut content = b"{\"user_id\":1}\n".to_vec();
    content.resize(content.len() + hmisr_feed::MAX_LINE_BYTES, b'x');
    let whole = folder(&[("events.jsonl", &content)]);
    assert_eq!(read(whole.path(), Format::Jsonl).unwrap()[1].payload.len(), MAX_EVENT_BYTES);
    content.push(b'x');
    let long = folder(&[("events.jsonl", &content)]);
    let mut source = open(long.path(), Format::Jsonl).unwrap();
    assert!(source.next().unwrap().is_ok());
    let text = source.next().unwrap().unwrap_err().to_string();
    assert!(text.contains("events.jsonl:2: longer than 16777216 bytes"), "{text}");
    assert!(source.next().is_none());
}
