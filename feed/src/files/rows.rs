//! A table of events that is sorted by time: 32 bytes a row, every id once.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use hmisr_stream::contract::{Event, Id};

use crate::{EventLine, EventSource, FeedError};

/// One event; ids are indices into the table's lists.
struct Row {
    ts: i64,
    /// The row's place in the file: it makes the sort stable without a second buffer.
    place: u32,
    user: u32,
    item: u32,
    category: u32,
    action: u32,
    /// NaN where there is none.
    weight: f32,
}

/// The events of a file in file order, being collected.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    users: Distinct<Id>,
    items: Distinct<Id>,
    categories: Distinct<Id>,
    actions: Distinct<String>,
}

impl Rows {
    /// Adds an event, `ts` in epoch milliseconds.
    pub(super) fn push(&mut self, event: Event, path: &Path) -> Result<(), FeedError> {
        let too_many = || FeedError::input(path, "more than 4294967295 rows", "fewer; split the file");
        let place = u32::try_from(self.rows.len()).map_err(|_| too_many())?;
        self.rows.push(Row {
            ts: event.ts,
            place,
            user: self.users.index(event.user_id).ok_or_else(too_many)?,
            item: self.items.index(event.item_id).ok_or_else(too_many)?,
            category: self.categories.index(event.category).ok_or_else(too_many)?,
            action: self.actions.index(event.action).ok_or_else(too_many)?,
            weight: event.weight.unwrap_or(f32::NAN),
        });
        Ok(())
    }

    /// The events in time order, those of one time in file order.
    pub(super) fn into_source(
        mut self,
        path: &Path,
        described: String,
        fingerprint: String,
    ) -> Result<RowSource, FeedError> {
        if self.rows.is_empty() {
            return Err(FeedError::Empty { path: path.to_owned() });
        }
        self.rows.sort_unstable_by_key(|row| (row.ts, row.place));
        Ok(RowSource {
            rows: self.rows,
            users: self.users.values,
            items: self.items.values,
            categories: self.categories.values,
            actions: self.actions.values,
            next: 0,
            described,
            fingerprint,
        })
    }
}

/// The sorted events.
pub(super) struct RowSource {
    rows: Vec<Row>,
    users: Vec<Id>,
    items: Vec<Id>,
    categories: Vec<Id>,
    actions: Vec<String>,
    next: usize,
    described: String,
    fingerprint: String,
}

impl EventSource for RowSource {
    fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
        let row = self.rows.get(self.next)?;
        self.next += 1;
        let event = Event {
            user_id: self.users[row.user as usize].clone(),
            item_id: self.items[row.item as usize].clone(),
            category: self.categories[row.category as usize].clone(),
            categories: Vec::new(),
            action: self.actions[row.action as usize].clone(),
            ts: row.ts,
            weight: (!row.weight.is_nan()).then_some(row.weight),
            request_id: None,
            event_id: None,
            is_tail: None,
        };
        Some(Ok(EventLine { key: Some(event.user_id.to_string().into_bytes()), payload: event.encode() }))
    }

    fn total(&self) -> Option<u64> {
        Some(self.rows.len() as u64)
    }

    fn share_read(&self) -> Option<f64> {
        Some(self.next as f64 / self.rows.len() as f64)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn describe(&self) -> String {
        self.described.clone()
    }
}

/// A list without repeats.
struct Distinct<T> {
    values: Vec<T>,
    indices: HashMap<T, u32>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), indices: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    /// The value's index; none past 2³² values.
    fn index(&mut self, value: T) -> Option<u32> {
        if let Some(&index) = self.indices.get(&value) {
            return Some(index);
        }
        let index = u32::try_from(self.values.len()).ok()?;
        self.values.push(value.clone());
        self.indices.insert(value, index);
        Some(index)
    }
}

/// A line's text field; where it is not UTF-8 it is read as Latin-1, as the older data sets are.
pub(super) fn text(field: &[u8]) -> String {
    match std::str::from_utf8(field) {
        Ok(text) => text.to_owned(),
        Err(_) => field.iter().copied().map(char::from).collect(),
    }
}

/// An integer id; a text of digits only.
pub(super) fn integer_id(field: &[u8]) -> Option<Id> {
    std::str::from_utf8(field).ok()?.parse().ok().and_then(|value| Id::int(value).ok())
}

/// Seconds as milliseconds; fractions of a second only where `fractions` says so. Times that no
/// event may have pass: they become dead letters where all events are judged.
pub(super) fn millis(field: &[u8], fractions: bool) -> Option<i64> {
    let text = std::str::from_utf8(field).ok()?;
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1_000);
    }
    let millis = text.parse::<f64>().ok().filter(|_| fractions)? * 1_000.0;
    (millis.abs() < 9e15).then_some(millis.round() as i64)
}

/// A finite number.
pub(super) fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok().filter(|value: &f32| value.is_finite())
}

/// The files of a folder that end in one of the extensions, in no order.
pub(super) fn list(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, FeedError> {
    let listing = |error| FeedError::io(folder, "listing it", error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        let fits = path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted));
        if fits && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_32_bytes() {
        assert_eq!(size_of::<Row>(), 32);
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(millis(b"978300760", false), Some(978_300_760_000));
        assert_eq!(millis(b"-1", false), Some(-1_000));
        assert_eq!(millis(b"1.5", false), None);
        assert_eq!(millis(b"1.5", true), Some(1_500));
        for bad in [&b""[..], b"x", b"NaN", b"inf", b"1e300", b"9223372036854775807", b" 1"] {
            assert_eq!(millis(bad, true).filter(|&ms| ms.abs() > 9_000_000_000_000_000), None);
        }
        assert_eq!(millis(b"NaN", true), None);
        assert_eq!(integer_id(b"7"), Some(Id::from(7)));
        assert!(integer_id(b"-7").is_none() && integer_id(b"9223372036854775808").is_none());
        assert!(number(b"4.5").is_some() && number(b"inf").is_none() && number(b"").is_none());
    }
}
