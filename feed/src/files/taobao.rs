//! Taobao's UserBehavior: user,item,category,behaviour,unix seconds; no header, not sorted.

use std::path::Path;

use hmisr_stream::contract::Event;

use super::Format;
use super::fingerprint::fingerprint;
use super::lines::Lines;
use super::rows::{RowSource, Rows, integer_id, millis, text};
use crate::FeedError;

const FILE: &str = "UserBehavior.csv";
const LAYOUT: &str = "a line of user,item,category,behaviour,unix_seconds";

pub(super) fn open(path: &Path) -> Result<RowSource, FeedError> {
    let file = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    if !file.is_file() {
        return Err(FeedError::input(path, format!("no {FILE} in it"), Format::Taobao.expected()));
    }
    let (fingerprint, _) = fingerprint(Format::Taobao, std::slice::from_ref(&file))?;
    let mut lines = Lines::open(&file)?;
    let mut rows = Rows::default();
    while let Some((number, line)) = lines.next()? {
        let event = event(line)
            .map_err(|(field, value, expected)| FeedError::line(&file, number, field, value, expected))?;
        rows.push(event, &file)?;
    }
    rows.into_source(&file, format!("behaviour of {} (taobao)", file.display()), fingerprint)
}

fn event(line: &[u8]) -> Result<Event, (&'static str, &[u8], &'static str)> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
    let [user, item, category, behaviour, seconds] = fields[..] else {
        return Err(("line", line, LAYOUT));
    };
    let id =
        |field, value| integer_id(value).ok_or((field, value, "an integer from 0 to 9223372036854775807"));
    Ok(Event {
        user_id: id("user", user)?,
        item_id: id("item", item)?,
        category: id("category", category)?,
        categories: Vec::new(),
        action: text(behaviour),
        ts: millis(seconds, false).ok_or(("unix_seconds", seconds, "a whole number of seconds"))?,
        weight: None,
        request_id: None,
        event_id: None,
        is_tail: None,
    })
}
