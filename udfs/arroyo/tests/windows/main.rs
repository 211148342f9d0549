//! The queries of `sql/`, run by DataFusion over bounded tables with the UDFs called through their built
//! libraries, give the windows and features that are computed here from the definition.
//!
//! `scripts/setup --tests` installs DataFusion for Python; where it cannot be had, this says so and
//! tests the rewriting alone.

#[path = "../../../../stream/tests/arroyo_sql/statements.rs"]
mod statements;
#[path = "../support/mod.rs"]
mod support;

mod expected;
mod input;
mod rewrite;

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hmisr_arroyo_udfs::Edition;
use serde_json::{Map, Value, json};
use statements::{parse, queries, tables};
use support::{TEXTS, built, text};

const HOUR_MS: i64 = 3_600_000;

fn sql() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql")
}

/// The Python that has DataFusion, where there is one.
fn python() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    let python = cache.join("hmisr/datafusion/bin/python");
    if python.exists() {
        return Some(python);
    }
    eprintln!(
        "\n*** SKIPPED: {} is not there, so nothing checks what the SQL of sql/ means. Run scripts/setup --tests.\n",
        python.display()
    );
    None
}

/// The rows of a query over a table, by key and window.
fn run(python: &Path, query: &str, source: &str, rows: &[Map<String, Value>]) -> Rows {
    let tables = tables(&sql());
    let query = queries(&sql()).into_iter().find(|known| known.name == query).unwrap();
    let table = tables.iter().find(|table| table.name == source).unwrap();
    let columns: Vec<_> = table.columns.iter().filter(|column| column.generated.is_none()).collect();
    let values = |row: &Map<String, Value>| -> Vec<Value> {
        columns.iter().map(|column| row.get(&column.name).cloned().unwrap_or(Value::Null)).collect()
    };
    let types: Vec<_> = columns.iter().map(|column| (&column.name, &column.data_type)).collect();
    let libraries = TEXTS.map(|name| (name.to_owned(), json!(built(&text(name), Edition::E2021).unwrap())));
    let job = json!({
        "libraries": Map::from_iter(libraries),
        "tables": {source: {"columns": types, "rows": rows.iter().map(values).collect::<Vec<_>>()}},
        "query": rewrite::for_datafusion(query.insert.source.as_ref().unwrap(), &tables),
    });
    let mut child = Command::new(python)
        .arg(sql().join("check/run.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: run.py failed, see above", query.name);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows = Rows::new();
    for row in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let key = row.get("user_id").or_else(|| row.get("category")).unwrap().as_str().unwrap().to_owned();
        let window = |field: &str| row[field].as_i64().unwrap();
        let key = (key, window("window_start"), window("window_end"));
        assert!(rows.insert(key.clone(), row).is_none(), "{key:?} twice");
    }
    rows
}

type Rows = BTreeMap<(String, i64, i64), Value>;

fn assert_same(given: &Rows, expected: &Rows) {
    assert_eq!(given.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, expected) in expected {
        for (field, expected) in expected.as_object().unwrap() {
            let given = &given[key][field];
            let close = match (given.as_f64(), expected.as_f64()) {
                (Some(given), Some(expected)) => (given - expected).abs() < 1e-9,
                _ => given == expected,
            };
            assert!(close, "{key:?}, {field}: {given}, expected {expected}");
        }
    }
    assert!(!expected.is_empty());
}

#[test]
fn hours() {
    let Some(python) = python() else { return };
    for visits in [input::golden(), input::random(17, 2_000, 5 * 24 * HOUR_MS)] {
        let given = run(&python, "user_features_hourly", "user_features", &input::repeated(&visits));
        assert_same(&given, &expected::hops(&visits, HOUR_MS, HOUR_MS));
    }
}

#[test]
fn days_by_the_minute() {
    let Some(python) = python() else { return };
    let visits = input::random(18, 40, 30 * HOUR_MS);
    let given = run(&python, "user_features_daily", "user_features", &input::repeated(&visits));
    assert_same(&given, &expected::hops(&visits, 60_000, 24 * HOUR_MS));
}

#[test]
fn sessions() {
    let Some(python) = python() else { return };
    for visits in [input::golden(), input::random(19, 1_500, 5 * 24 * HOUR_MS)] {
        let given = run(&python, "user_features_sessions", "user_features", &input::repeated(&visits));
        assert_same(&given, &expected::sessions(&visits, HOUR_MS / 2));
    }
}

#[test]
fn hours_of_raw_events() {
    let Some(python) = python() else { return };
    let visits = input::random(20, 1_000, 24 * HOUR_MS);
    let given = run(&python, "user_features_hourly_raw", "events", &input::raw(&visits));
    assert_same(&given, &expected::hops(&input::half_marked(&visits), HOUR_MS, HOUR_MS));
}

#[test]
fn popularity() {
    let Some(python) = python() else { return };
    let visits = input::random(21, 1_000, 24 * HOUR_MS);
    let given = run(&python, "category_popularity", "events", &input::raw(&visits));
    assert_same(&given, &expected::popularity(&visits, HOUR_MS));
}

#[test]
fn windows_are_said_in_datafusions_words() {
    let rewritten = |window: &str| {
        let text = format!("SELECT k, {window} AS window, count(*) AS n FROM (SELECT 1) AS r GROUP BY 1, 2");
        let sqlparser::ast::Statement::Query(query) = parse(&text).unwrap() else { panic!("{text}") };
        rewrite::for_datafusion(&query, &[])
    };
    assert_eq!(
        rewritten("hop(INTERVAL '1 minute', INTERVAL '2 minutes')"),
        "SELECT k, named_struct('start', window_start, 'end', window_start + INTERVAL '2 minutes') AS window, \
         count(*) AS n FROM (SELECT *, date_bin(INTERVAL '1 minute', event_time, \
         CAST(CAST(0 AS TIMESTAMP(3)) AS TIMESTAMP)) - back AS window_start FROM (SELECT 1) AS r CROSS JOIN \
         (VALUES (INTERVAL '0 seconds'), (INTERVAL '60 seconds')) AS steps (back)) AS rows GROUP BY 1, 2"
    );
    assert_eq!(
        rewritten("tumble(INTERVAL '1 hour')").replace("'1 hour'", "'h'"),
        rewritten("hop(INTERVAL '1 hour', INTERVAL '1 hour')").replace("'1 hour'", "'h'")
    );
    let session = rewritten("session(INTERVAL '30 minutes')");
    assert!(session.contains(
        "CASE WHEN event_time < lag(event_time) OVER (PARTITION BY k ORDER BY event_time) + INTERVAL '30 minutes' \
         THEN 0 ELSE 1 END AS begins"
    ));
    assert!(session.contains("'end', window_last + INTERVAL '30 minutes')"));
}
