//! RecBole's atomic files: `NAME.inter` and, where there is one, `NAME.item`; between tabs, with a
//! header of `name:type` columns, or of names alone.

use std::path::{Path, PathBuf};

use super::{Columns, Files, Items, Layout, Pick, Roles, Shape};
use crate::error::Result;
use crate::text::Delimiter;

const SHAPE: Shape = Shape::Table { delimiter: Delimiter::TAB, quoting: false, columns: Columns::Header };

/// By the names of the files alone.
pub(super) fn by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.only(|name| name.ends_with(".inter"))?.map(|inter| layout(inter, "recbole")))
}

/// The same, and a file of another name.
pub(super) fn find(files: &Files, name: &'static str) -> Result<Option<Layout>> {
    let inter = match files.file() {
        Some(file) => Some(file.to_owned()),
        None => files.only(|name| name.ends_with(".inter"))?,
    };
    Ok(inter.map(|inter| layout(inter, name)))
}

fn layout(inter: PathBuf, name: &'static str) -> Layout {
    let items = items_beside(&inter).map(|path| Items {
        path,
        shape: SHAPE,
        item: Roles::USUAL.item,
        category: Roles::USUAL.category,
        pick: Pick::Column,
    });
    Layout { items: items.into_iter().collect(), ..Layout::new(name, vec![inter], SHAPE) }
}

/// `NAME.item` of `NAME.inter`, either of them compressed or not.
fn items_beside(inter: &Path) -> Option<PathBuf> {
    let name = super::files::plain_name(inter);
    let stem = name.strip_suffix(".inter").unwrap_or(&name);
    Files::beside(inter, &format!("{stem}.item"))
}
