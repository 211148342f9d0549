//! Sessions of shops: Yoochoose, Diginetica, Retailrocket.

use std::path::PathBuf;

use super::{Columns, Files, Items, Layout, Pick, Roles, Shape, plain};
use crate::error::Result;
use crate::text::{Delimiter, Head};

/// `yoochoose-clicks.dat` (and `yoochoose-test.dat`): session, time, item, category, which is 0 where it
/// is missing.
const CLICKS: &[&str] = &["session", "timestamp", "item", "category"];
/// `event` of Retailrocket.
const EVENTS: &[(&str, &str)] = &[("view", "click"), ("addtocart", "cart"), ("transaction", "purchase")];

pub(super) fn yoochoose_by_name(files: &Files) -> Result<Option<Layout>> {
    let file = files.file().and_then(|_| files.named("yoochoose-test.dat"));
    Ok(files.named("yoochoose-clicks.dat").or(file).map(clicks))
}

pub(super) fn yoochoose(files: &Files) -> Result<Option<Layout>> {
    Ok(yoochoose_by_name(files)?.or_else(|| files.file().map(|file| clicks(file.to_owned()))))
}

pub(super) fn clicks(file: PathBuf) -> Layout {
    let shape = Shape::fixed(Delimiter::COMMA, CLICKS);
    Layout { no_category: Some("0"), ..Layout::new("yoochoose", vec![file], shape) }
}

pub(super) fn diginetica_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.named("train-item-views.csv").map(views))
}

pub(super) fn diginetica(files: &Files) -> Result<Option<Layout>> {
    Ok(diginetica_by_name(files)?.or_else(|| files.file().map(|file| views(file.to_owned()))))
}

/// The user is the session, since nearly no view has a user; the time is the day and the milliseconds
/// since the session began.
fn views(file: PathBuf) -> Layout {
    let shape = Shape::Table { delimiter: Delimiter::SEMICOLON, quoting: true, columns: Columns::Header };
    let items = Files::beside(&file, "product-categories.csv").map(|path| Items {
        path,
        shape,
        item: Roles::USUAL.item,
        category: Roles::USUAL.category,
        pick: Pick::Column,
    });
    let roles = Roles { user: &[&["sessionid"]], time: &[&["eventdate"]], ..Roles::USUAL };
    Layout {
        roles,
        offset: Some("timeframe"),
        items: items.into_iter().collect(),
        ..Layout::new("diginetica", vec![file], shape)
    }
}

pub(super) fn retailrocket_by_name(files: &Files) -> Result<Option<Layout>> {
    let Some(file) = files.named("events.csv") else { return Ok(None) };
    let rows = Head::read(&file)?.rows(Delimiter::COMMA, true)?;
    let is_it = rows.first().is_some_and(|header| header.iter().any(|name| plain(name) == "visitorid"));
    is_it.then(|| events(file)).transpose()
}

pub(super) fn retailrocket(files: &Files) -> Result<Option<Layout>> {
    match (files.named("events.csv"), files.file()) {
        (Some(file), _) => events(file).map(Some),
        (None, Some(file)) => events(file.to_owned()).map(Some),
        (None, None) => Ok(None),
    }
}

/// An item's category is the first one that its properties tell.
fn events(file: PathBuf) -> Result<Layout> {
    let properties =
        Files::all_beside(&file, |name| name.starts_with("item_properties") && name.ends_with(".csv"))?;
    let of = |path: PathBuf| Items {
        path,
        shape: Shape::CSV,
        item: &[&["itemid"]],
        category: &[&["value"]],
        pick: Pick::Property("categoryid"),
    };
    let items = properties.into_iter().map(of).collect();
    Ok(Layout { items, actions: EVENTS, ..Layout::new("retailrocket", vec![file], Shape::CSV) })
}
