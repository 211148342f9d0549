//! Any table: its delimiter, its header and its columns are told by its first rows, or are given.

use std::path::{Path, PathBuf};

use super::{
    Columns, Files, Layout, Roles, Shape, amazon, checkins, lastfm, movielens, plain, purchases, sessions,
    untyped,
};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::text::{Delimiter, Head};
use crate::values::epoch_ms;

const ENDINGS: [&str; 4] = [".csv", ".tsv", ".txt", ".dat"];

/// The one table of a path; none where there is none. `is_named`: whether it is said to be a table.
pub(super) fn find(files: &Files, options: &Options, is_named: bool) -> Result<Option<Layout>> {
    let file = match files.file() {
        Some(file) => file.to_owned(),
        None => match one(files)? {
            Some(file) => file,
            None => return Ok(None),
        },
    };
    of(&file, options, is_named).map(Some)
}

/// The only file of the first ending that a file has.
fn one(files: &Files) -> Result<Option<PathBuf>> {
    for ending in ENDINGS {
        if let Some(file) = files.only(|name| name.ends_with(ending) && !name.starts_with("readme"))? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn of(file: &Path, options: &Options, is_named: bool) -> Result<Layout> {
    let head = Head::read(file)?;
    if head.is_empty() {
        return Err(Error::Empty { path: file.to_owned() });
    }
    head.refuse_one_json()?;
    if head.is_json_lines() && !is_named {
        return Ok(super::json::of(&head, vec![file.to_owned()]));
    }
    if head.is_json_lines() {
        let problem = "JSON lines, where a table of columns is expected";
        return Err(Error::unclear(file, problem, "read it with --format jsonl, or leave --format out"));
    }
    let given = given(options);
    let known = |names: &[String]| {
        let named =
            |name: &String| given.iter().any(|given| untyped(name) == *given || plain(name) == plain(given));
        Roles::known(names) + names.iter().filter(|name| named(name)).count()
    };
    let Some(delimiter) = options.delimiter.map_or_else(|| head.delimiter(known), |given| Ok(Some(given)))?
    else {
        let first = head.rows(Delimiter::COMMA, true)?.into_iter().next().unwrap_or_default().join(",");
        let problem = format!("nothing that stands between columns was recognised in {:?}", shown(&first));
        return Err(Error::unclear(file, problem, "say what it is with --delimiter, such as ';' or tab"));
    };
    let rows = head.rows(delimiter, true)?;
    let Some(first) = rows.first() else { return Err(Error::Empty { path: file.to_owned() }) };
    let headed = |columns| {
        // A sheet of values between tabs seldom quotes, and a title may begin with a quote.
        let quoting = delimiter != Delimiter::TAB || quoted(&rows);
        Layout::new("table", vec![file.to_owned()], Shape::Table { delimiter, quoting, columns })
    };
    if options.no_header {
        return Ok(headed(Columns::Numbers));
    }
    let is_value = |text: &String| text.parse::<f64>().is_ok() || epoch_ms(text).is_some();
    // One name alone may be an item called `book` in a row of values.
    if known(first) > usize::from(first.iter().any(is_value)) {
        return Ok(headed(Columns::Header));
    }
    if let Some(layout) = headless(file, delimiter, &rows, options)? {
        return Ok(layout);
    }
    if !first.iter().any(is_value) && rows.get(1).is_none_or(|second| second.iter().any(is_value)) {
        return Ok(headed(Columns::Header));
    }
    if [&options.user_column, &options.item_column, &options.time_column].iter().all(|given| given.is_some())
    {
        return Ok(headed(Columns::Numbers));
    }
    let problem = format!(
        "its first line, {:?}, is no header and no layout that is known",
        shown(&first.join(&delimiter.to_string()))
    );
    let remedy = "name the columns by their numbers, as with --no-header --user-column 1 --item-column 2 --time-column 4";
    Err(Error::unclear(file, problem, remedy))
}

/// Layouts without a header that are told by their first rows.
fn headless(
    file: &Path,
    delimiter: Delimiter,
    rows: &[Vec<String>],
    options: &Options,
) -> Result<Option<Layout>> {
    let path = file.to_owned();
    let columns = rows[0].len();
    let most = |is: &dyn Fn(&[String]) -> bool| {
        let fitting = rows.iter().filter(|row| row.len() == columns && is(row)).count();
        fitting * 10 >= rows.len() * 9
    };
    let integer = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let float = |text: &String| text.parse::<f64>().is_ok();
    let stars = |text: &String| matches!(text.as_bytes(), [b'1'..=b'5']);
    let time = |text: &String| epoch_ms(text).is_some();
    Ok(match (delimiter, columns) {
        (Delimiter::COMMA, 5) if most(&|row| ["pv", "buy", "cart", "fav"].contains(&&row[3][..])) => {
            Some(purchases::behaviour(path))
        }
        (Delimiter::COMMA, 4) if most(&|row| integer(&row[0]) && time(&row[1]) && integer(&row[2])) => {
            Some(sessions::clicks(path))
        }
        (Delimiter::COMMA, 4) => amazon::ratings(file, rows, options)?,
        (Delimiter::Colons, 4) if most(&|row| integer(&row[0]) && float(&row[2]) && integer(&row[3])) => {
            Some(movielens::dat(path)?)
        }
        (Delimiter::TAB, 4) if most(&|row| row.iter().all(integer) && stars(&row[2])) => {
            Some(movielens::old(path)?)
        }
        (Delimiter::TAB, 5) if most(&|row| time(&row[1]) && float(&row[2]) && float(&row[3])) => {
            Some(checkins::locations(path))
        }
        (Delimiter::TAB, 6) if most(&|row| time(&row[1])) => Some(lastfm::tracks(path)),
        (Delimiter::TAB, 8) if most(&|row| time(&row[7])) => Some(checkins::venues(path)),
        _ => None,
    })
}

/// Names that the options give.
fn given(options: &Options) -> Vec<&str> {
    let Options {
        user_column, item_column, time_column, category_columns, action_column, weight_column, ..
    } = options;
    [user_column, item_column, time_column, action_column, weight_column]
        .into_iter()
        .flatten()
        .chain(category_columns)
        .map(String::as_str)
        .filter(|given| given.parse::<usize>().is_err())
        .collect()
}

/// Whether columns of the rows stand in quotes.
fn quoted(rows: &[Vec<String>]) -> bool {
    // Cut with quotes, what stood in them has none any more; a stray one would still be there.
    !rows.iter().flatten().any(|column| column.contains('"'))
}

fn shown(line: &str) -> String {
    crate::summary::shown(line.as_bytes())
}
