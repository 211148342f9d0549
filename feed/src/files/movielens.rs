//! MovieLens ratings, in the original layout or in RecBole's.
//!
//! * `ratings.dat`: `user::item::rating::unix_seconds`; `movies.dat`: `item::title::genre|genre`,
//!   in Latin-1.
//! * `NAME.inter` and `NAME.item`: tab-separated, with a header of `name:type` columns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hmisr_stream::contract::{Event, Id};

use super::Format;
use super::fingerprint::fingerprint;
use super::lines::Lines;
use super::rows::{RowSource, Rows, integer_id, list, millis, number, text};
use crate::FeedError;

/// The category of an item that is not listed, or that has no genre.
const UNKNOWN: &str = "unknown";
const INTEGER: &str = "an integer from 0 to 9223372036854775807";
const TOKEN: &str = "an id of 1 to 128 bytes";

pub(super) fn open(path: &Path) -> Result<RowSource, FeedError> {
    let layout = Layout::find(path)?;
    let (ratings, items) = match &layout {
        Layout::Dat { ratings, items } | Layout::Atomic { ratings, items } => (ratings, items),
    };
    if !items.is_file() {
        let expected = "the items' genres in it, which become the events' categories";
        return Err(FeedError::input(items, "no such file beside the ratings", expected));
    }
    let (fingerprint, _) = fingerprint(Format::Movielens, &[ratings.clone(), items.clone()])?;
    let mut rows = Rows::default();
    match &layout {
        Layout::Dat { .. } => read_dat(ratings, &dat_categories(items)?, &mut rows)?,
        Layout::Atomic { .. } => read_atomic(ratings, &atomic_categories(items)?, &mut rows)?,
    }
    rows.into_source(ratings, format!("ratings of {} (movielens)", ratings.display()), fingerprint)
}

enum Layout {
    Dat { ratings: PathBuf, items: PathBuf },
    Atomic { ratings: PathBuf, items: PathBuf },
}

impl Layout {
    fn find(path: &Path) -> Result<Self, FeedError> {
        if path.is_file() {
            return Ok(if path.extension().is_some_and(|extension| extension == "inter") {
                Self::Atomic { ratings: path.to_owned(), items: path.with_extension("item") }
            } else {
                Self::Dat { ratings: path.to_owned(), items: path.with_file_name("movies.dat") }
            });
        }
        let ratings = path.join("ratings.dat");
        if ratings.is_file() {
            return Ok(Self::Dat { ratings, items: path.join("movies.dat") });
        }
        match &list(path, &["inter"])?[..] {
            [one] => Ok(Self::Atomic { ratings: one.clone(), items: one.with_extension("item") }),
            [] => Err(FeedError::input(path, "no ratings in it", Format::Movielens.expected())),
            _ => Err(FeedError::input(path, "several *.inter files in it", "one; name the file itself")),
        }
    }
}

type Categories = HashMap<Id, Id>;

fn category_of(categories: &Categories, item: &Id, unknown: &Id) -> Id {
    categories.get(item).unwrap_or(unknown).clone()
}

/// The id of the first genre; none where the name is too long for one.
fn genre(name: &[u8]) -> Option<Id> {
    let name = text(name.trim_ascii());
    Id::parse(if name.is_empty() { UNKNOWN } else { &name }).ok()
}

fn rating_event(user_id: Id, item_id: Id, category: Id, rating: f32, ts: i64) -> Event {
    Event {
        user_id,
        item_id,
        category,
        categories: Vec::new(),
        action: "rate".to_owned(),
        ts,
        weight: Some(rating),
        request_id: None,
        event_id: None,
        is_tail: None,
    }
}

fn unknown() -> Id {
    // The text is an id; the integer stands in for a case that cannot come.
    Id::parse(UNKNOWN).unwrap_or_else(|_| Id::from(0))
}

fn dat_categories(path: &Path) -> Result<Categories, FeedError> {
    let mut lines = Lines::open(path)?;
    let mut categories = Categories::new();
    while let Some((at, line)) = lines.next()? {
        let bad = |field, value: &[u8], expected: &str| FeedError::line(path, at, field, value, expected);
        // A title may itself contain `::`.
        let (first, rest) =
            split_once(line, b"::").ok_or_else(|| bad("line", line, "item::title::genres"))?;
        let genres = rest.windows(2).rposition(|two| two == b"::").map(|from| &rest[from + 2..]);
        let genres = genres.ok_or_else(|| bad("line", line, "item::title::genres"))?;
        let item = integer_id(first).ok_or_else(|| bad("item", first, INTEGER))?;
        let name = genres.split(|byte| *byte == b'|').next().unwrap_or_default();
        categories.insert(item, genre(name).ok_or_else(|| bad("genres", name, TOKEN))?);
    }
    Ok(categories)
}

fn read_dat(path: &Path, categories: &Categories, rows: &mut Rows) -> Result<(), FeedError> {
    const LAYOUT: &str = "a line of user::item::rating::unix_seconds";
    let unknown = unknown();
    let mut lines = Lines::open(path)?;
    while let Some((at, line)) = lines.next()? {
        let bad = |field, value: &[u8], expected: &str| FeedError::line(path, at, field, value, expected);
        let fields = (|| {
            let (user, rest) = split_once(line, b"::")?;
            let (item, rest) = split_once(rest, b"::")?;
            let (rating, seconds) = split_once(rest, b"::")?;
            Some((user, item, rating, seconds))
        })();
        let (user, item, rating, seconds) = fields.ok_or_else(|| bad("line", line, LAYOUT))?;
        let user = integer_id(user).ok_or_else(|| bad("user", user, INTEGER))?;
        let item = integer_id(item).ok_or_else(|| bad("item", item, INTEGER))?;
        let rating = number(rating).ok_or_else(|| bad("rating", rating, "a finite number"))?;
        let ts = millis(seconds, false)
            .ok_or_else(|| bad("unix_seconds", seconds, "a whole number of seconds"))?;
        let category = category_of(categories, &item, &unknown);
        rows.push(rating_event(user, item, category, rating, ts), path)?;
    }
    Ok(())
}

fn atomic_categories(path: &Path) -> Result<Categories, FeedError> {
    let mut lines = Lines::open(path)?;
    let columns = Columns::read(&mut lines)?;
    let item_at = columns.find("item_id", &["item_id"])?;
    let class_at = columns.find("class", &["class", "genre", "genres"])?;
    let mut categories = Categories::new();
    while let Some((at, line)) = lines.next()? {
        let bad = |field, value: &[u8], expected: &str| FeedError::line(path, at, field, value, expected);
        let fields = columns.split(line).map_err(|expected| bad("line", line, &expected))?;
        let item = token(fields[item_at]).ok_or_else(|| bad("item_id", fields[item_at], TOKEN))?;
        let name = fields[class_at].trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
        categories.insert(item, genre(name).ok_or_else(|| bad("class", name, TOKEN))?);
    }
    Ok(categories)
}

fn read_atomic(path: &Path, categories: &Categories, rows: &mut Rows) -> Result<(), FeedError> {
    let unknown = unknown();
    let mut lines = Lines::open(path)?;
    let columns = Columns::read(&mut lines)?;
    let user_at = columns.find("user_id", &["user_id"])?;
    let item_at = columns.find("item_id", &["item_id"])?;
    let rating_at = columns.find("rating", &["rating"])?;
    let time_at = columns.find("timestamp", &["timestamp"])?;
    while let Some((at, line)) = lines.next()? {
        let bad = |field, value: &[u8], expected: &str| FeedError::line(path, at, field, value, expected);
        let fields = columns.split(line).map_err(|expected| bad("line", line, &expected))?;
        let user = token(fields[user_at]).ok_or_else(|| bad("user_id", fields[user_at], TOKEN))?;
        let item = token(fields[item_at]).ok_or_else(|| bad("item_id", fields[item_at], TOKEN))?;
        let rating =
            number(fields[rating_at]).ok_or_else(|| bad("rating", fields[rating_at], "a finite number"))?;
        let ts = millis(fields[time_at], true)
            .ok_or_else(|| bad("timestamp", fields[time_at], "a number of seconds"))?;
        let category = category_of(categories, &item, &unknown);
        rows.push(rating_event(user, item, category, rating, ts), path)?;
    }
    Ok(())
}

/// The header of an atomic file: `name:type` columns between tabs.
struct Columns {
    path: PathBuf,
    line: u64,
    header: Vec<u8>,
    names: Vec<String>,
}

impl Columns {
    fn read(lines: &mut Lines) -> Result<Self, FeedError> {
        let path = lines.path().to_owned();
        let Some((line, header)) = lines.next()? else {
            return Err(FeedError::Empty { path });
        };
        let name = |column: &[u8]| text(column.split(|byte| *byte == b':').next().unwrap_or_default());
        let names = header.split(|byte| *byte == b'\t').map(name).collect();
        Ok(Self { path, line, header: header.to_vec(), names })
    }

    fn find(&self, field: &'static str, names: &[&str]) -> Result<usize, FeedError> {
        self.names.iter().position(|name| names.contains(&name.as_str())).ok_or_else(|| {
            let expected = format!("a header with a column {}", names.join(" or "));
            FeedError::line(&self.path, self.line, field, &self.header, expected)
        })
    }

    fn split<'a>(&self, line: &'a [u8]) -> Result<Vec<&'a [u8]>, String> {
        let fields: Vec<_> = line.split(|byte| *byte == b'\t').collect();
        if fields.len() == self.names.len() {
            Ok(fields)
        } else {
            Err(format!("a line of {} tab-separated columns, as the header has", self.names.len()))
        }
    }
}

fn token(field: &[u8]) -> Option<Id> {
    Id::parse(std::str::from_utf8(field).ok()?).ok()
}

fn split_once<'a>(line: &'a [u8], separator: &[u8; 2]) -> Option<(&'a [u8], &'a [u8])> {
    let at = line.windows(2).position(|two| two == separator)?;
    Some((&line[..at], &line[at + 2..]))
}
