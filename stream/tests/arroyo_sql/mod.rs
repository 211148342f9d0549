//! The statements of `sql/` parse, and their columns are those of the messages' Rust types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

mod statements;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hmisr_stream::contract::{CategoryPopularity, Event, FeatureRecord, WindowedFeatures, topic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sqlparser::ast::{Expr, Function, Statement, TableFactor, visit_expressions, visit_relations};
use statements::{Column, Query, Table, parse, queries, table_of, tables};

fn sql() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../sql")
}

fn table(name: &str) -> Table {
    tables(&sql()).into_iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// What a field of a message may be in JSON, found by trying.
struct Field {
    name: String,
    kinds: BTreeSet<&'static str>,
    required: bool,
}

/// The fields of a message, from one of it: serde says what else each field would take.
fn fields<T: Serialize + DeserializeOwned>(example: &Value) -> Vec<Field> {
    let message: T = serde_json::from_value(example.clone()).unwrap();
    let object = serde_json::to_value(&message).unwrap().as_object().unwrap().clone();
    let takes = |object: &Map<String, Value>| serde_json::from_value::<T>(object.clone().into()).is_ok();
    let with = |name: &String, value: Value| {
        let mut object = object.clone();
        object.insert(name.clone(), value);
        takes(&object)
    };
    let tried = [
        ("integer", json!(7)),
        ("number", json!(0.5)),
        ("text", json!("text")),
        ("bool", json!(true)),
        ("object", json!({"events": 1, "entropy": 0, "evenness": 0, "switch_rate": 0, "tail_ratio": 0})),
    ];
    let field = |name: &String| {
        let kinds = tried.iter().filter(|(_, value)| with(name, value.clone())).map(|(kind, _)| *kind);
        let mut without = object.clone();
        without.remove(name);
        Field {
            name: name.clone(),
            kinds: kinds.collect(),
            required: !takes(&without) && !with(name, Value::Null),
        }
    };
    object.keys().map(field).collect()
}

/// The SQL types that hold a field. Ids are numbers or strings: JSON where they are read; where they
/// are written, a string means the same.
fn types(field: &Field, sink: bool) -> &'static [&'static str] {
    match field.kinds.iter().copied().collect::<Vec<_>>().as_slice() {
        ["integer", "text"] if sink => &["TEXT"],
        ["integer", "text"] => &["JSON"],
        ["integer"] if sink && field.name.starts_with("window_") => &["TIMESTAMP"],
        ["integer"] => &["INT", "BIGINT"],
        ["integer", "number"] => &["DOUBLE"],
        ["text"] => &["TEXT"],
        ["bool"] => &["BOOLEAN"],
        other => panic!("{} may be {other:?}: no column type is known", field.name),
    }
}

fn written(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| column.metadata.is_none() && column.generated.is_none())
}

/// What is wrong with a column, if anything is.
fn check(table: &Table, column: &Column, fields: &[Field], sink: bool) -> Result<(), String> {
    let place = format!("{}.{}", table.name, column.name);
    let Some(field) = fields.iter().find(|field| field.name == column.name) else {
        return Err(format!("{place}: the message has no such field"));
    };
    let types = types(field, sink);
    if !types.contains(&column.data_type.as_str()) {
        return Err(format!("{place} is {}, expected one of {types:?}", column.data_type));
    }
    if !sink && column.not_null != field.required {
        return Err(format!("{place}: NOT NULL is {}, expected {}", column.not_null, field.required));
    }
    Ok(())
}

/// A source's columns are fields of its message; it need not read all.
fn assert_source<T: Serialize + DeserializeOwned>(name: &str, topic: &str, example: &Value) {
    let table = table(name);
    let fields = fields::<T>(example);
    for column in written(&table) {
        check(&table, column, &fields, false).unwrap();
    }
    assert_eq!(table.options["type"], "source");
    assert_eq!(table.options["topic"], topic);
    assert_eq!(table.options["source.read_mode"], "read_committed");
    assert_eq!(table.watermark.as_ref().map(|(column, _)| column.as_str()), Some("event_time"));
}

/// A sink's columns are its message's fields, all of them.
fn assert_sink<T: Serialize + DeserializeOwned>(name: &str, key: &str, example: &Value) {
    let table = table(name);
    let fields = fields::<T>(example);
    for column in &table.columns {
        check(&table, column, &fields, true).unwrap();
    }
    let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, fields.iter().map(|field| field.name.as_str()).collect());
    assert_eq!(table.options["type"], "sink");
    assert_eq!(table.options["topic"], name.replace('_', "-"));
    assert_eq!(table.options["sink.commit_mode"], "at_least_once");
    assert_eq!(table.options["sink.key_field"], key);
    assert_eq!(table.options["client_configs"], "partitioner=murmur2_random");
    assert_eq!(table.options["json.timestamp_format"], "unix_millis");
    // Arroyo refuses another type for a key.
    assert!(table.columns.iter().any(|column| column.name == key && column.data_type == "TEXT"));
}

fn windowed() -> Value {
    json!({
        "user_id": "7", "window_start": 0, "window_end": 1, "records": 1, "events": 1, "entropy": 0.5,
        "evenness": 0.5, "switch_rate": 0.5, "tail_ratio": 0.5, "recent_diversity": 0.5,
    })
}

fn feature_record() -> Value {
    json!({
        "user_id": 1, "item_id": 1, "category": 1, "tail": true, "ts": 1, "partition": 0, "offset": 0,
        "lifetime": diversity(), "window": diversity(), "recent_diversity": 0.5,
    })
}

fn diversity() -> Value {
    json!({"events": 1, "entropy": 0.5, "evenness": 0.5, "switch_rate": 0.5, "tail_ratio": 0.5})
}

#[test]
fn sources_have_the_messages_columns() {
    assert_source::<Event>(
        "events",
        topic::EVENTS,
        &json!({
            "user_id": 1, "item_id": 1, "category": 1, "action": "click", "ts": 1, "weight": 1.5,
            "request_id": "r", "event_id": "e", "is_tail": true,
        }),
    );
    assert_source::<FeatureRecord>("user_features", topic::USER_FEATURES, &feature_record());
}

#[test]
fn sinks_have_the_messages_columns() {
    for name in ["user_features_hourly", "user_features_daily", "user_features_sessions"] {
        assert_sink::<WindowedFeatures>(name, "user_id", &windowed());
    }
    let popularity = json!({
        "category": "7", "window_start": 0, "window_end": 1, "events": 1, "users": 1, "items": 1,
    });
    assert_sink::<CategoryPopularity>("category_popularity", "category", &popularity);
}

#[test]
fn no_table_is_left_untested() {
    let names: Vec<String> = tables(&sql()).into_iter().map(|table| table.name).collect();
    let tested = [
        "category_popularity",
        "events",
        "user_features",
        "user_features_daily",
        "user_features_hourly",
        "user_features_sessions",
    ];
    assert_eq!(names, tested);
    for table in tables(&sql()) {
        assert_eq!(table.options["bootstrap_servers"], "${BROKERS}", "{}", table.name);
        assert_eq!(
            (table.options["connector"].as_str(), table.options["format"].as_str()),
            ("kafka", "json")
        );
    }
}

#[test]
fn queries_name_what_they_use_and_fill_their_sink() {
    let tables = tables(&sql());
    for query in queries(&sql()) {
        let place = &query.name;
        let sink = tables.iter().find(|table| table.name == query.insert.table_name.to_string()).unwrap();
        let (relations, functions) = used(&query);
        let named: BTreeSet<String> = query.tables.iter().cloned().collect();
        assert_eq!(relations, named, "{place}: '-- tables:'");
        let udfs: BTreeSet<String> = ["diversity", "id63", "id_text"].map(str::to_owned).into();
        let used: BTreeSet<String> = functions.intersection(&udfs).cloned().collect();
        assert_eq!(used, query.udfs.iter().cloned().collect(), "{place}: '-- udfs:'");
        let columns: Vec<&str> = sink.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(projected(&query), columns, "{place}");
    }
}

/// The tables and functions of a query.
fn used(query: &Query) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut relations, mut functions) = (BTreeSet::new(), BTreeSet::new());
    let statement = Statement::Insert(query.insert.clone());
    let _ = visit_relations(&statement, |relation| {
        relations.insert(relation.to_string());
        std::ops::ControlFlow::<()>::Continue(())
    });
    relations.insert(query.insert.table_name.to_string());
    let _ = visit_expressions(&statement, |expression| {
        if let Expr::Function(Function { name, .. }) = expression {
            functions.insert(name.to_string());
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    (relations, functions)
}

/// The names of a query's columns.
fn projected(query: &Query) -> Vec<String> {
    let source = query.insert.source.as_ref().unwrap();
    let select = source.body.as_select().unwrap();
    assert!(matches!(select.from[0].relation, TableFactor::Derived { .. }));
    let name = |item: &sqlparser::ast::SelectItem| match item {
        sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
        sqlparser::ast::SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.value.clone(),
        other => panic!("{other} has no name"),
    };
    select.projection.iter().map(name).collect()
}

#[test]
fn arroyos_own_clauses_are_read() {
    let text = "CREATE TABLE t (a BIGINT NOT NULL METADATA FROM 'offset_id', metadata TEXT,
        WATERMARK FOR b AS f(a, (b)) - INTERVAL '1 second', PRIMARY KEY (a)) WITH (connector = 'kafka')";
    let read = parse(text).unwrap().to_string();
    let expected = "CREATE TABLE t (a BIGINT NOT NULL DEFAULT 'offset_id', metadata TEXT, \
        CONSTRAINT watermark_for_b CHECK (f(a, (b)) - INTERVAL '1 second'), PRIMARY KEY (a)) \
        WITH (connector = 'kafka')";
    assert_eq!(read, expected);
    let ends_with_the_list = "CREATE TABLE t (WATERMARK FOR b AS (b)) WITH (connector = 'kafka')";
    assert!(parse(ends_with_the_list).unwrap().to_string().contains("CHECK ((b))) WITH"));
}

#[test]
fn what_is_wrong_is_refused() {
    for (wrong, said) in [
        ("CREATE TABLE t (a BIGINT NOT NULL METADATA 'key')", "METADATA"),
        ("CREATE TABLE t (WATERMARK FOR 'x' AS a)", "no column stands after WATERMARK FOR"),
        ("CREATE TABLE t (WATERMARK FOR x)", "no AS"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("INSERT INTO t SELECT FROM FROM t", "FROM"),
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn a_column_that_differs_is_named() {
    let fields = fields::<FeatureRecord>(&feature_record());
    let checked = |columns: &str| {
        let Statement::CreateTable(create) = parse(&format!("CREATE TABLE t ({columns})")).unwrap() else {
            panic!("{columns}")
        };
        let table = table_of(create);
        check(&table, &table.columns[0], &fields, false)
    };
    assert_eq!(checked("user_id JSON NOT NULL"), Ok(()));
    for (column, said) in [
        ("user JSON NOT NULL", "t.user: the message has no such field"),
        ("user_id BIGINT NOT NULL", "t.user_id is BIGINT, expected one of [\"JSON\"]"),
        ("ts DOUBLE NOT NULL", "t.ts is DOUBLE, expected one of [\"INT\", \"BIGINT\"]"),
        ("tail BOOLEAN", "t.tail: NOT NULL is false, expected true"),
    ] {
        assert_eq!(checked(column).unwrap_err(), said);
    }
}
