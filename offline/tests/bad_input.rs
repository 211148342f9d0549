//! Bad files are refused with place and remedy; what is bearable is counted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{data, folder, load, load_seconds, refusal};
use hmisr_datasets::Format;
use hmisr_offline::{Protocol, Split};

fn csv(rows: &str) -> String {
    refusal(folder(&[("x.csv", rows.as_bytes())]).path(), Format::Auto)
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_missing_column_is_named() {
    has(
        &csv("user,thing,timestamp\n1,2,3\n"),
        &["x.csv", "no column for the item", "user, thing, timestamp"],
    );
    has(&csv("user,item\n1,2\n"), &["no column for the time"]);
    let folder = folder(&[("x.inter", b"user_id:token\titem_id:token\n1\t2\n")]);
    has(&refusal(folder.path(), Format::Auto), &["no column for the time in the header (user_id, item_id)"]);
}

#[test]
fn data_of_which_most_rows_are_no_events_are_refused_with_the_reasons() {
    let header = "user,item,timestamp\n";
    has(
        &csv(&format!("{header}1,2,3\n\n1,2,soon\n2,3,later\n")),
        &["only 1 of 3 rows are events", "2 bad_time, as x.csv:4: 1,2,soon"],
    );
    has(&csv(&format!("{header}\r\n\r\n1,2,soon")), &["x.csv:4: 1,2,soon"]);
    has(
        &csv(&format!("{header}1,,3\n")),
        &["only 0 of 1 rows are events", "1 missing_item, as x.csv:2: 1,,3"],
    );
    has(&csv(&format!("{header}1,2,1e300\n")), &["bad_time"]);
    has(&csv(&format!("{header}1,2\n")), &["1 columns, as x.csv:2: 1,2"]);
    let text = csv(&format!("{header}{},2,3\n", "x".repeat(500)));
    has(&text, &["…", "bad_user"]);
    assert!(text.len() < 400, "{text}");
}

#[test]
fn a_few_rows_that_are_no_events_are_counted() {
    let movies: (&str, &[u8]) = ("movies.dat", b"1::T::Drama\n2::T\n");
    let data = load_seconds(folder(&[movies, ("ratings.dat", b"1::1::5::9\n1::1::5\n1::2::5::10\n")]).path());
    assert_eq!(data.len(), 2);
    has(&data.reading.counts(), &["2 of 3 rows are events; 1 columns, as ratings.dat:2: 1::1::5"]);
    has(&data.reading.to_string(), &["items: 1 of 2 rows columns, as movies.dat:2: 2::T"]);
    let lonely = folder(&[("ratings.dat", b"1::1::5::9\n")]);
    has(&refusal(lonely.path(), Format::Auto), &["movies.dat", "no such file beside the ratings"]);
}

#[test]
fn a_folder_without_data_is_refused() {
    let empty = folder(&[]);
    has(&refusal(empty.path(), Format::Auto), &["no known data set", "ratings.csv"]);
    has(&refusal(empty.path(), Format::Movielens), &["no data set of the format movielens", "ratings.dat"]);
    has(&refusal(&empty.path().join("no"), Format::Auto), &["no such file or folder"]);
    let two = folder(&[("a.csv", b""), ("b.csv", b"")]);
    has(&refusal(two.path(), Format::Auto), &["several files", "a.csv, b.csv"]);
    has(&csv(""), &["no event in it"]);
    has(&csv("user,item,timestamp\n"), &["there is no event in it"]);
    has(&"parquet".parse::<Format>().unwrap_err().to_string(), &["format parquet: expected one of auto"]);
}

#[test]
fn a_repeated_row_is_left_out_and_counted() {
    let rows = b"user,item,ts\n1,a,5\n1,b,5\n1,a,5\n1,a,6\n1,a,5\n";
    let data = load_seconds(folder(&[("x.csv", rows)]).path());
    assert_eq!((data.notes.rows, data.notes.duplicates, data.len()), (5, 2, 3));
    assert!(data.repeats, "the same item at another time is a repeat");
}

#[test]
fn users_with_one_event_are_learnt_from_only() {
    let data = data_of("1,a,1\n1,b,2\n1,c,3\n2,a,1\n2,b,2\n3,a,9\n");
    assert_eq!(data.notes.single_event_users, 1);
    let split = Split::new(Protocol::O1, data).unwrap();
    assert_eq!((split.test.len(), split.validation.len()), (1, 1));
    assert_eq!([0, 1, 2].map(|user| split.train(user).len()), [1, 2, 1]);
}

#[test]
fn data_that_cannot_be_split_are_refused() {
    let refused = |rows: &str, protocol| {
        let error = Split::new(protocol, data_of(rows)).unwrap_err();
        assert!(error.is_users());
        error.to_string()
    };
    has(&refused("1,a,1\n1,a,2\n1,a,3\n", Protocol::O1), &[": a catalogue of 1 item cannot be ranked"]);
    has(&refused("1,a,1\n1,b,2\n", Protocol::O1), &["the validation part of protocol o1 is empty", "three"]);
    has(&refused("1,a,1\n1,b,1\n2,a,1\n", Protocol::O2), &["one time"]);
    for (more, told) in [
        (",weight", "0 are of an action that says none (impression"),
        (",action", "6 are of an action that says none (impression"),
    ] {
        let (value, weak) = if more == ",weight" { ("-1", 6) } else { ("impression", 0) };
        let rows: String = (0..6).map(|at| format!("1,{},{at},{value}\n", at % 3)).collect();
        let data =
            load_seconds(folder(&[("x.csv", format!("user,item,ts{more}\n{rows}").as_bytes())]).path());
        for protocol in [Protocol::O1, Protocol::O2] {
            let error = Split::new(protocol, data.clone()).unwrap_err().to_string();
            has(&error, &["none of 6 events is a choice", told, &format!("{weak} of a weight of 0 or less")]);
        }
    }
    let nothing_left = data_of("1,a,1\n1,b,2\n").core(5).unwrap_err().to_string();
    has(&nothing_left, &["no user and no item is left with at least 5 events", "a lower core"]);
}

fn data_of(rows: &str) -> hmisr_offline::Dataset {
    load_seconds(folder(&[("x.csv", format!("user,item,ts\n{rows}").as_bytes())]).path())
}

#[test]
fn the_public_data_sets_are_whole() {
    for (name, events, users, items, categories) in [
        ("ml-1m", 1_000_209, 6_040, 3_706, 18),
        ("ml-100k", 100_000, 943, 1_682, 19),
        ("taobao", 84_475, 815, 55_368, 2_914),
    ] {
        let Some(path) = data(name) else { continue };
        let data = load(&path);
        let found = (data.len(), data.users.len(), data.items.len(), data.categories.len());
        assert_eq!(found, (events, users, items, categories), "{name}");
        assert_eq!((data.notes.duplicates, data.repeats), (0, name == "taobao"), "{name}");
    }
}
