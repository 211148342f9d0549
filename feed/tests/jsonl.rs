//! JSON lines go through byte for byte, good or bad.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod common;

use common::{drain, error, folder, read};
use hmisr_feed::{Format, Numbered, open};

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
    let offsets: Vec<_> = Numbered::new(&mut *source, 1).map(|line| line.unwrap().offset).collect();
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
    let text = error(common::folder(&[("a.csv", b"1")]).path(), Format::Jsonl);
    assert!(text.contains("no *.jsonl file"), "{text}");
}

#[test]
fn a_line_above_16_mib_is_refused_where_it_stands() {
    let mut content = b"{\"user_id\":1}\n".to_vec();
    content.resize(content.len() + hmisr_feed::MAX_LINE_BYTES, b'x');
    let whole = folder(&[("events.jsonl", &content)]);
    assert_eq!(read(whole.path(), Format::Jsonl).unwrap()[1].payload.len(), hmisr_feed::MAX_LINE_BYTES);
    content.push(b'x');
    let long = folder(&[("events.jsonl", &content)]);
    let mut source = open(long.path(), Format::Jsonl).unwrap();
    assert!(source.next().unwrap().is_ok());
    let text = source.next().unwrap().unwrap_err().to_string();
    assert!(text.contains("events.jsonl:2: longer than 16777216 bytes"), "{text}");
    assert!(source.next().is_none());
}
