//! The queries of `sql/`, run by DataFusion over bounded tables with the UDFs called through their built
//! libraries, give the windows and features that are computed here from the definition.
//!
//! `scripts/setup --tests` installs DataFusion for Python; where it cannot be had, this says so and
//! tests the rewriting alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

#[path = "../../../stream/tests/arroyo_sql/statements.rs"]
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
use statements::{Table, parse, queries, tables};
use support::{TEXTS, built, text};

const HOUR_MS: i64 = 3_600_000;

fn sql() -> PathBuf {
    Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../sql")
}

/// The Python that has DataFusion, where there is one.
fn python() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    let python = cache.join("hmisr/datafusion/bin/python");
    if python.exists() {
        return Some(python);
    }
    // Past the harness, which keeps what a test prints.
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED: {} is not there, so nothing checks what the SQL of sql/ means. Run scripts/setup --tests.\n",
        python.display()
    );
    None
}

/// What a query of DataFusion's over one table gives: the columns' types and whether they may be NULL, and rows.
fn run(python: &Path, query: String, source: &Table, rows: &[Map<String, Value>]) -> (Value, Vec<Value>) {
    let columns: Vec<_> = source.columns.iter().filter(|column| column.generated.is_none()).collect();
    let values = |row: &Map<String, Value>| -> Vec<Value> {
        columns.iter().map(|column| row.get(&column.name).cloned().unwrap_or(Value::Null)).collect()
    };
    let fields: Vec<_> =
        columns.iter().map(|column| (&column.name, &column.data_type, column.not_null)).collect();
    let libraries = TEXTS.map(|name| (name.to_owned(), json!(built(&text(name), Edition::E2021).unwrap())));
    let job = json!({
        "libraries": Map::from_iter(libraries),
        "tables": {&source.name: {"columns": fields, "rows": rows.iter().map(values).collect::<Vec<_>>()}},
        "query": query,
    });
    let mut child = Command::new(python)
        .arg(sql().join("check/run.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "run.py failed, see above");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.next().unwrap(), lines.collect())
}

/// The rows of a query of `sql/` over its source, by key and window.
fn windows(python: &Path, query: &str, source: &str, rows: &[Map<String, Value>]) -> Rows {
    let tables = tables(&sql());
    let query = queries(&sql()).into_iter().find(|known| known.name == query).unwrap();
    let source = tables.iter().find(|table| table.name == source).unwrap();
    let query = rewrite::for_datafusion(query.insert.source.as_ref().unwrap(), &tables);
    let mut windows = Rows::new();
    for row in run(python, query, source, rows).1 {
        let key = row.get("user_id").or_else(|| row.get("category")).unwrap().as_str().unwrap().to_owned();
        let bound = |field: &str| row[field].as_i64().unwrap();
        let key = (key, bound("window_start"), bound("window_end"));
        assert!(windows.insert(key.clone(), row).is_none(), "{key:?} twice");
    }
    windows
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
    for visits in [input::golden(), input::random(17, 2_000, 5 * 24 * HOUR_MS)].map(input::repeated) {
        let given = windows(&python, "user_features_hourly", "user_features", &input::rows(&visits));
        assert_same(&given, &expected::hops(&visits, HOUR_MS, HOUR_MS));
    }
}

#[test]
fn days_by_the_minute() {
    let Some(python) = python() else { return };
    let visits = input::repeated(input::random(18, 40, 30 * HOUR_MS));
    let given = windows(&python, "user_features_daily", "user_features", &input::rows(&visits));
    assert_same(&given, &expected::hops(&visits, 60_000, 24 * HOUR_MS));
}

#[test]
fn sessions() {
    let Some(python) = python() else { return };
    for visits in [input::golden(), input::random(19, 1_500, 5 * 24 * HOUR_MS)].map(input::repeated) {
        let given = windows(&python, "user_features_sessions", "user_features", &input::rows(&visits));
        assert_same(&given, &expected::sessions(&visits, HOUR_MS / 2));
    }
}

#[test]
fn hours_of_raw_events() {
    let Some(python) = python() else { return };
    let visits = input::random(20, 1_000, 24 * HOUR_MS);
    let given = windows(&python, "user_features_hourly_raw", "events", &input::raw(&visits));
    assert_same(&given, &expected::hops(&input::half_marked(&visits), HOUR_MS, HOUR_MS));
}

#[test]
fn popularity() {
    let Some(python) = python() else { return };
    let visits = input::random(21, 1_000, 24 * HOUR_MS);
    let given = windows(&python, "category_popularity", "events", &input::raw(&visits));
    assert_same(&given, &expected::popularity(&visits, HOUR_MS));
}

/// Arroyo refuses a watermark that may be NULL, and one before 1970 stops it.
#[test]
fn watermarks_hold_whatever_times_come() {
    let Some(python) = python() else { return };
    const MAX_TS: i64 = 7_258_118_399_999;
    let absurd = [i64::MIN, -1, 0, 1, 59_999, 60_000, 1_704_067_200_000, MAX_TS, MAX_TS + 1, i64::MAX];
    let row = input::rows(&input::random(22, 1, 1)).remove(0);
    let times = |ts: i64, record_ts: i64| {
        let mut row = row.clone();
        row.extend([("ts".to_owned(), json!(ts)), ("record_ts".to_owned(), json!(record_ts))]);
        row
    };
    let raw: Vec<_> = absurd.iter().flat_map(|&ts| absurd.map(|record_ts| times(ts, record_ts))).collect();
    // What the job writes has been through its checks.
    let checked: Vec<_> =
        absurd.iter().filter(|ts| (0..=MAX_TS).contains(*ts)).map(|&ts| times(ts, 0)).collect();
    for (name, rows) in [("events", raw), ("user_features", checked)] {
        let tables = tables(&sql());
        let table = tables.iter().find(|table| table.name == name).unwrap();
        let (column, watermark) = table.watermark.as_ref().unwrap();
        let generated = table.columns.iter().find(|known| known.name == *column).unwrap().generated.as_ref();
        let query =
            format!("SELECT {watermark} AS watermark, {} AS event_time FROM {name}", generated.unwrap());
        let (columns, given) = run(&python, query, table, &rows);
        assert_eq!(columns["watermark"], json!(["timestamp[ns]", false]), "{name}");
        assert_eq!(columns["event_time"][0], json!("timestamp[ns]"), "{name}");
        assert_eq!(given.len(), rows.len());
        for row in given {
            let (watermark, event_time) =
                (row["watermark"].as_i64().unwrap(), row["event_time"].as_i64().unwrap());
            assert!((0..=MAX_TS).contains(&event_time), "{name}: {row}");
            assert_eq!(watermark, (event_time - 60_000).max(0), "{name}: {row}");
        }
    }
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
