//! MovieLens in its own layout and in RecBole's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{drain, error, events, folder, open_seconds, read_seconds};
use hmisr_feed::Format::{Auto, Movielens};

const MOVIES: &[u8] =
    b"10::Am\xe9lie: a film::part two (2001)::Comedy|Romance\r\n20::Heat (1995)::Action\n30::None::\n";

fn dat(ratings: &[u8]) -> tempfile::TempDir {
    folder(&[("ratings.dat", ratings), ("movies.dat", MOVIES)])
}

#[test]
fn ratings_come_in_time_order_and_ties_in_file_order() {
    let folder = dat(b"1::20::5::300\r\n2::10::3::100\n\n1::30::4::100\n1::99::0.5::100\n3::10::1::-5\n");
    let expected = [
        "2 10 Comedy rate 100000 3",
        "1 30 unknown rate 100000 4",
        "1 99 unknown rate 100000 0.5",
        "1 20 Action rate 300000 5",
    ];
    for (path, format) in [
        (folder.path().to_owned(), Movielens),
        (folder.path().join("ratings.dat"), Movielens),
        (folder.path().to_owned(), Auto),
    ] {
        let mut source = open_seconds(&path, format);
        assert_eq!(source.total(), Some(4));
        assert_eq!(events(&drain(&mut *source).unwrap()), expected);
        assert_eq!(source.share_read(), Some(1.0));
        let summary = source.summary().unwrap();
        assert_eq!(summary.layout, "movielens");
        assert!(summary.counts().contains("1 implausible_time, as ratings.dat:6: 3::10::1::-5"), "{summary}");
    }
}

#[test]
fn rows_in_time_order_are_not_held_and_come_the_same() {
    let sorted = dat(b"2::10::3::100\n1::30::4::100\n1::20::5::300\n");
    let other = dat(b"1::20::5::300\n2::10::3::100\n1::30::4::100\n");
    assert_eq!(read_seconds(sorted.path(), Auto), read_seconds(other.path(), Auto));
}

#[test]
fn recboles_layout_is_told_by_its_files() {
    let inter =
        b"timestamp:float\tuser_id:token\titem_id:token\trating:float\n9.5\tu1\t7\t3\n1\t5\t8\t4.5\r\n";
    let item = b"item_id:token\tmovie_title:token_seq\tclass:token_seq\n7\tHeat\tAction Drama\n8\tX\t\n";
    let folder = folder(&[("some.inter", inter), ("some.item", item)]);
    let lines = read_seconds(folder.path(), Movielens);
    assert_eq!(events(&lines), ["5 8 unknown rate 1000 4.5", "u1 7 Action rate 9500 3"]);
    assert_eq!(read_seconds(&folder.path().join("some.inter"), Movielens), lines);
}

#[test]
fn a_bad_rating_is_counted_with_its_place() {
    for (line, reason) in [
        ("1::10::5", "columns"),
        ("1::10::5::x", "bad_time"),
        ("1::10::5::1::2", "columns"),
        ("1::10::five::1", "bad_weight"),
        ("1::10::inf::1", "bad_weight"),
        ("1::::5::1", "missing_item"),
        ("NULL::10::5::1", "missing_user"),
        ("1::10::5::9223372036854775807", "implausible_time"),
    ] {
        let folder = dat(format!("1::10::5::1\n\n{line}\n").as_bytes());
        let source = open_seconds(folder.path(), Movielens);
        let text = source.summary().unwrap().counts();
        let expected = format!("1 of 2 rows are events; 1 {reason}, as ratings.dat:3: {line}");
        let beyond = format!("1 of 2 rows are events; 1 bad_time, as ratings.dat:3: {line}");
        assert!(text == expected || (reason == "implausible_time" && text == beyond), "{text}");
    }
}

#[test]
fn a_bad_item_list_is_counted() {
    let files: [(&str, &[u8]); 2] =
        [("ratings.dat", b"1::10::5::1"), ("movies.dat", b"10::Heat\n11::X::Action")];
    let summary = open_seconds(folder(&files).path(), Movielens).summary().unwrap();
    assert!(
        summary.to_string().contains("items: 1 of 2 rows columns, as movies.dat:1: 10::Heat"),
        "{summary}"
    );
    let text = error(folder(&[("ratings.dat", b"1::10::5::1")]).path(), Movielens);
    assert!(text.contains("movies.dat: no such file beside the ratings"), "{text}");
}

#[test]
fn a_bad_atomic_file_is_named() {
    let with = |inter: &str| {
        let item: &[u8] = b"item_id:token\tgenre:token_seq\n7\tDrama\n";
        error(folder(&[("a.inter", inter.as_bytes()), ("a.item", item)]).path(), Movielens)
    };
    let text = with("user_id:token\titem_id:token\trating:float\n1\t7\t5\n");
    assert!(text.contains("a.inter: no column for the time in the header"), "{text}");
    const HEADER: &str = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n";
    let text = with(&format!("{HEADER}1\t7\t5\n"));
    assert!(text.contains("only 0 of 1 rows are events; 1 columns, as a.inter:2: 1 7 5"), "{text}");
    assert!(with(HEADER).contains("no event in it"));
    assert!(with("").contains("no event in it"));
}

#[test]
fn what_is_not_there_is_said() {
    assert!(error(dat(b"\n").path(), Movielens).contains("no event in it"));
    let text = error(folder(&[("x.csv", b"")]).path(), Movielens);
    assert!(
        text.contains("no data set of the format movielens in it; expected a folder with u.data"),
        "{text}"
    );
    let text = error(folder(&[("a.inter", b"x"), ("b.inter", b"x")]).path(), Movielens);
    assert!(text.contains("several files could be the events: a.inter, b.inter"), "{text}");
    assert!(error(std::path::Path::new("/nowhere/ml"), Movielens).contains("/nowhere/ml: no such file"));
}
