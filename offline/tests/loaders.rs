//! Each format is read as what it says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use crate::common::{folder, load, load_seconds, seconds};
use hmisr_datasets::{Format, Options};
use hmisr_offline::Dataset;

/// `user: item@ms …` per user, and `item: category …` per item, by id.
fn told(data: &Dataset) -> (Vec<String>, Vec<String>) {
    let events = |(user, events): (_, &Vec<_>)| {
        let events = events.iter().map(|event: &hmisr_offline::Event| {
            format!(" {}@{}", data.items[event.item as usize], event.ts_ms)
        });
        format!("{user}:{}", events.collect::<String>())
    };
    let categories = |(item, categories): (_, &Vec<u32>)| {
        let names = categories.iter().map(|&category| format!(" {}", data.categories[category as usize]));
        format!("{item}:{}", names.collect::<String>())
    };
    (
        data.users.iter().zip(&data.events).map(events).collect(),
        data.items.iter().zip(&data.item_categories).map(categories).collect(),
    )
}

#[test]
fn movielens() {
    let folder = folder(&[
        ("movies.dat", b"3::Trois :: deux (\xe9t\xe9)::Drama|Comedy\n5::Five::Comedy\n9::Never rated::War\n"),
        ("ratings.dat", b"1::5::4::20\r\n2::3::1::15\r\n\r\n1::3::2::10\r\n"),
    ]);
    let data = load_seconds(folder.path());
    let (events, items) = told(&data);
    assert_eq!(events, ["1: 3@10000 5@20000", "2: 3@15000"]);
    assert_eq!(items, ["5: Comedy", "3: Drama Comedy"]);
    assert_eq!((data.notes.rows, data.notes.out_of_order, data.notes.single_event_users), (3, 1, 1));
    assert!(!data.repeats);
    assert_eq!(load_seconds(&folder.path().join("ratings.dat")).events, data.events);
}

#[test]
fn recbole_with_sequences_and_without_items() {
    let inter = b"item_id:token\tuser_id:token\ttimestamp:float\na\tx\t1.5\nb\tx\t2\n";
    let items = b"item_id:token\tname:token_seq\tgenre:token_seq\na\tSome \"name\tDrama War\nb\tOther\t\n";
    let with = folder(&[("set.inter", inter), ("set.item", items)]);
    let data = load_seconds(with.path());
    assert_eq!(told(&data).0, ["x: a@1500 b@2000"]);
    assert_eq!(told(&data).1, ["a: Drama War", "b: unknown"]);
    assert_eq!(data.notes.items_without_category, 1);
    let without = folder(&[("set.inter", inter)]);
    let data = load_seconds(&without.path().join("set.inter"));
    assert_eq!(data.name, "set");
    assert_eq!(told(&data).1, ["a: unknown", "b: unknown"]);
}

#[test]
fn taobao_keeps_repeats() {
    let rows = b"1,10,7,pv,100\n1,10,7,pv,101\n1,10,7,buy,101\n2,11,8,cart,99\n";
    let data = load_seconds(folder(&[("UserBehavior.csv", rows)]).path());
    assert_eq!(told(&data).0, ["1: 10@100000 10@101000 10@101000", "2: 11@99000"]);
    assert_eq!(told(&data).1, ["10: 7", "11: 8"]);
    assert!(data.repeats);
    assert_eq!(data.notes.duplicates, 0, "viewing and buying in one second are two events");
}

#[test]
fn an_items_categories_are_those_of_its_events_before_those_of_a_list() {
    let inter = b"user_id:token\titem_id:token\ttimestamp:float\tcategory:token\nx\ta\t1500000000\tDrama\nx\tb\t1500000001\t\nx\ta\t1500000002\tWar\n";
    let many: String = (0..9).map(|at| format!("b\tc{at}\n")).collect();
    let item = format!("item_id:token\tgenre:token\na\tComedy\n{many}");
    let data = load(folder(&[("set.inter", inter), ("set.item", item.as_bytes())]).path());
    assert_eq!(told(&data).1, ["a: Drama War", "b: c0 c1 c2 c3 c4 c5 c6 c7"]);
}

#[test]
fn csv_by_usual_names() {
    let rows = "\u{feff}user_id,price,item_id,timestamp,category\nu,1,\"i,1\",1500000000,\"a|b\"\nu,2,j,1500000000.123,\n";
    let data = load(folder(&[("shop.csv", rows.as_bytes())]).path());
    assert_eq!(told(&data).0, ["u: i,1@1500000000000 j@1500000000123"]);
    assert_eq!(told(&data).1, ["i,1: a b", "j: unknown"]);
}

#[test]
fn csv_by_given_names() {
    let rows = b"who,what,when,kind,sort\n1,2,3,k,s\n1,3,4,s,k\n";
    let folder = folder(&[("any.csv", rows)]);
    let columns = Options {
        user_column: Some("who".to_owned()),
        item_column: Some("what".to_owned()),
        time_column: Some("when".to_owned()),
        category_columns: vec!["sort".to_owned(), "kind".to_owned()],
        ..seconds()
    };
    let data = Dataset::load(folder.path(), Format::Csv, &columns).unwrap();
    assert_eq!(told(&data).1, ["2: s k", "3: k s"]);
}

#[test]
fn events_of_one_time_stay_in_file_order() {
    let rows = b"user,item,ts\n1,c,5\n1,a,5\n1,z,4\n1,b,5\n";
    let data = load_seconds(folder(&[("x.csv", rows)]).path());
    assert_eq!(told(&data).0, ["1: z@4000 c@5000 a@5000 b@5000"]);
    assert_eq!(data.notes.out_of_order, 1);
}
