//! An event has its item's categories, as many as the stream's contract allows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{folder, open, read};
use hmisr_feed::Format;
use hmisr_stream::contract::Event;

/// The events' categories, as the stream reads them.
fn of(files: &[(&str, &[u8])]) -> Vec<(String, Vec<String>)> {
    let lines = read(folder(files).path(), Format::Auto).unwrap();
    let event = |payload: &[u8]| {
        let event = Event::decode(payload).unwrap();
        (event.category.to_string(), event.categories.iter().map(ToString::to_string).collect())
    };
    lines.iter().map(|line| event(&line.payload)).collect()
}

#[test]
fn an_item_listed_in_nine_rows_has_eight_categories() {
    let items: String = (0..9).map(|at| format!("7\tc{at}\n")).collect();
    let items = format!("item_id:token\tgenre:token\n{items}8\td\n");
    let first_eight: Vec<String> = (0..8).map(|at| format!("c{at}")).collect();
    for times in
        [[1_700_000_000, 1_700_000_001, 1_700_000_002], [1_700_000_002, 1_700_000_001, 1_700_000_000]]
    {
        let rows: String =
            [7, 8, 9].iter().zip(times).map(|(item, ts)| format!("1\t{item}\t{ts}\n")).collect();
        let inter = format!("user_id:token\titem_id:token\ttimestamp:float\n{rows}");
        let mut found = of(&[("x.inter", inter.as_bytes()), ("x.item", items.as_bytes())]);
        found.sort();
        let alone = |name: &str| (name.to_owned(), Vec::new());
        assert_eq!(
            found,
            [("c0".to_owned(), first_eight.clone()), alone("d"), alone("unknown")],
            "{times:?}"
        );
    }
}

#[test]
fn a_rows_own_categories_go_before_its_items() {
    let inter = "user_id:token\titem_id:token\ttimestamp:float\tcategory:token\n1\t7\t1700000000\ta|b\n1\t7\t1700000001\t\n";
    let item = "item_id:token\tgenre:token\n7\tc|d\n";
    let found = of(&[("x.inter", inter.as_bytes()), ("x.item", item.as_bytes())]);
    let both = |one: &str, two: &str| (one.to_owned(), vec![one.to_owned(), two.to_owned()]);
    assert_eq!(found, [both("a", "b"), both("c", "d")]);
    let folder = folder(&[("x.inter", inter.as_bytes())]);
    assert_eq!(open(folder.path(), Format::Auto).unwrap().total(), Some(2));
}
