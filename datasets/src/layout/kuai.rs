//! Short videos of Kuaishou: KuaiRec and KuaiRand.

use std::path::PathBuf;

use super::{Files, Items, Layout, Pick, Roles, Shape};
use crate::error::Result;

const VIDEO: super::Names = &[&["videoid"]];

/// `big_matrix.csv` or `small_matrix.csv`, with `item_categories.csv`.
pub(super) fn rec_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.only(|name| ["big_matrix.csv", "small_matrix.csv"].contains(&name))?.map(matrix))
}

pub(super) fn rec(files: &Files) -> Result<Option<Layout>> {
    Ok(rec_by_name(files)?.or_else(|| files.file().map(|file| matrix(file.to_owned()))))
}

fn matrix(file: PathBuf) -> Layout {
    let items = Files::beside(&file, "item_categories.csv").map(|path| Items {
        path,
        shape: Shape::CSV,
        item: VIDEO,
        category: &[&["feat"]],
        pick: Pick::Column,
    });
    Layout { items: items.into_iter().collect(), ..Layout::new("kuairec", vec![file], Shape::CSV) }
}

/// Every `log_*.csv`, with `video_features_basic_*.csv`.
pub(super) fn rand_by_name(files: &Files) -> Result<Option<Layout>> {
    let is_log = |name: &str| {
        (name.starts_with("log_standard_") || name.starts_with("log_random_")) && name.ends_with(".csv")
    };
    logs(files.fitting(is_log))
}

pub(super) fn rand(files: &Files) -> Result<Option<Layout>> {
    match rand_by_name(files)? {
        Some(layout) => Ok(Some(layout)),
        None => logs(files.file().map(|file| file.to_owned()).into_iter().collect()),
    }
}

fn logs(logs: Vec<PathBuf>) -> Result<Option<Layout>> {
    let Some(first) = logs.first() else { return Ok(None) };
    let is_features = |name: &str| name.starts_with("video_features_basic") && name.ends_with(".csv");
    let of = |path: PathBuf| Items {
        path,
        shape: Shape::CSV,
        item: VIDEO,
        category: &[&["tag"]],
        pick: Pick::Column,
    };
    let items = Files::all_beside(first, is_features)?.into_iter().map(of).collect();
    // `hourmin` and `date` are of the local day.
    let roles = Roles { time: &[&["timems"]], ..Roles::USUAL };
    Ok(Some(Layout { roles, items, ..Layout::new("kuairand", logs, Shape::CSV) }))
}
