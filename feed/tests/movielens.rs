//! MovieLens in its own layout and in RecBole's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{error, events, folder, read};
use hmisr_feed::Format::Movielens;
use hmisr_feed::open;

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
    for path in [folder.path().to_owned(), folder.path().join("ratings.dat")] {
        let mut source = open(&path, Movielens).unwrap();
        assert_eq!(source.total(), Some(5));
        let lines = crate::common::drain(&mut *source).unwrap();
        // A time that no event may have is passed on, first, to become a dead letter.
        assert!(String::from_utf8_lossy(&lines[0].payload).contains(r#""ts":-5000"#));
        assert_eq!(events(&lines[1..]), expected);
        assert_eq!(source.share_read(), Some(1.0));
    }
}

#[test]
fn recboles_layout_is_told_by_its_files() {
    let inter =
        b"timestamp:float\tuser_id:token\titem_id:token\trating:float\n9.5\tu1\t7\t3\n1\t5\t8\t4.5\r\n";
    let item = b"item_id:token\tmovie_title:token_seq\tclass:token_seq\n7\tHeat\tAction Drama\n8\tX\t\n";
    let folder = folder(&[("some.inter", inter), ("some.item", item)]);
    let lines = read(folder.path(), Movielens).unwrap();
    assert_eq!(events(&lines), ["5 8 unknown rate 1000 4.5", "u1 7 Action rate 9500 3"]);
    assert_eq!(read(&folder.path().join("some.inter"), Movielens).unwrap(), lines);
}

#[test]
fn a_bad_rating_is_named() {
    for (line, parts) in [
        ("1::10::5", ["field `line`", "1::10::5"]),
        ("1::10::5::x", ["field `unix_seconds`", "`x`"]),
        ("1::10::5::1::2", ["field `unix_seconds`", "`1::2`"]),
        ("1::10::five::1", ["field `rating`", "`five`"]),
        ("1::10::inf::1", ["field `rating`", "`inf`"]),
        ("-1::10::5::1", ["field `user`", "`-1`"]),
        ("1::::5::1", ["field `item`", "``"]),
        ("1::10::5::9223372036854775807", ["field `unix_seconds`", "9223372036854775807"]),
    ] {
        let text = error(dat(format!("1::10::5::1\n\n{line}\n").as_bytes()).path(), Movielens);
        assert!(text.contains("ratings.dat:3: "), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)) && text.contains("convert"), "{text}");
    }
}

#[test]
fn a_bad_item_list_is_named() {
    for (movies, part) in [
        (&b"10::Heat"[..], "movies.dat:1: field `line`"),
        (b"10::Heat::Action\nx::Heat::Action", "movies.dat:2: field `item`: `x`"),
    ] {
        let text =
            error(folder(&[("ratings.dat", b"1::10::5::1"), ("movies.dat", movies)]).path(), Movielens);
        assert!(text.contains(part), "{text}");
    }
    let text = error(folder(&[("ratings.dat", b"1::10::5::1")]).path(), Movielens);
    assert!(text.contains("movies.dat: no such file beside the ratings"), "{text}");
}

#[test]
fn a_bad_atomic_file_is_named() {
    let with = |inter: &str| {
        let item: &[u8] = b"item_id:token\tgenre:token_seq\n7\tDrama\n";
        error(folder(&[("a.inter", inter.as_bytes()), ("a.item", item)]).path(), Movielens)
    };
    let text = with("user_id:token\titem_id:token\trating:float\n");
    assert!(text.contains("a.inter:1: field `timestamp`") && text.contains("header with a column"), "{text}");
    const HEADER: &str = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n";
    let text = with(&format!("{HEADER}1\t7\t5\n"));
    assert!(text.contains("a.inter:2: field `line`") && text.contains("4 tab-separated"), "{text}");
    assert!(with(&format!("{HEADER}1\t7\tx\t1\n")).contains("field `rating`: `x`"));
    assert!(with(&format!("{HEADER}\t7\t1\t1\n")).contains("field `user_id`: ``"));
    assert!(with(&format!("{HEADER}1\t7\t1\tnan\n")).contains("field `timestamp`: `nan`"));
    assert!(with(HEADER).contains("no event in it"));
    assert!(with("").contains("no event in it"));
}

#[test]
fn what_is_not_there_is_said() {
    assert!(error(dat(b"\n").path(), Movielens).contains("no event in it"));
    let text = error(folder(&[("x.csv", b"")]).path(), Movielens);
    assert!(text.contains("no ratings in it; expected a folder with ratings.dat"), "{text}");
    let text = error(folder(&[("a.inter", b"x"), ("b.inter", b"x")]).path(), Movielens);
    assert!(text.contains("several *.inter files"), "{text}");
    assert!(error(std::path::Path::new("/nowhere/ml"), Movielens).contains("/nowhere/ml: no such file"));
}
