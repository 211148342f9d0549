//! Compression and a byte order mark are read through; what is no text is said.

use std::io::Write;

use crate::common::{events, folder, has, read, read_with, refused};
use hmisr_datasets::{Format, Options};

const TABLE: &str = "user_id,item_id,timestamp\n1,2,1701429304\n1,3,1701429305\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 1).unwrap()
}

#[test]
fn compressed_files_are_read_through_by_name_and_by_content() {
    let expected = events("t.csv", TABLE);
    let marked = ["\u{feff}", TABLE].concat();
    for (name, content, encoding) in [
        ("t.csv.gz", gzip(TABLE.as_bytes()), "utf-8 in gzip"),
        ("t.csv.zst", zstd(TABLE.as_bytes()), "utf-8 in zstd"),
        ("t.csv", gzip(TABLE.as_bytes()), "utf-8 in gzip"),
        ("t.csv.gz", gzip(marked.as_bytes()), "utf-8 with a byte order mark in gzip"),
        ("t.csv", marked.as_bytes().to_vec(), "utf-8 with a byte order mark"),
        (
            "t.csv.gz",
            [gzip(&TABLE.as_bytes()[..30]), gzip(&TABLE.as_bytes()[30..])].concat(),
            "utf-8 in gzip",
        ),
        (
            "t.csv.zst",
            [zstd(&TABLE.as_bytes()[..30]), zstd(&TABLE.as_bytes()[30..])].concat(),
            "utf-8 in zstd",
        ),
    ] {
        let (events, summary) = read(folder(&[(name, &content)]).path());
        assert_eq!((events, summary.encoding.as_str()), (expected.clone(), encoding), "{name}");
    }
}

#[test]
fn data_sets_in_compressed_files_are_recognised() {
    let (ratings, movies) = (gzip(b"1::10::5::978300760\n"), zstd(b"10::T::Drama\n"));
    let folder = folder(&[("ratings.dat.gz", &ratings), ("movies.dat.zst", &movies)]);
    assert_eq!(read(folder.path()).0, ["1 10 Drama rate 978300760000 5"]);
}

#[test]
fn a_file_that_breaks_off_is_never_a_short_data_set() {
    let rows: String =
        (0..5_000).map(|at| format!("{},{},{}\n", at % 97, at * 7_919 % 1_009, 1_701_429_304 + at)).collect();
    let text = format!("user_id,item_id,timestamp\n{rows}");
    for (name, whole, kind) in
        [("t.csv.gz", gzip(text.as_bytes()), "gzip"), ("t.csv.zst", zstd(text.as_bytes()), "zstd")]
    {
        for cut in [whole.len() / 4, whole.len() / 2, whole.len() - 1, whole.len() - 7] {
            let error = refused(name, &whole[..cut], &[]);
            has(&error, &[name, kind, "breaks off or is damaged after", "bytes of text", "copy or download"]);
        }
    }
}

#[test]
fn utf_16_is_said_with_the_remedy() {
    let little: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (content, name) in [
        ([&b"\xff\xfe"[..], &little].concat(), "UTF-16"),
        ([&b"\xfe\xff"[..], &big].concat(), "UTF-16"),
        (little, "UTF-16LE"),
        (big, "UTF-16BE"),
    ] {
        let command = format!("iconv -f {name} -t UTF-8 t.csv > utf8-t.csv");
        has(&refused("t.csv", content, &[]), &["t.csv: the text is UTF-16", &command]);
    }
}

#[test]
fn what_is_no_text_is_said() {
    for (content, told) in [
        (&b"PK\x03\x04rest"[..], "unzip"),
        (b"PAR1rest", "Parquet"),
        (b"BZh9rest", "bunzip2"),
        (b"\xfd7zXZ\0rest", "unxz"),
        (b"a,b\0c\n", "zero bytes"),
    ] {
        has(&refused("t.csv", content, &[]), &["t.csv: ", told]);
    }
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    has(&refused("t.csv", gzip(&tar), &[]), &["tar"]);
    has(&refused("t.csv", TABLE.replace('\n', "\r").repeat(200), &[]), &["carriage return"]);
}

#[test]
fn nothing_to_read_is_said() {
    for content in ["", "\n \r\n", "user_id,item_id,timestamp\n", "\u{feff}"] {
        has(&refused("t.csv", content, &[]), &["no event in it"]);
    }
    for content in ["", "\n\n"] {
        let folder = folder(&[("t.jsonl", content.as_bytes())]);
        let error =
            read_with(&folder.path().join("t.jsonl"), Format::Jsonl, &Options::default()).unwrap_err();
        has(&error, &["no event in it"]);
    }
}
