//! Taobao's UserBehavior.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{error, events, folder, read};
use hmisr_feed::Format::Taobao;

#[test]
fn behaviour_comes_in_time_order() {
    let csv = b"1,7,3,pv,1511571885\r\n2,7,3,buy,1511544070\n1,8,4,fav,1511544070\n3,9,5,cart,0";
    let folder = folder(&[("UserBehavior.csv", csv)]);
    let expected =
        ["3 9 5 cart 0", "2 7 3 buy 1511544070000", "1 8 4 fav 1511544070000", "1 7 3 pv 1511571885000"];
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
    assert_eq!(events(&read(folder.path(), Taobao).unwrap()), expected);
}

#[test]
fn a_time_that_no_event_may_have_is_still_passed_on() {
    let folder = folder(&[("UserBehavior.csv", b"1,7,3,pv,-10\n1,7,3,pv,99999999999\n")]);
    let lines = read(folder.path(), Taobao).unwrap();
    let text = |at: usize| String::from_utf8(lines[at].payload.clone()).unwrap();
    assert!(text(0).contains(r#""ts":-10000"#) && text(1).contains(r#""ts":99999999999000"#));
}

#[test]
fn a_bad_line_is_named() {
    for (line, part) in [
        ("1,2,3,pv", "field `line`: `1,2,3,pv` is not a line of user,item,category"),
        ("1,2,3,pv,5,6", "field `line`"),
        ("user,item,category,behaviour,time", "field `user`: `user`"),
        ("1,-2,3,pv,5", "field `item`: `-2`"),
        ("1,2,,pv,5", "field `category`: ``"),
        ("1,2,3,pv,5.5", "field `unix_seconds`: `5.5`"),
    ] {
        let text =
            error(folder(&[("UserBehavior.csv", format!("1,2,3,pv,4\n{line}\n").as_bytes())]).path(), Taobao);
        assert!(text.contains("UserBehavior.csv:2: ") && text.contains(part), "{text}");
        assert!(text.contains("mend or remove the line, or convert"), "{text}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    assert!(error(folder(&[("UserBehavior.csv", b"")]).path(), Taobao).contains("no event in it"));
    assert!(error(folder(&[]).path(), Taobao).contains("no UserBehavior.csv in it"));
}
