//! Amazon's reviews.
//!
//! | edition | ratings alone | reviews |
//! |---|---|---|
//! | 2014 | CSV without a header: user, item, rating, seconds | reviewerID, asin, overall, unixReviewTime |
//! | 2018 | CSV without a header: item, user, rating, seconds | the same |
//! | 2023 | CSV with a header: user_id, parent_asin, rating, ms | user_id, parent_asin, rating, timestamp |
//!
//! A `meta_*.json` or `meta_*.jsonl` beside the reviews has the categories; that of 2014 is of Python's literals.

use std::path::{Path, PathBuf};

use super::{Files, Items, Layout, Pick, Roles, Shape};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::text::{Delimiter, Head};

const USER_FIRST: &[&str] = &["user", "item", "rating", "timestamp"];
const ITEM_FIRST: &[&str] = &["item", "user", "rating", "timestamp"];

/// By what the file holds.
pub(super) fn find(files: &Files, options: &Options) -> Result<Option<Layout>> {
    let is_events = |name: &str| {
        !name.starts_with("meta_") && [".csv", ".jsonl", ".json"].iter().any(|ending| name.ends_with(ending))
    };
    let file = match files.file() {
        Some(file) => Some(file.to_owned()),
        None => files.only(is_events)?,
    };
    file.map(|file| layout(file, options)).transpose()
}

fn layout(file: PathBuf, options: &Options) -> Result<Layout> {
    let head = Head::read(&file)?;
    head.refuse_one_json()?;
    if head.is_json_lines() {
        return Ok(reviews(file));
    }
    let rows = head.rows(Delimiter::COMMA, true)?;
    if rows.first().is_some_and(|header| Roles::known(header) >= 2) {
        return Ok(of(file, Shape::CSV));
    }
    match ratings(&file, &rows, options)? {
        Some(layout) => Ok(layout),
        None => {
            let expected = "rows of user, item, rating and seconds, or reviews as JSON lines";
            Err(Error::input(&file, "neither ratings nor reviews of Amazon", expected))
        }
    }
}

/// Reviews as JSON lines, with the categories of the file beside them.
pub(super) fn reviews(file: PathBuf) -> Layout {
    let items = meta(&file).map(|path| Items {
        path,
        shape: Shape::Json,
        item: Roles::USUAL.item,
        category: Roles::USUAL.category,
        pick: Pick::Column,
    });
    Layout { items: items.into_iter().collect(), ..of(file, Shape::Json) }
}

fn of(file: PathBuf, shape: Shape) -> Layout {
    Layout { action: Some("rate"), ..Layout::new("amazon", vec![file], shape) }
}

/// Ratings without a header, where the rows are some: Amazon's users begin with an A, its items with a
/// B or a digit, and have ten signs. Where both columns look so, the options say which is which.
pub(super) fn ratings(file: &Path, rows: &[Vec<String>], options: &Options) -> Result<Option<Layout>> {
    let is_rating = |row: &Vec<String>| {
        row.len() == 4
            && row[2].parse().is_ok_and(|rating: f64| (0.0..=5.0).contains(&rating))
            && row[3].len() >= 9
            && row[3].bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_asin = |text: &str| {
        text.len() == 10
            && (text.starts_with('B') || text.starts_with(|first: char| first.is_ascii_digit()))
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if rows.is_empty() || !rows.iter().all(is_rating) {
        return Ok(None);
    }
    let share = |at: usize| rows.iter().filter(|row| is_asin(&row[at])).count() * 10 >= rows.len() * 9;
    let names = match (share(0), share(1)) {
        (false, true) => USER_FIRST,
        (true, false) => ITEM_FIRST,
        (false, false) => return Ok(None),
        (true, true) if said(options, "1", "2") => USER_FIRST,
        (true, true) if said(options, "2", "1") => ITEM_FIRST,
        (true, true) => {
            let problem = "the first and the second column could each be the item";
            let remedy = "say which is which, as with --user-column 1 --item-column 2";
            return Err(Error::unclear(file, problem, remedy));
        }
    };
    Ok(Some(of(file.to_owned(), Shape::fixed(Delimiter::COMMA, names))))
}

/// Whether the options say that the user is in this column, or the item in that one.
fn said(options: &Options, user: &str, item: &str) -> bool {
    options.user_column.as_deref() == Some(user) || options.item_column.as_deref() == Some(item)
}

/// `meta_X.jsonl` beside `X.jsonl` or `reviews_X.json`.
fn meta(file: &Path) -> Option<PathBuf> {
    let name = super::files::plain_name(file);
    let name = name.strip_prefix("reviews_").unwrap_or(&name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem = stem.strip_suffix("_5").unwrap_or(stem);
    let found = Files::all_beside(file, |own| {
        own.strip_prefix("meta_")
            .is_some_and(|own| own.rsplit_once('.').map_or(own, |(stem, _)| stem) == stem)
    });
    found.ok()?.pop()
}
