//! Short videos of Kuaishou: KuaiRec and KuaiRand.

use std::path::PathBuf;

use super::{Files, Items, Layout, Pick, Roles, Shape};
use crate::error::Result;

const VIDEO: super::Names = &[&["videoid"]];
/// `is_click` of KuaiRand: a video that was shown and not clicked is an impression.
const IS_CLICK: &[(&str, &str)] = &[("1", "click"), ("0", "impression")];

/// `big_matrix.csv`, else `small_matrix.csv`, with `item_categories.csv`.
pub(super) fn rec_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(match (files.named("big_matrix.csv"), files.named("small_matrix.csv")) {
        (Some(big), None) => Some(matrix(big)),
        (None, small) => small.map(matrix),
        // The small one is for tests: its users were shown every video of it.
        (Some(big), Some(_)) => {
            let note = "big_matrix.csv is read, and small_matrix.csv beside it is not; name the file itself for that";
            Some(Layout { notes: vec![note.to_owned()], ..matrix(big) })
        }
    })
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
    logs(files.each(is_log)?)
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
    let roles = Roles { time: &[&["timems"]], action: &[&["isclick"]], ..Roles::USUAL };
    Ok(Some(Layout { roles, items, actions: IS_CLICK, ..Layout::new("kuairand", logs, Shape::CSV) }))
}
