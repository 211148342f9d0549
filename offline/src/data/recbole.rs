//! RecBole's atomic files: `NAME.inter` and, where there is one, `NAME.item`; tab-separated, with a
//! header of `name:type` columns. Every row is an interaction.

use std::path::Path;

use super::Dataset;
use super::builder::Builder;
use super::table::Table;
use crate::error::Result;

const LAYOUT: &str = "a header of name:type columns, with user_id, item_id and timestamp";
/// The columns in which the data sets of RecBole's collection keep categories.
const CATEGORY_COLUMNS: [&str; 9] =
    ["class", "genre", "genres", "categories", "category", "category_id", "item_category", "cate", "tags"];

pub(super) fn load(inter: &Path, name: String) -> Result<Dataset> {
    let untyped = |column: &str| column.split(':').next().unwrap_or_default().to_owned();
    let mut builder = Builder::default();
    let items = inter.with_extension("item");
    if items.is_file() {
        let mut table = Table::open(&items, b'\t', false)?;
        let is_sequence = std::cell::RefCell::new(Vec::new());
        let header = table.header(|column| {
            is_sequence.borrow_mut().push(column.ends_with("token_seq"));
            untyped(column)
        })?;
        let item_at = header.require(&["item_id"], LAYOUT)?;
        // A file without categories is as good as none: the items count as unknown.
        let category_at = header.find(&CATEGORY_COLUMNS);
        while let (Some(at), Some(row)) = (category_at, table.next()?) {
            row.expect_fields(header.len(), &header.describe())?;
            let (item, text) = (row.id(item_at, "item_id")?, row.text(at));
            if is_sequence.borrow().get(at) == Some(&true) {
                builder.categorise(&item, text.split([' ', '|']));
            } else {
                builder.categorise(&item, std::iter::once(text.as_str()));
            }
        }
    }
    let mut table = Table::open(inter, b'\t', false)?;
    let header = table.header(untyped)?;
    let user_at = header.require(&["user_id"], LAYOUT)?;
    let item_at = header.require(&["item_id"], LAYOUT)?;
    let time_at = header.require(&["timestamp"], LAYOUT)?;
    while let Some(row) = table.next()? {
        row.expect_fields(header.len(), &header.describe())?;
        let (user, item) = (row.id(user_at, "user_id")?, row.id(item_at, "item_id")?);
        builder.push(user, item, row.millis(time_at, "timestamp")?, b"");
    }
    builder.finish(inter, name)
}
