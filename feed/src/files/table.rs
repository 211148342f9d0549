//! The events of a data set, in the order of time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use hmisr_datasets::{Distinct, Marks, Options, Reader, Record, Summary};
use hmisr_stream::contract::{Event, Id};

use super::fingerprint::fingerprint;
use crate::{EventLine, EventSource, FeedError};

/// The category of an item that has none.
const UNKNOWN: &str = "unknown";

/// A data set's events.
pub(super) struct Table {
    events: Events,
    given: u64,
    summary: Summary,
    described: String,
    fingerprint: String,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it, for the file that is read")]
enum Events {
    /// As they stand in the files.
    Sorted(Box<Reader>),
    /// Held, since the files are in another order.
    Held(Rows),
    /// Nothing more, after an error.
    Ended,
}

impl Table {
    pub(super) fn open(path: &Path, mut reader: Reader, options: &Options) -> Result<Self, FeedError> {
        // Not one event: whatever the columns were taken for was wrong.
        reader.require_events(0.0)?;
        let files: Vec<_> =
            reader.files().iter().cloned().chain(reader.item_files().map(Path::to_owned)).collect();
        let mut kind = reader.layout().to_owned();
        if !options.is_empty() {
            kind.push(' ');
            kind.push_str(&serde_json::to_string(options).unwrap_or_default());
        }
        let (fingerprint, _) = fingerprint(&kind, &files)?;
        let described = format!("events of {} ({})", path.display(), reader.layout());
        let summary = reader.summary().clone();
        let events = if reader.is_sorted() {
            Events::Sorted(Box::new(reader))
        } else {
            let mut rows = Rows::default();
            while let Some(record) = reader.next()? {
                let categories = reader.categories(&record).to_vec();
                rows.push(Record { categories, ..record }).ok_or_else(|| {
                    FeedError::input(
                        path,
                        "more than 4294967295 rows out of time order",
                        "fewer; sort or split it",
                    )
                })?;
            }
            rows.sort();
            Events::Held(rows)
        };
        Ok(Self { events, given: 0, summary, described, fingerprint })
    }
}

impl EventSource for Table {
    fn next(&mut self) -> Option<Result<EventLine, FeedError>> {
        let event = match &mut self.events {
            Events::Held(rows) => rows.event(self.given)?,
            Events::Sorted(reader) => match reader.next() {
                Ok(Some(record)) => {
                    let categories = reader.categories(&record).to_vec();
                    event(Record { categories, ..record })
                }
                Ok(None) => return None,
                Err(error) => {
                    self.events = Events::Ended;
                    return Some(Err(error.into()));
                }
            },
            Events::Ended => return None,
        };
        self.given += 1;
        Some(Ok(EventLine { key: Some(event.user_id.to_string().into_bytes()), payload: event.encode() }))
    }

    fn total(&self) -> Option<u64> {
        Some(self.summary.events)
    }

    fn share_read(&self) -> Option<f64> {
        Some(self.given as f64 / self.summary.events.max(1) as f64)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn describe(&self) -> String {
        self.described.clone()
    }

    fn summary(&self) -> Option<Summary> {
        Some(self.summary.clone())
    }
}

fn event(record: Record) -> Event {
    let Record { user, item, ts_ms, action, weight, categories, marks } = record;
    let Marks { request_id, event_id, is_tail } = marks.map_or_else(Marks::default, |marks| *marks);
    // The text is an id; the integer stands in for a case that cannot come.
    let unknown = || Id::parse(UNKNOWN).unwrap_or_else(|_| Id::from(0));
    Event {
        user_id: user,
        item_id: item,
        category: categories.first().cloned().unwrap_or_else(unknown),
        categories: if categories.len() > 1 { categories } else { Vec::new() },
        action: action.to_string(),
        ts: ts_ms,
        weight,
        request_id,
        event_id,
        is_tail,
    }
}

/// One event; ids are indices into the table's lists.
struct Row {
    ts: i64,
    /// The row's place in the file: it makes the sort stable without a second buffer.
    place: u32,
    user: u32,
    item: u32,
    categories: u32,
    action: u32,
    /// NaN where there is none.
    weight: f32,
}

/// Events that are held: 32 bytes a row, every id once.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    users: Distinct<Id>,
    items: Distinct<Id>,
    categories: Distinct<Vec<Id>>,
    actions: Distinct<Arc<str>>,
    /// Of the few rows that have some, by their place.
    marks: HashMap<u32, Box<Marks>>,
}

impl Rows {
    /// Adds an event; none where there are too many.
    fn push(&mut self, record: Record) -> Option<()> {
        let place = u32::try_from(self.rows.len()).ok()?;
        if let Some(marks) = record.marks {
            self.marks.insert(place, marks);
        }
        self.rows.push(Row {
            ts: record.ts_ms,
            place,
            user: self.users.index(record.user),
            item: self.items.index(record.item),
            categories: self.categories.index(record.categories),
            action: self.actions.index(record.action),
            weight: record.weight.unwrap_or(f32::NAN),
        });
        Some(())
    }

    /// Puts the events into time order, those of one time into file order.
    fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.ts, row.place));
    }

    fn event(&self, at: u64) -> Option<Event> {
        let row = self.rows.get(usize::try_from(at).ok()?)?;
        Some(event(Record {
            user: self.users.values()[row.user as usize].clone(),
            item: self.items.values()[row.item as usize].clone(),
            ts_ms: row.ts,
            action: self.actions.values()[row.action as usize].clone(),
            weight: (!row.weight.is_nan()).then_some(row.weight),
            categories: self.categories.values()[row.categories as usize].clone(),
            marks: self.marks.get(&row.place).cloned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_32_bytes() {
        assert_eq!(size_of::<Row>(), 32);
    }
}
