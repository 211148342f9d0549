//! Taobao's UserBehavior.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{error, events, folder, open_seconds, read, read_seconds};
use hmisr_feed::Format::Taobao;

#[test]
fn behaviour_comes_in_time_order() {
    let csv = b"1,7,3,pv,1511571885\r\n2,7,3,buy,1511544070\n1,8,4,fav,1511544070\n3,9,5,cart,1511500000";
    let folder = folder(&[("UserBehavior.csv", csv)]);
    let expected = [
        "3 9 5 cart 1511500000000",
        "2 7 3 buy 1511544070000",
        "1 8 4 fav 1511544070000",
        "1 7 3 pv 1511571885000",
    ];
    for path in [folder.path().to_owned(), folder.path().join("UserBehavior.csv")] {
        assert_eq!(events(&read(&path, Taobao).unwrap()), expected);
    }
}

#[test]
fn ties_keep_the_order_of_the_file() {
    let mut rows: Vec<(u32, u32)> = (0..5_000).map(|item| (item * 7_919 % 13, item)).collect();
    let csv: String = rows.iter().map(|(ts, item)| format!("1,{item},3,pv,{ts}\n")).collect();
    let folder = folder(&[("UserBehavior.csv", csv.as_bytes())]);
    rows.sort_by_key(|(ts, _)| *ts);
    let expected: Vec<String> =
        rows.iter().map(|(ts, item)| format!("1 {item} 3 pv {}", ts * 1_000)).collect();
    assert_eq!(events(&read_seconds(folder.path(), Taobao)), expected);
}

#[test]
fn what_is_no_event_is_counted_with_its_place() {
    for (line, reason) in [
        ("1,2,3,pv", "columns"),
        ("1,2,3,pv,5,6", "columns"),
        ("user,item,category,behaviour,time", "bad_time"),
        ("NULL,2,3,pv,5", "missing_user"),
        ("1,2,3,pv,-10", "implausible_time"),
        ("1,2,3,pv,99999999999", "implausible_time"),
    ] {
        let folder = folder(&[("UserBehavior.csv", format!("1,2,3,pv,4\n{line}\n").as_bytes())]);
        let text = open_seconds(folder.path(), Taobao).summary().unwrap().counts();
        let expected = format!("1 of 2 rows are events; 1 {reason}, as UserBehavior.csv:2: {line}");
        assert_eq!(text, expected);
    }
}

#[test]
fn what_is_not_there_is_said() {
    assert!(error(folder(&[("UserBehavior.csv", b"")]).path(), Taobao).contains("no event in it"));
    assert!(
        error(folder(&[]).path(), Taobao)
            .contains("no data set of the format taobao in it; expected UserBehavior.csv")
    );
}
