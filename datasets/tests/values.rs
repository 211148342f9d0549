//! Words for a missing value, ids of floats, categories.

use crate::common::{events, folder, has, options, read};
use hmisr_datasets::{Format, Options, Reader};

#[test]
fn a_word_for_missing_is_nobody() {
    let words = ["NULL", r"\N", "nan", "None", "", "NaN", "null"];
    let mut rows = String::new();
    for word in words {
        rows.push_str(&format!(
            "{word},1,c,1701429304\n7,{word},c,1701429304\n7,1,c,{word}\n7,1,{word},1701429304\n"
        ));
    }
    let (events, summary) =
        read(folder(&[("n.csv", format!("user_id,item_id,category,timestamp\n{rows}").as_bytes())]).path());
    assert_eq!(events, vec!["7 1 - click 1701429304000"; words.len()]);
    let counts: Vec<(&str, u64)> =
        summary.rejected.iter().map(|one| (one.reason.as_str(), one.rows)).collect();
    assert_eq!(counts, [("missing_user", 7), ("missing_item", 7), ("missing_time", 7)]);
    has(&summary.counts(), &["7 of 28 rows are events; 7 missing_user, as n.csv:2: NULL,1,c,1701429304"]);
}

#[test]
fn floats_of_one_number_are_one_id_over_both_files() {
    let inter =
        "user_id:token\titem_id:token\ttimestamp:float\n1.0\t15.0\t981539878.0\n1\t1.50e1\t981539879.0\n";
    let item = "item_id:token\tgenre:token_seq\n15\tAction Drama\n";
    let folder = folder(&[("f.inter", inter.as_bytes()), ("f.item", item.as_bytes())]);
    assert_eq!(read(folder.path()).0, ["1 15 Action click 981539878000", "1 15 Action click 981539879000"]);
}

#[test]
fn no_word_of_a_category_becomes_one() {
    let inter =
        "user_id:token\titem_id:token\ttimestamp:float\n1\t1\t981539878\n1\t2\t981539878\n1\t3\t981539878\n";
    let item = "item_id:token\tgenre:token_seq\n1\tAction Sci-Fi\n2\t(no genres listed)\n3\tFilm-Noir\n";
    let files: [(&str, &[u8]); 2] = [("m.inter", inter.as_bytes()), ("m.item", item.as_bytes())];
    let categories: Vec<String> = read(folder(&files).path())
        .0
        .iter()
        .map(|event| event.split(' ').nth(2).unwrap().to_owned())
        .collect();
    assert_eq!(categories, ["Action", "-", "Film-Noir"]);
    for (column, expected) in [
        ("Film Noir|Drama", "Film Noir"),
        ("\"['Film Noir', 'Drama']\"", "Film Noir"),
        ("\"Clothing, Shoes & Jewelry\"", "Clothing, Shoes & Jewelry"),
        ("(no genres listed)", "-"),
    ] {
        let found = events("c.csv", format!("user,item,ts,genres\n1,2,1701429304,{column}\n"));
        assert_eq!(found, [format!("1 2 {expected} click 1701429304000")], "{column}");
    }
}

#[test]
fn a_separator_that_is_given_is_taken_whole_in_events_and_in_items() {
    let inter = "user_id:token\titem_id:token\ttimestamp:float\n1\t1\t981539878\n";
    let item = "item_id:token\tgenre:token_seq\n1\tFilm-Noir > Sci Fi\n";
    let separated = |files: &[(&str, &[u8])]| {
        let folder = folder(files);
        let options = options(&[("separator", " > ")]);
        let mut reader = Reader::open(folder.path(), Format::Auto, &options).unwrap();
        let record = reader.next().unwrap().unwrap();
        reader.categories(&record).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = ["Film-Noir", "Sci Fi"];
    assert_eq!(separated(&[("m.inter", inter.as_bytes()), ("m.item", item.as_bytes())]), expected);
    let rows = b"user,item,ts,genres\n1,2,1701429304,Film-Noir > Sci Fi\n";
    assert_eq!(separated(&[("c.csv", rows)]), expected);
    has(&crate::common::refused("c.csv", rows, &[("separator", "")]), &["--category-separator \"\""]);
}

#[test]
fn one_value_does_not_decide_how_a_sequence_is_split() {
    let inter = "user_id:token\titem_id:token\ttimestamp:float\n1\t1\t981539878\n1\t30\t981539879\n";
    let item: String = (1..30).map(|at| format!("{at}\tAction Sci-Fi\n")).collect();
    let item = format!("item_id:token\tgenre:token_seq\n{item}30\tRock, Paper|Scissors\n");
    let files: [(&str, &[u8]); 2] = [("m.inter", inter.as_bytes()), ("m.item", item.as_bytes())];
    assert_eq!(read(folder(&files).path()).0[0], "1 1 Action click 981539878000");
}

#[test]
fn an_item_has_no_more_categories_than_an_event_may_have() {
    let inter = "user_id:token\titem_id:token\ttimestamp:float\n1\t1\t981539878\n";
    let item: String = (0..9).map(|at| format!("1\tc{at}\n")).collect();
    let item = format!("item_id:token\tgenre:token\n{item}");
    let folder = folder(&[("m.inter", inter.as_bytes()), ("m.item", item.as_bytes())]);
    let mut reader = Reader::open(folder.path(), Format::Auto, &Options::default()).unwrap();
    let record = reader.next().unwrap().unwrap();
    assert_eq!(reader.categories(&record).len(), 8);
}

#[test]
fn an_id_that_cannot_be_is_counted() {
    let long = "x".repeat(129);
    let rows = format!("user,item,ts\n{long},1,1701429304\n1,{long},1701429304\n1,1,1701429304\n");
    let (events, summary) = read(folder(&[("i.csv", rows.as_bytes())]).path());
    assert_eq!(events.len(), 1);
    has(&summary.counts(), &["1 bad_user", "1 bad_item"]);
    let bytes = b"user,item,ts\n\xff\xfe,1,1701429304\n1,1,1701429304\n";
    let (events, summary) = read(folder(&[("i.csv", bytes)]).path());
    assert_eq!((events.len(), summary.rejected[0].reason.as_str()), (1, "bad_user"));
}

#[test]
fn a_rating_that_is_no_number_is_counted() {
    let rows = "userId,movieId,rating,timestamp\n1,2,five,1182909808\n1,2,,1182909808\n1,3,4,1182909808\n";
    let (events, summary) = read(folder(&[("ratings.csv", rows.as_bytes())]).path());
    assert_eq!(events, ["1 2 - rate 1182909808000", "1 3 - rate 1182909808000 4"]);
    has(&summary.counts(), &["1 bad_weight, as ratings.csv:2: 1,2,five,1182909808"]);
}
