//! JSON lines: the stream's own events, Amazon's reviews, and any other objects.

use std::path::PathBuf;

use super::{Files, Layout, Roles, Shape, amazon, plain};
use crate::error::{Error, Result};
use crate::text::Head;

/// What an event must have.
const FIELDS: [&str; 5] = ["user_id", "item_id", "category", "action", "ts"];

/// The stream's own events, whatever is in the files.
pub(super) fn events(files: &Files) -> Result<Option<Layout>> {
    let found = match files.file() {
        Some(file) => vec![file.to_owned()],
        None => files.each(|name| name.ends_with(".jsonl") || name.ends_with(".ndjson"))?,
    };
    let Some(first) = found.first() else {
        let expected = "a file of one JSON event a line, or a folder of *.jsonl files";
        return Err(Error::input(files.root(), "no *.jsonl file in it", expected));
    };
    let head = Head::read(first)?;
    head.refuse_one_json()?;
    if !head.is_json_lines() && is_table(&head)? {
        let problem = "a table of columns, where one JSON object a line is expected";
        return Err(Error::unclear(first, problem, "read it with --format csv, or leave --format out"));
    }
    Ok(Some(own(&head, found)))
}

/// By names, and where there is one file of another name, by what it holds.
pub(super) fn by_name(files: &Files) -> Result<Option<Layout>> {
    let is_json = |name: &str| [".jsonl", ".ndjson", ".json"].iter().any(|ending| name.ends_with(ending));
    let found = match files.file() {
        Some(file) => vec![file.to_owned()],
        None => files.each(|name| is_json(name) && !name.starts_with("meta_"))?,
    };
    let Some(first) = found.first() else { return Ok(None) };
    let head = Head::read(first)?;
    head.refuse_one_json()?;
    let named = files.is_folder() || is_json(&super::files::plain_name(first));
    if head.is_json_lines() {
        return Ok(Some(of(&head, found)));
    }
    // Lines that are no JSON are for whoever reads events to refuse, one by one.
    Ok((named && !is_table(&head)?).then(|| own(&head, found)))
}

/// What the objects' keys say.
pub(super) fn of(head: &Head, files: Vec<PathBuf>) -> Layout {
    if has_fields(head) {
        return own(head, files);
    }
    let keys: Vec<String> = head.objects().flatten().collect();
    if Roles::known(&keys) == 0 {
        return own(head, files);
    }
    let is_amazons = keys.iter().any(|key| ["asin", "parentasin"].contains(&&plain(key)[..]));
    match &files[..] {
        [one] if is_amazons => amazon::reviews(one.clone()),
        _ => Layout::new("jsonl", files, Shape::Json),
    }
}

/// Whether one of the lines has every field that an event must have.
fn has_fields(head: &Head) -> bool {
    head.json_objects().any(|keys| FIELDS.iter().all(|field| keys.iter().any(|key| key == field)))
}

fn own(head: &Head, files: Vec<PathBuf>) -> Layout {
    Layout { own: has_fields(head), strict: true, ..Layout::new("events", files, Shape::Json) }
}

/// Whether the lines are columns with a header that tells some of what is needed.
fn is_table(head: &Head) -> Result<bool> {
    let Some(delimiter) = head.delimiter(Roles::known)? else { return Ok(false) };
    Ok(head.rows(delimiter, true)?.first().is_some_and(|header| Roles::known(header) >= 2))
}
