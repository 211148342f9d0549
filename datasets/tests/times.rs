//! The same data in any unit or text give the same events, or are refused with what to do.

use crate::common::{events, folder, has, options, read, read_with, refused};
use hmisr_datasets::Format;

/// Seconds of a few events.
const TIMES: [i64; 3] = [1_701_025_678, 1_701_088_500, 1_701_116_990];

fn table(time: impl Fn(i64) -> String) -> String {
    let rows = TIMES.map(|seconds| format!("1,2,c,{}\n", time(seconds)));
    format!("user_id,item_id,category,timestamp\n{}", rows.concat())
}

#[test]
fn every_unit_and_text_is_one_time() {
    let expected = TIMES.map(|seconds| format!("1 2 c click {}", seconds * 1_000));
    let date = |seconds: i64, pattern: &str| {
        chrono::DateTime::from_timestamp(seconds, 0).unwrap().format(pattern).to_string()
    };
    for (form, text) in [
        ("s", table(|seconds| seconds.to_string())),
        ("s", table(|seconds| format!("{seconds}.000"))),
        ("s", table(|seconds| format!("{:e}", seconds as f64))),
        ("ms", table(|seconds| format!("{seconds}000"))),
        ("us", table(|seconds| format!("{seconds}000999"))),
        ("ns", table(|seconds| format!("{seconds}000999999"))),
        ("rfc3339", table(|seconds| date(seconds, "%Y-%m-%dT%H:%M:%SZ"))),
        ("rfc3339", table(|seconds| date(seconds, "%Y-%m-%dT%H:%M:%S+0000"))),
        ("rfc3339", table(|seconds| date(seconds, "%Y-%m-%d %H:%M:%S UTC"))),
        ("rfc3339", table(|seconds| date(seconds, "%a %b %d %H:%M:%S +0000 %Y"))),
        ("yyyymmdd", table(|seconds| date(seconds, "%Y%m%d%H%M%S"))),
    ] {
        let (events, summary) = read(folder(&[("t.csv", text.as_bytes())]).path());
        assert_eq!(events, expected, "{text}");
        assert_eq!(summary.time, form);
        assert_eq!(summary.first.as_deref(), Some("2023-11-26T19:07:58Z"), "{text}");
        assert_eq!(summary.last.as_deref(), Some("2023-11-27T20:29:50Z"));
    }
}

#[test]
fn a_pattern_can_be_given() {
    let text = table(|seconds| {
        chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%d.%m.%Y %H:%M").to_string()
    });
    let folder = folder(&[("t.csv", text.as_bytes())]);
    has(&refused("t.csv", &text, &[]), &["column timestamp", "26.11.2023 19:07", "--time-format"]);
    let (events, _) =
        read_with(folder.path(), Format::Auto, &options(&[("format", "%d.%m.%Y %H:%M")])).unwrap();
    assert_eq!(events[0], "1 2 c click 1701025620000");
}

#[test]
fn numbers_that_are_no_times_need_a_unit() {
    let text = "user,item,ts\n1,a,5\n1,b,6\n";
    has(&refused("t.csv", text, &[]), &["t.csv: column ts: no time is from 1990", "--time-unit"]);
    let folder = folder(&[("t.csv", text.as_bytes())]);
    let (events, summary) = read_with(folder.path(), Format::Auto, &options(&[("unit", "s")])).unwrap();
    assert_eq!(events, ["1 a - click 5000", "1 b - click 6000"]);
    assert_eq!(summary.first.as_deref(), Some("1970-01-01T00:00:05Z"));
}

#[test]
fn small_numbers_are_no_seconds_of_1970_whatever_the_layout() {
    for (name, rows, column, event) in [
        ("x.tsv", "1\t2\t3\t100\n4\t5\t1\t7\n", "4 (timestamp of movielens)", "1 2 - rate 100000 3"),
        ("u.data", "1\t2\t3\t100\n4\t5\t1\t7\n", "4 (timestamp of movielens)", "1 2 - rate 100000 3"),
        ("UserBehavior.csv", "1,2,3,pv,100\n1,2,3,pv,7\n", "5 (timestamp of taobao)", "1 2 3 pv 100000"),
        (
            "ratings.csv",
            "userId,movieId,rating,timestamp\n1,2,3,100\n1,2,3,7\n",
            "timestamp",
            "1 2 - rate 100000 3",
        ),
    ] {
        let told =
            [&format!("column {column}: ")[..], "no time is from 1990", "from 7 to 100", "--time-unit s"];
        has(&refused(name, rows, &[]), &told);
        let folder = folder(&[(name, rows.as_bytes())]);
        let (events, _) = read_with(folder.path(), Format::Auto, &options(&[("unit", "s")])).unwrap();
        assert_eq!(events[0], event, "{name}");
    }
    // What has no stars in its third column is not MovieLens.
    let rows = "1\t2\t17\t1700000000\n4\t5\t40\t1700000001\n";
    has(&refused("x.tsv", rows, &[]), &["is no header and no layout that is known", "--no-header"]);
}

#[test]
fn the_hours_of_days_are_no_seconds_of_2033() {
    let (events, summary) =
        read(folder(&[("t.csv", b"user,item,ts\n1,a,2017112501\n1,b,2017112523\n")]).path());
    assert_eq!(events, ["1 a - click 1511571600000", "1 b - click 1511650800000"]);
    assert_eq!(summary.time, "yyyymmdd");
}

#[test]
fn a_mixed_column_is_refused_and_a_few_others_are_counted() {
    let mixed = "user,item,ts\n1,a,1701025678\n1,b,1701025679000\n";
    has(&refused("t.csv", mixed, &[]), &["not written alike", "1 are s", "1 are ms"]);
    let mut rows: String = (0..20).map(|at| format!("1,{at},{}\n", 1_701_025_678 + at)).collect();
    rows.push_str("1,x,1701025679000\n1,y,soon\n");
    let (events, summary) = read(folder(&[("t.csv", format!("user,item,ts\n{rows}").as_bytes())]).path());
    assert_eq!(events.len(), 20);
    has(&summary.counts(), &["1 implausible_time, as t.csv:22", "1 bad_time, as t.csv:23: 1,y,soon"]);
}

#[test]
fn the_whole_column_decides_and_not_its_beginning() {
    // The first rows look like floats of seconds: the ids and times of later rows say otherwise.
    let mut rows = "user,item,ts\n".to_owned();
    for at in 0..12_000 {
        rows.push_str(&format!("{at}.0,7,{}\n", 1_701_025_678 + at));
    }
    for at in 12_000..14_000 {
        rows.push_str(&format!("{at}.5,7,{}\n", 1_701_025_678 + at));
    }
    let events = events("t.csv", rows);
    assert_eq!(events.len(), 14_000);
    assert!(events[0].starts_with("0.0 7") && events[12_000].starts_with("12000.5 7"), "{}", events[0]);
}
