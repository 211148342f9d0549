//! Taobao's `UserBehavior.csv`: user,item,category,behaviour,seconds without a header. Every
//! behaviour is an interaction, and repeats stay.

use std::path::Path;

use super::Dataset;
use super::builder::Builder;
use super::table::Table;
use crate::error::Result;

pub(super) fn load(path: &Path, name: String) -> Result<Dataset> {
    let mut builder = Builder::default();
    let mut table = Table::open(path, b',', false)?;
    while let Some(row) = table.next()? {
        row.expect_fields(5, "user,item,category,behaviour,seconds")?;
        let item = row.id(1, "item")?;
        builder.categorise(&item, std::iter::once(row.text(2).as_str()));
        builder.push(row.id(0, "user")?, item, row.millis(4, "seconds")?, row.fields[3]);
    }
    builder.finish(path, name)
}
