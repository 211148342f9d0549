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
fn a_text_or_a_fraction_among_floats_splits_no_id() {
    for (odd, read) in [("guest", "guest"), ("1.5", "1.5"), ("007", "007")] {
        let rows: String = (0..30)
            .map(|row| format!("{},{row}.0,17014293{row:02}\n", ["7.0", "7", "7.00e0"][row % 3]))
            .collect();
        let found = events("m.csv", format!("user,item,ts\n{rows}{odd},5.0,1701429399\n"));
        let mut users: Vec<&str> = found.iter().filter_map(|event| event.split(' ').next()).collect();
        users.dedup();
        assert_eq!(users, ["7", read]);
    }
}

#[test]
fn one_unknown_item_in_a_list_of_floats_takes_no_category_away() {
    let inter =
        "user_id:token\titem_id:token\ttimestamp:float\n1.0\t15.0\t981539878\n1.0\tunknown-item\t981539879\n";
    let item = "item_id:token\tgenre:token_seq\n15\tAction Drama\n";
    let folder = folder(&[("f.inter", inter.as_bytes()), ("f.item", item.as_bytes())]);
    let (events, summary) = read(folder.path());
    assert_eq!(events, ["1 15 Action click 981539878000", "1 unknown-item - click 981539879000"]);
    assert_eq!(summary.notes, [""; 0]);
}

#[test]
fn a_list_that_has_hardly_an_events_item_is_told() {
    let inter: String = (1..=20).map(|at| format!("1\t{at}\t9815398{at:02}\n")).collect();
    let inter = format!("user_id:token\titem_id:token\ttimestamp:float\n{inter}");
    let notes = |item: &str| {
        let item = format!("item_id:token\tgenre:token_seq\n{item}");
        read(folder(&[("f.inter", inter.as_bytes()), ("f.item", item.as_bytes())]).path()).1.notes
    };
    let [note] = &notes("1\tAction\nfilm-2\tDrama\n")[..] else { panic!("one note") };
    has(note, &["warning: items: only 1 of 20 events are of an item that f.item lists", "--item-column"]);
    assert_eq!(notes("1\tAction\n2\t\n"), [""; 0], "one in ten is told by the number of categories");
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
