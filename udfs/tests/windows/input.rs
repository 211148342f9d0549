//! Events, and the rows in which the sources of `sql/` show them.

use hmisr_features::{Id, id63};
use serde_json::{Map, Value, json};

/// An event with its tail mark.
#[derive(Debug, Clone)]
pub struct Visit {
    pub user: Id,
    pub item: Id,
    pub category: Id,
    pub tail: Option<bool>,
    pub ts: i64,
    pub partition: i64,
    pub offset: i64,
}

impl Visit {
    /// The integer for which the category stands in the UDAF's column.
    pub fn category63(&self) -> i64 {
        id63(&self.category.to_string())
    }
}

/// The feature records of the checked-in events.
pub fn golden() -> Vec<Visit> {
    let lines = include_str!("../../../features/tests/golden/features-a.jsonl").lines();
    let records = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let visits: Vec<Visit> =
        records.filter(|record| record.get("dead_letter").is_none()).map(visit).collect();
    assert!(visits.len() > 100);
    visits
}

fn visit(record: Value) -> Visit {
    let id = |field: &str| serde_json::from_value(record[field].clone()).unwrap();
    Visit {
        user: id("user_id"),
        item: id("item_id"),
        category: id("category"),
        tail: record["tail"].as_bool(),
        ts: record["ts"].as_i64().unwrap(),
        partition: record["partition"].as_i64().unwrap(),
        offset: record["offset"].as_i64().unwrap(),
    }
}

/// `count` events within `span_ms` after 2024-01-01, whose times go back and forth, with ids of all kinds.
pub fn random(seed: u64, count: usize, span_ms: i64) -> Vec<Visit> {
    println!("seed {seed}");
    let mut state = seed;
    let mut next = move |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % below
    };
    let id = |what: &str, number: i64| match number % 3 {
        0 => Id::from(number as u32),
        1 => Id::text(&number.to_string()).unwrap(),
        _ => Id::text(&format!("{what} \"{number}\"")).unwrap(),
    };
    let event = |offset| Visit {
        user: id("user", next(9)),
        item: id("item", next(50)),
        category: id("category", next(7)),
        tail: Some(next(4) == 0),
        ts: 1_704_067_200_000 + span_ms * offset / count as i64 + next(600_000),
        partition: next(1),
        offset,
    };
    (0..count as i64).map(event).collect()
}

/// What Arroyo gives for a column of type JSON: the quotes of a string stay, its escapes do not.
fn json_column(id: &Id) -> Value {
    match (id.as_int(), id.is_quoted_int()) {
        (Some(value), false) => json!(value.to_string()),
        _ => json!(format!("\"{id}\"")),
    }
}

fn row(visit: &Visit) -> Map<String, Value> {
    let row = json!({
        "user_id": json_column(&visit.user),
        "item_id": json_column(&visit.item),
        "category": json_column(&visit.category),
        "tail": visit.tail,
        "is_tail": visit.tail,
        "action": "click",
        "ts": visit.ts,
        "record_ts": visit.ts + 5_000,
        "partition": visit.partition,
        "offset": visit.offset,
    });
    row.as_object().unwrap().clone()
}

/// Every seventh event twice, as after a restart, and the order lost.
pub fn repeated(visits: Vec<Visit>) -> Vec<Visit> {
    let again: Vec<Visit> = visits.iter().step_by(7).cloned().collect();
    visits.into_iter().rev().chain(again).collect()
}

/// Rows of `user_features`.
pub fn rows(visits: &[Visit]) -> Vec<Map<String, Value>> {
    visits.iter().map(row).collect()
}

/// Every other event without a mark.
pub fn half_marked(visits: &[Visit]) -> Vec<Visit> {
    let unmarked = |visit: &Visit| if visit.offset % 2 == 0 { None } else { visit.tail };
    visits.iter().map(|visit| Visit { tail: unmarked(visit), ..visit.clone() }).collect()
}

/// Rows of `events`, every other one without a mark, among them some that no engine counts: times
/// that cannot be, actions that are not positive, weights that are negative, and users that are no ids.
pub fn raw(visits: &[Visit]) -> Vec<Map<String, Value>> {
    let mut rows: Vec<_> = half_marked(visits).iter().map(row).collect();
    let with = |field: &str, value: Value| {
        let mut row = row(&visits[0]);
        row.insert(field.to_owned(), value);
        row.insert("offset".to_owned(), json!(1_000_000));
        row
    };
    for ts in [i64::MIN, -1, visits[0].ts / 1_000, visits[0].ts + 7_200_000, 7_258_118_400_000, i64::MAX] {
        rows.push(with("ts", json!(ts)));
    }
    // What was given back, beside what was liked.
    rows.push(with("weight", json!(-1.0)));
    rows.iter_mut().step_by(3).take(9).for_each(|row| drop(row.insert("weight".to_owned(), json!(2.5))));
    let mut without_times = with("ts", json!(i64::MAX));
    without_times.insert("record_ts".to_owned(), json!(i64::MIN));
    rows.extend(["impression", "stare", "Click"].map(|action| with("action", json!(action))));
    rows.extend([without_times, with("user_id", json!("-1")), with("user_id", json!("\"\""))]);
    rows
}
