//! The public data sets, where they are at hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;

use crate::common::{data, open};
use hmisr_feed::Format;
use hmisr_stream::contract::Event;

fn check(name: &str, format: Format, expected: (usize, usize, usize, usize)) {
    let Some(path) = data(name) else { return };
    let mut source = open(&path, format).unwrap();
    let (mut users, mut items) = (BTreeSet::new(), BTreeSet::new());
    let (mut categories, mut count, mut last_ts) = (BTreeSet::new(), 0, 0);
    while let Some(line) = source.next() {
        let event = Event::decode(&line.unwrap().payload).unwrap();
        assert!(event.ts >= last_ts, "{event:?} after {last_ts}");
        last_ts = event.ts;
        count += 1;
        users.insert(event.user_id);
        items.insert(event.item_id);
        categories.insert(event.category);
    }
    assert_eq!(source.total(), Some(count as u64));
    assert_eq!((count, users.len(), items.len(), categories.len()), expected, "{name}");
}

#[test]
fn movielens_1m() {
    check("ml-1m", Format::Movielens, (1_000_209, 6_040, 3_706, 18));
}

#[test]
fn movielens_100k() {
    check("ml-100k", Format::Movielens, (100_000, 943, 1_682, 19));
}

#[test]
fn taobao() {
    check("taobao", Format::Taobao, (84_475, 815, 55_368, 2_914));
}
