//! Columns, delimiters and headers are recognised, or given.

use crate::common::{events, folder, has, options, read, read_with, refused};
use hmisr_datasets::Format;

#[test]
fn every_delimiter_is_recognised() {
    for delimiter in [",", ";", "\t", "|", "::", " "] {
        let rows = "user_id,item_id,category,timestamp\n1,2,c,1701429304\n1,3,c,1701429305\n"
            .replace(',', delimiter);
        assert_eq!(
            events("d.csv", rows),
            ["1 2 c click 1701429304000", "1 3 c click 1701429305000"],
            "{delimiter:?}"
        );
    }
    // A title with commas does not hide it.
    assert_eq!(
        events("d.csv", "user_id;title;item_id;ts\n1;a, b, c;2;1701429304\n1;d, e, f;3;1701429305\n"),
        ["1 2 - click 1701429304000", "1 3 - click 1701429305000"]
    );
}

#[test]
fn a_delimiter_can_be_given() {
    let rows = "1~2~1701429304\n";
    let error = refused("d.csv", rows, &[]);
    has(&error, &["nothing that stands between columns was recognised in \"1~2~1701429304\"", "--delimiter"]);
    let folder = folder(&[("d.csv", rows.as_bytes())]);
    let given =
        options(&[("delimiter", "~"), ("no-header", ""), ("user", "1"), ("item", "2"), ("time", "3")]);
    assert_eq!(read_with(folder.path(), Format::Auto, &given).unwrap().0, ["1 2 - click 1701429304000"]);
}

#[test]
fn a_timestamp_goes_before_a_time() {
    let rows = "user_id,item_id,category,time,timestamp\n0,33,c0,11,1701429304\n";
    let (events, summary) = read(folder(&[("h.csv", rows.as_bytes())]).path());
    assert_eq!(events, ["0 33 c0 click 1701429304000"]);
    assert_eq!(summary.columns["time"], "timestamp");
    let rows = "user_id,video_id,play_duration,time,date,timestamp\n0,35,1,2020-07-16 23:48:54.438,20200716.0,1594943334.438\n";
    assert_eq!(events_of(rows), ["0 35 - click 1594943334438"]);
}

fn events_of(rows: &str) -> Vec<String> {
    events("x.csv", rows)
}

#[test]
fn common_names_are_known() {
    for header in [
        "userId,movieId,timestamp",
        "visitorid,itemid,timestamp",
        "customer_id,article_id,t_dat",
        "User ID,Product ID,event_time",
        "session_id,item_id,ts",
    ] {
        assert_eq!(
            events_of(&format!("{header}\n1,2,2020-07-16\n")),
            ["1 2 - click 1594857600000"],
            "{header}"
        );
    }
    let quoted = "\u{feff}\"user_id\",\"item_id\",\"timestamp\"\r\n\"0\",\"33\",\"1701429304\"\r\n";
    assert_eq!(events_of(quoted), ["0 33 - click 1701429304000"]);
    assert_eq!(events_of(",user_id,item_id,timestamp\n0,7,33,1701429304\n"), ["7 33 - click 1701429304000"]);
}

#[test]
fn an_ambiguity_names_the_candidates_and_the_option() {
    let rows = "user,user_id,item_id,timestamp\nAnn,7,33,1701429304\n";
    has(&refused("a.csv", rows, &[]), &["user and user_id could each be the user", "--user-column"]);
    let folder = folder(&[("a.csv", rows.as_bytes())]);
    let given = options(&[("user", "user_id")]);
    assert_eq!(read_with(folder.path(), Format::Auto, &given).unwrap().0, ["7 33 - click 1701429304000"]);
    let rows = "user_id,video_id,movieId,timestamp\n7,33,4,1701429304\n";
    has(&refused("a.csv", rows, &[]), &["video_id and movieId could each be the item", "--item-column"]);
}

#[test]
fn a_missing_column_is_named() {
    has(
        &refused("x.csv", "user,thing,timestamp\n1,2,3\n", &[]),
        &["no column for the item", "(user, thing, timestamp)", "--item-column"],
    );
    has(
        &refused("x.csv", "who,what,when\n1,2,1701429304\n", &[]),
        &["no column for the user in the header (who, what, when)"],
    );
    has(
        &refused("x.csv", "user,item,ts\n1,2,1701429304\n", &[("time", "when")]),
        &["no column when in the header", "--time-column"],
    );
    has(
        &refused("x.csv", "user,item,ts\n1,2,1701429304\n", &[("time", "user")]),
        &["column user cannot be two things"],
    );
}

#[test]
fn a_file_without_a_header_needs_numbers() {
    let rows = "1,2,0.5,1701429304\n3,4,0.5,1701429305\n";
    has(
        &refused("x.csv", rows, &[]),
        &["is no header and no layout that is known", "--no-header --user-column 1"],
    );
    let folder = folder(&[("x.csv", rows.as_bytes())]);
    for pairs in [
        &[("user", "1"), ("item", "2"), ("time", "4")][..],
        &[("no-header", ""), ("user", "1"), ("item", "2"), ("time", "4")],
    ] {
        let (events, summary) = read_with(folder.path(), Format::Auto, &options(pairs)).unwrap();
        assert_eq!(events, ["1 2 - click 1701429304000", "3 4 - click 1701429305000"]);
        assert_eq!(summary.columns["time"], "4");
    }
    // A header that is said to be an event is counted, not lost.
    let headed = "user,item,ts\n1,2,1701429304\n3,4,1701429305\n";
    let folder = self::folder(&[("x.csv", headed.as_bytes())]);
    let given = options(&[("no-header", ""), ("user", "1"), ("item", "2"), ("time", "3"), ("unit", "s")]);
    let (events, summary) = read_with(folder.path(), Format::Auto, &given).unwrap();
    assert_eq!((events.len(), summary.rejected[0].reason.as_str()), (2, "bad_time"));
}

#[test]
fn a_row_that_lacks_a_column_is_none_also_where_its_quotes_hold_the_delimiter() {
    let rows = "user,item,title,ts\n1,2,\"a, b\",1701429304\n1,\"3, x\",1701429305\n1,4,1701429306\n";
    let (events, summary) = read(folder(&[("x.csv", rows.as_bytes())]).path());
    assert_eq!(events, ["1 2 - click 1701429304000"]);
    has(&summary.counts(), &["2 columns, as x.csv:3: 1,\"3, x\",1701429305"]);
}

#[test]
fn several_category_columns_are_read_in_the_order_given() {
    let rows = "who,what,when,kind,sort\n1,2,1701429304,k,s\n";
    let folder = folder(&[("x.csv", rows.as_bytes())]);
    let given = options(&[
        ("user", "who"),
        ("item", "what"),
        ("time", "when"),
        ("category", "sort"),
        ("category", "kind"),
    ]);
    let (events, summary) = read_with(folder.path(), Format::Auto, &given).unwrap();
    assert_eq!(
        (&events[0][..], &summary.columns["category"][..]),
        ("1 2 s click 1701429304000", "sort, kind")
    );
}
