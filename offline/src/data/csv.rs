//! Any CSV file with a header: user, item, timestamp and, where there are some, categories.

use std::path::Path;

use super::Dataset;
use super::builder::Builder;
use super::table::Table;
use crate::error::Result;

const USER: [&str; 3] = ["user", "user_id", "userId"];
const ITEM: [&str; 4] = ["item", "item_id", "itemId", "movieId"];
const TIME: [&str; 4] = ["timestamp", "ts", "time", "unix_s"];
const CATEGORY: [&str; 5] = ["category", "categories", "genre", "genres", "category_id"];
const REMEDY: &str =
    "a header with user, item and timestamp; name the columns where they are called otherwise";

/// What the columns of a CSV file are called; where none is given the usual names are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvColumns {
    /// The user's id.
    pub user: Option<String>,
    /// The item's id.
    pub item: Option<String>,
    /// The time, in seconds or milliseconds since 1970.
    pub timestamp: Option<String>,
    /// The item's categories, `|` between several; several columns are read in this order.
    pub categories: Vec<String>,
}

pub(super) fn load(path: &Path, name: String, columns: &CsvColumns) -> Result<Dataset> {
    let mut table = Table::open(path, b',', true)?;
    let header = table.header(str::to_owned)?;
    let find = |named: &Option<String>, usual: &[&str]| match named {
        Some(named) => header.require(&[named], REMEDY),
        None => header.require(usual, REMEDY),
    };
    let user_at = find(&columns.user, &USER)?;
    let item_at = find(&columns.item, &ITEM)?;
    let time_at = find(&columns.timestamp, &TIME)?;
    let category_at: Vec<usize> = if columns.categories.is_empty() {
        header.find(&CATEGORY).into_iter().collect()
    } else {
        columns.categories.iter().map(|named| header.require(&[named], REMEDY)).collect::<Result<_>>()?
    };
    let mut builder = Builder::default();
    while let Some(row) = table.next()? {
        row.expect_fields(header.len(), &header.describe())?;
        let item = row.id(item_at, "item")?;
        for &at in &category_at {
            builder.categorise(&item, row.text(at).split('|'));
        }
        builder.push(row.id(user_at, "user")?, item, row.millis(time_at, "timestamp")?, b"");
    }
    builder.finish(path, name)
}
