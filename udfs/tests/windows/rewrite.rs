//! Says a query of `sql/` in words of DataFusion, which has no windows of event time.
//!
//! One rule each, on the select that groups by a window:
//!
//! * `hop(slide, width)`: each row stands in width / slide windows, the latest of which begins at
//!   `date_bin(slide, event_time)`; the row is repeated for each. `tumble(width)` is `hop(width, width)`.
//! * `session(gap)`: a row begins a session where it comes the gap or more after the row before it of the
//!   same keys; a running sum of such rows numbers the sessions.
//!
//! The window becomes a struct of `start` and `end`, as in Arroyo. Columns that Arroyo generates while
//! it reads a table are computed by a select in the table's place.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, Value,
};

use crate::statements::{Table, parse};

const EPOCH: &str = "CAST(CAST(0 AS TIMESTAMP(3)) AS TIMESTAMP)";

/// The select of an INSERT, over the tables' written columns.
pub fn for_datafusion(query: &Query, tables: &[Table]) -> String {
    let mut query = query.clone();
    rewrite(&mut query, tables);
    query.to_string()
}

fn rewrite(query: &mut Query, tables: &[Table]) {
    let SetExpr::Select(select) = query.body.as_mut() else { panic!("{query} is no select") };
    for from in &mut select.from {
        match &mut from.relation {
            TableFactor::Derived { subquery, .. } => rewrite(subquery, tables),
            TableFactor::Table { name, .. } => {
                let name = name.to_string();
                let table = tables.iter().find(|table| table.name == name).unwrap();
                from.relation = relation(&format!("({}) AS {name}", generated(table)));
            }
            other => panic!("{other} is not expected"),
        }
    }
    if let Some((at, kind, lengths)) = window(select) {
        let rows = select.from[0].relation.to_string();
        let (rows, end) = match (kind.as_str(), lengths.as_slice()) {
            ("tumble", [width]) => (hops(&rows, width, width), format!("window_start + {width}")),
            ("hop", [slide, width]) => (hops(&rows, slide, width), format!("window_start + {width}")),
            ("session", [gap]) => (sessions(&rows, &keys(select, at), gap), format!("window_last + {gap}")),
            other => panic!("{other:?} is no window"),
        };
        select.from[0].relation = relation(&format!("({rows}) AS rows"));
        let window = format!("named_struct('start', window_start, 'end', {end})");
        select.projection[at] = item(&format!("{window} AS window"));
    }
}

/// A table with its generated columns.
fn generated(table: &Table) -> String {
    let columns = table.columns.iter().filter_map(|column| Some((&column.name, column.generated.as_ref()?)));
    let columns: String = columns.map(|(name, expression)| format!(", {expression} AS {name}")).collect();
    format!("SELECT *{columns} FROM {}", table.name)
}

/// Each row once for each window that it stands in, with the window's start.
fn hops(rows: &str, slide: &Expr, width: &Expr) -> String {
    let (slide_s, width_s) = (seconds(slide), seconds(width));
    assert!(width_s % slide_s == 0, "{width} is no multiple of {slide}");
    let back: Vec<String> =
        (0..width_s / slide_s).map(|step| format!("(INTERVAL '{} seconds')", step * slide_s)).collect();
    format!(
        "SELECT *, date_bin({slide}, event_time, {EPOCH}) - back AS window_start \
         FROM {rows} CROSS JOIN (VALUES {}) AS steps (back)",
        back.join(", ")
    )
}

/// Each row with its session's first and last event time.
fn sessions(rows: &str, keys: &str, gap: &Expr) -> String {
    let before = format!("lag(event_time) OVER (PARTITION BY {keys} ORDER BY event_time)");
    let numbered = format!(
        "SELECT *, sum(begins) OVER (PARTITION BY {keys} ORDER BY event_time) AS session FROM \
         (SELECT *, CASE WHEN event_time < {before} + {gap} THEN 0 ELSE 1 END AS begins FROM {rows}) AS begun"
    );
    let bound = |of: &str| format!("{of}(event_time) OVER (PARTITION BY {keys}, session)");
    format!(
        "SELECT *, {} AS window_start, {} AS window_last FROM ({numbered}) AS numbered",
        bound("min"),
        bound("max")
    )
}

/// The place, kind and lengths of a select's window.
fn window(select: &Select) -> Option<(usize, String, Vec<Expr>)> {
    select.projection.iter().enumerate().find_map(|(at, item)| {
        let SelectItem::ExprWithAlias { expr: Expr::Function(function), alias } = item else { return None };
        if alias.value != "window" {
            return None;
        }
        let FunctionArguments::List(list) = &function.args else { return None };
        let length = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(length)) => length.clone(),
            other => panic!("{other} is no length"),
        };
        Some((at, function.name.to_string(), list.args.iter().map(length).collect()))
    })
}

/// What a select groups by besides its window, which stands at `window`; it groups by places.
fn keys(select: &Select, window: usize) -> String {
    let GroupByExpr::Expressions(places, _) = &select.group_by else { panic!("no GROUP BY") };
    let keys = places.iter().map(|place| match place {
        Expr::Value(Value::Number(place, _)) => place.parse::<usize>().unwrap() - 1,
        other => panic!("GROUP BY {other}: a place is expected"),
    });
    let keys: Vec<String> =
        keys.filter(|&at| at != window).map(|at| select.projection[at].to_string()).collect();
    keys.join(", ")
}

fn seconds(interval: &Expr) -> u64 {
    let Expr::Interval(interval) = interval else { panic!("{interval} is no interval") };
    let text = interval.value.to_string();
    let (count, unit) = text.trim_matches('\'').split_once(' ').unwrap();
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        other => panic!("{other} is no unit"),
    };
    count.parse::<u64>().unwrap() * unit
}

fn select(text: &str) -> Select {
    let Statement::Query(query) = parse(text).unwrap_or_else(|error| panic!("{text}: {error}")) else {
        panic!("{text} is no query")
    };
    let SetExpr::Select(select) = *query.body else { panic!("{text} is no select") };
    *select
}

fn relation(text: &str) -> TableFactor {
    select(&format!("SELECT * FROM {text}")).from.remove(0).relation
}

fn item(text: &str) -> SelectItem {
    select(&format!("SELECT {text}")).projection.remove(0)
}
