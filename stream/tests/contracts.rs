//! docs/contracts.md names every field of every topic, and none that is not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hmisr_stream::contract::{
    DeadLetter, Diversity, Event, FeatureRecord, Id, PartitionOwner, Reason, SnapshotAnnouncement, topic,
};
use hmisr_stream::kafka::standard_topics;
use hmisr_stream::{Header, Record};
use serde_json::{Value, to_value};

fn file(path: &str) -> String {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// A table: its columns' names, and its rows by them, without the back quotes of code.
type Table = Vec<BTreeMap<String, String>>;

/// Sections by their heading, with the tables of each.
fn sections() -> BTreeMap<String, Vec<Table>> {
    let mut sections: BTreeMap<String, Vec<Table>> = BTreeMap::new();
    let (mut heading, mut columns) = (String::new(), Vec::<String>::new());
    for line in file("docs/contracts.md").lines() {
        if let Some(text) = line.strip_prefix('#') {
            heading = text.trim_matches(['#', ' ']).replace('`', "");
        }
        let Some(row) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            columns.clear();
            continue;
        };
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let tables = sections.entry(heading.clone()).or_default();
        if columns.is_empty() {
            columns = cells;
            tables.push(Table::new());
        } else if !cells[0].starts_with("---") {
            assert_eq!(cells.len(), columns.len(), "{line}");
            tables.last_mut().unwrap().push(columns.iter().cloned().zip(cells).collect());
        }
    }
    sections
}

fn column(table: &Table, name: &str) -> Vec<String> {
    table.iter().map(|row| row[name].clone()).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The fields of a JSON object, and whether each is of the type that its row says.
fn assert_documented(table: &Table, example: &Value) {
    let example = example.as_object().unwrap();
    assert_eq!(sorted(column(table, "field")), example.keys().cloned().collect::<Vec<_>>());
    for row in table {
        let value = &example[&row["field"]];
        let fits = match row["type"].as_str() {
            "id" => value.is_u64() || value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "bool" => value.is_boolean(),
            "list of ids" => value.is_array(),
            "object" | "diversity" => value.is_object(),
            other => panic!("what is a {other}?"),
        };
        assert!(fits, "{}: {value} is no {}", row["field"], row["type"]);
    }
}

#[test]
fn json_records_have_the_fields_that_are_documented() {
    let sections = sections();
    let (user, item, category) = (Id::from(1), Id::parse("sku").unwrap(), Id::from(3));
    let event = Event {
        user_id: user.clone(),
        item_id: item.clone(),
        category: category.clone(),
        categories: vec![category.clone()],
        action: "click".into(),
        ts: 1,
        weight: Some(1.5),
        request_id: Some("r".into()),
        event_id: Some("e".into()),
        is_tail: Some(true),
    };
    assert_documented(&sections[topic::EVENTS][0], &to_value(&event).unwrap());

    let diversity = Diversity { events: 1, entropy: 0.1, evenness: 0.2, switch_rate: 0.3, tail_ratio: 0.4 };
    let features = FeatureRecord {
        user_id: user,
        item_id: item,
        category,
        tail: true,
        ts: 1,
        partition: 2,
        offset: 3,
        lifetime: diversity,
        window: diversity,
        recent_diversity: 0.5,
    };
    let features = to_value(&features).unwrap();
    assert_documented(&sections[topic::USER_FEATURES][0], &features);
    assert_documented(&sections[topic::USER_FEATURES][1], &features["window"]);

    let announcement = SnapshotAnnouncement {
        version: 1,
        created_ms: 2,
        step: 3,
        path: "v00000001".into(),
        offsets: [(0, 4)].into(),
    };
    assert_documented(&sections[topic::SNAPSHOTS][0], &to_value(&announcement).unwrap());

    let owner = PartitionOwner { partition: 1, partitions: 2, url: Some("http://a".into()), generation: 3 };
    assert_documented(&sections[topic::STATE_OWNERS][0], &to_value(&owner).unwrap());
}

#[test]
fn what_is_documented_as_needed_is_needed() {
    let table = &sections()[topic::EVENTS][0];
    let full = serde_json::json!({
        "user_id": 1, "item_id": 2, "category": 3, "categories": [3], "action": "a", "ts": 4,
        "weight": 1.0, "is_tail": true, "request_id": "r", "event_id": "e"
    });
    for row in table {
        let mut event = full.clone();
        event.as_object_mut().unwrap().remove(&row["field"]);
        let read = Event::decode(event.to_string().as_bytes());
        assert_eq!(read.is_err(), row["when absent"] == "dead letter", "{}", row["field"]);
    }
}

/// The fields of a Protobuf message, as its Rust type declares them: name and tag.
fn declared(source: &str, message: &str) -> Vec<(String, String)> {
    let begin = source.find(&format!("\nstruct {message} {{")).unwrap() + 1;
    let body = &source[begin..begin + source[begin..].find("\n}").unwrap()];
    let mut fields = Vec::new();
    let mut tag = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(rest) = line.split("tag = \"").nth(1) {
            tag = rest.split('"').next().unwrap().to_owned();
        } else if let Some(rest) = Some(line).filter(|_| line.ends_with(',') && !line.starts_with("//")) {
            fields.push((rest.split(':').next().unwrap().to_owned(), tag.clone()));
        }
    }
    fields
}

#[test]
fn messages_have_the_fields_and_tags_that_are_documented() {
    let source = file("stream/src/contract/example.rs");
    let tables = &sections()[topic::TRAINING_EXAMPLES];
    for (table, message) in tables.iter().zip(["WireExample", "WireId", "FeatureVector"]) {
        let documented: Vec<(String, String)> =
            column(table, "field").into_iter().zip(column(table, "tag")).collect();
        let declared = declared(&source, message);
        assert!(declared.len() > 1, "{message}: {declared:?}");
        assert_eq!(documented, declared, "{message}");
        // The schema in the type's documentation says the same.
        for row in table {
            let field = format!("{} {} = {};", row["type"], row["field"], row["tag"]);
            assert!(source.contains(&field), "{message}: {field}");
        }
    }
    assert_eq!(tables.len(), 3);
}

#[test]
fn dead_letters_have_the_headers_and_reasons_that_are_documented() {
    let sections = sections();
    let [headers, reasons] = &sections[topic::DEAD_LETTERS][..] else { panic!("two tables") };
    let record = Record {
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        key: Some(vec![b'k'; 2_000]),
        payload: Some(vec![b'p'; 1_000_000]),
        headers: vec![Header::new("large", vec![b'h'; 100_000])],
    };
    let letter = DeadLetter { record: &record, topic: "events", reason: Reason::TooLarge, message: "long" };
    let written = letter.outgoing(topic::DEAD_LETTERS, 1).headers;
    let written: Vec<String> = written.iter().map(|header| header.name.clone()).collect();
    assert_eq!(column(headers, "header"), written);
    let expected = Reason::ALL.map(|reason| reason.as_str().to_owned());
    assert_eq!(column(reasons, "reason"), expected);
}

#[test]
fn topics_are_made_as_documented() {
    let sections = sections();
    let table = &sections["Topics"][0];
    let standard = standard_topics(7);
    assert_eq!(column(table, "topic"), standard.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>());
    for (row, mut spec) in table.iter().zip(standard) {
        let partitions =
            if spec.partitions == 7 { "topics.partitions".to_owned() } else { spec.partitions.to_string() };
        assert_eq!(row["partitions"], partitions, "{}", spec.name);
        assert_eq!(
            Some(row["cleanup.policy"].clone()),
            spec.configs.remove("cleanup.policy"),
            "{}",
            spec.name
        );
        let rest: BTreeSet<String> =
            spec.configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let documented: BTreeSet<String> =
            row["made with"].split(", ").filter(|text| !text.is_empty()).map(str::to_owned).collect();
        assert_eq!(documented, rest, "{}", spec.name);
    }
}
