//! Shops' logs of behaviour and purchases: Taobao, Tmall, H&M.

use std::path::PathBuf;

use super::{Files, Items, Layout, Pick, Roles, Shape};
use crate::error::Result;
use crate::text::Delimiter;

/// Taobao's `UserBehavior.csv`: every behaviour is an interaction, and repeats stay.
const TAOBAO: &[&str] = &["user", "item", "category", "behaviour", "timestamp"];
/// `action_type` of Tmall's log.
const TMALL_ACTIONS: &[(&str, &str)] = &[("0", "click"), ("1", "cart"), ("2", "purchase"), ("3", "fav")];
/// `behavior_type` of the mobile shop's.
const MOBILE_ACTIONS: &[(&str, &str)] = &[("1", "click"), ("2", "fav"), ("3", "cart"), ("4", "purchase")];

pub(super) fn taobao_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.named("userbehavior.csv").map(behaviour))
}

pub(super) fn taobao(files: &Files) -> Result<Option<Layout>> {
    Ok(taobao_by_name(files)?.or_else(|| files.file().map(|file| behaviour(file.to_owned()))))
}

pub(super) fn behaviour(file: PathBuf) -> Layout {
    Layout::new("taobao", vec![file], Shape::fixed(Delimiter::COMMA, TAOBAO))
}

/// Tmall's log of 2014, whose times are a month and a day, or the mobile shop's, with hours.
pub(super) fn tmall_by_name(files: &Files) -> Result<Option<Layout>> {
    if let Some(file) = files.named("user_log_format1.csv") {
        return Ok(Some(days(file)));
    }
    Ok(files.named("tianchi_mobile_recommend_train_user.csv").map(hours))
}

pub(super) fn tmall(files: &Files) -> Result<Option<Layout>> {
    if let Some(layout) = tmall_by_name(files)? {
        return Ok(Some(layout));
    }
    let Some(file) = files.file() else { return Ok(None) };
    let rows = crate::text::Head::read(file)?.rows(Delimiter::COMMA, true)?;
    let is_log =
        rows.first().is_some_and(|header| header.iter().any(|name| super::plain(name) == "timestamp"));
    Ok(Some(if is_log { days(file.to_owned()) } else { hours(file.to_owned()) }))
}

fn days(file: PathBuf) -> Layout {
    let roles = Roles { time: &[&["timestamp"]], category: &[&["catid"]], ..Roles::USUAL };
    let month_day = Some(2014);
    Layout { roles, month_day, actions: TMALL_ACTIONS, ..Layout::new("tmall", vec![file], Shape::CSV) }
}

fn hours(file: PathBuf) -> Layout {
    let roles = Roles { category: &[&["itemcategory"]], ..Roles::USUAL };
    Layout { roles, actions: MOBILE_ACTIONS, ..Layout::new("tmall", vec![file], Shape::CSV) }
}

/// H&M's `transactions_train.csv` with `articles.csv`.
pub(super) fn hm_by_name(files: &Files) -> Result<Option<Layout>> {
    Ok(files.named("transactions_train.csv").map(transactions))
}

pub(super) fn hm(files: &Files) -> Result<Option<Layout>> {
    Ok(hm_by_name(files)?.or_else(|| files.file().map(|file| transactions(file.to_owned()))))
}

fn transactions(file: PathBuf) -> Layout {
    let items = Files::beside(&file, "articles.csv").map(|path| Items {
        path,
        shape: Shape::CSV,
        item: &[&["articleid"]],
        category: &[&["producttypename"]],
        pick: Pick::Column,
    });
    let items = items.into_iter().collect();
    Layout { items, action: Some("purchase"), ..Layout::new("hm", vec![file], Shape::CSV) }
}
