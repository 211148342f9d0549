//! What a reader found: every row is an event, or is counted here with a reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a row that are shown as an example.
const EXAMPLE_CHARS: usize = 120;
/// Actions that are counted by their names.
const ACTIONS: usize = 100;
/// What all further actions are counted as.
const OTHER_ACTIONS: &str = "…";

/// Why a row is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It has another number of columns than the file.
    Columns,
    /// It is not one JSON object.
    NotJson,
    /// No user, or a word for "missing" in its place.
    MissingUser,
    /// No item, or a word for "missing" in its place.
    MissingItem,
    /// No time, or a word for "missing" in its place.
    MissingTime,
    /// A user that is no id of 1 to 128 bytes of UTF-8.
    BadUser,
    /// An item that is no id of 1 to 128 bytes of UTF-8.
    BadItem,
    /// A time that cannot be read as its column's are.
    BadTime,
    /// A time that no event may have, in the unit of its column.
    ImplausibleTime,
    /// A weight or rating that is no finite number.
    BadWeight,
    /// No action, where events must have one, or one that is longer than an event may have.
    BadAction,
    /// No category, where events must have one, or one that cannot be read.
    BadCategory,
    /// A further field of the stream's events (`request_id`, `event_id`, `is_tail`) that none may have so.
    BadField,
}

impl Reason {
    /// The reason as it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::NotJson => "not_json",
            Self::MissingUser => "missing_user",
            Self::MissingItem => "missing_item",
            Self::MissingTime => "missing_time",
            Self::BadUser => "bad_user",
            Self::BadItem => "bad_item",
            Self::BadTime => "bad_time",
            Self::ImplausibleTime => "implausible_time",
            Self::BadWeight => "bad_weight",
            Self::BadAction => "bad_action",
            Self::BadCategory => "bad_category",
            Self::BadField => "bad_field",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Rows that are no events, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub rows: u64,
    /// The first of them: file, line, and what stands there.
    pub example: String,
}

/// What was read, how it was understood, and what is no event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The layout, recognised or named.
    pub layout: String,
    /// The files of events, by their names.
    pub files: Vec<String>,
    /// How the bytes are written, such as `utf-8`, `latin-1` or `utf-8 in gzip`.
    pub encoding: String,
    /// What stands between two columns; none in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Which column was taken for `user`, `item`, `time`, `category`, `action` and `weight`.
    pub columns: BTreeMap<String, String>,
    /// How the column of the time is written, such as `seconds`.
    pub time: String,
    /// The earliest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The latest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Rows, without header and blank lines: those that are events and those that are not.
    pub rows: u64,
    /// Rows that are events.
    pub events: u64,
    /// How many events each action has; from the hundred-and-first on together, as `…`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, u64>,
    /// Rows that are none, the most frequent reason first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// Rows of the items' files.
    #[serde(skip_serializing_if = "is_zero")]
    pub item_rows: u64,
    /// Those of them that are not read; such an item has no category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items_rejected: Vec<Rejected>,
    /// What was decided where the files did not tell, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether the lines pass as they stand, each for the job to judge: then none is counted here, and
    /// `time`, `first` and `last` are of their beginning.
    #[serde(skip_serializing_if = "is_false")]
    pub passes: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Counts a row, and keeps the most frequent reason first.
fn count(all: &mut Vec<Rejected>, reason: Reason, place: impl FnOnce() -> String, row: &[u8]) {
    match all.iter().position(|known| known.reason == reason) {
        Some(mut at) => {
            all[at].rows += 1;
            while at > 0 && all[at - 1].rows < all[at].rows {
                all.swap(at - 1, at);
                at -= 1;
            }
        }
        None => all.push(Rejected { reason, rows: 1, example: format!("{}: {}", place(), shown(row)) }),
    }
}

impl Summary {
    /// Counts a row that is no event; `place` and `row` become the example, where it is the first.
    pub fn reject(&mut self, reason: Reason, place: impl FnOnce() -> String, row: &[u8]) {
        self.rows += 1;
        count(&mut self.rejected, reason, place, row);
    }

    /// Counts a row of an items' file that is not read; it stands in `item_rows` already.
    pub(crate) fn reject_item(&mut self, reason: Reason, place: impl FnOnce() -> String, row: &[u8]) {
        count(&mut self.items_rejected, reason, place, row);
    }

    /// Counts an event's action.
    pub(crate) fn see_action(&mut self, action: &str) {
        if let Some(events) = self.actions.get_mut(action) {
            *events += 1;
            return;
        }
        let name = if self.actions.len() < ACTIONS { action } else { OTHER_ACTIONS };
        *self.actions.entry(name.to_owned()).or_default() += 1;
    }

    /// Whether no event has one of these actions; false where that cannot be said.
    pub fn lacks_actions(&self, actions: &[String]) -> bool {
        let may_be = |action: &String| action == OTHER_ACTIONS || actions.contains(action);
        !self.actions.is_empty() && !self.actions.keys().any(may_be)
    }

    /// Rows that are no events.
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.iter().map(|rejected| rejected.rows).sum()
    }

    /// One line for each of the `most` most frequent reasons, with its example.
    pub fn reasons(&self, most: usize) -> Vec<String> {
        let line = |Rejected { reason, rows, example }: &Rejected| format!("{rows} {reason}, as {example}");
        self.rejected.iter().take(most).map(line).collect()
    }

    /// How many rows are events, and the three most frequent reasons why others are not.
    pub fn counts(&self) -> String {
        let mut text = format!("{} of {} rows are events", self.events, self.rows);
        for reason in self.reasons(3) {
            text.push_str("; ");
            text.push_str(&reason);
        }
        text
    }
}

impl fmt::Display for Summary {
    /// A few lines for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.files.join(", "), self.layout)?;
        if !self.encoding.is_empty() {
            write!(f, ", {}", self.encoding)?;
        }
        if let Some(delimiter) = &self.delimiter {
            write!(f, ", {delimiter} between columns")?;
        }
        match (self.passes, self.time.as_str()) {
            (true, "" | "ms") => write!(f, "): the lines pass as they stand")?,
            (true, _) => write!(f, "): the lines pass, with their times in ms")?,
            (false, _) => write!(f, "): {}", self.counts())?,
        }
        if !self.columns.is_empty() {
            let taken: Vec<String> =
                self.columns.iter().map(|(role, column)| format!("{role} = {column}")).collect();
            write!(f, "\ncolumns: {}", taken.join(", "))?;
        }
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            let where_ = if self.passes { " at the beginning" } else { "" };
            write!(f, "\ntimes: {}, from {first} to {last}{where_}", self.time)?;
        }
        if self.actions.len() > 1 {
            let counted: Vec<String> =
                self.actions.iter().map(|(action, events)| format!("{events} {action}")).collect();
            write!(f, "\nactions: {}", counted.join(", "))?;
        }
        for Rejected { reason, rows, example } in &self.items_rejected {
            write!(f, "\nitems: {rows} of {} rows {reason}, as {example}", self.item_rows)?;
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// The beginning of a row, on one line.
pub(crate) fn shown(row: &[u8]) -> String {
    let text = String::from_utf8_lossy(&row[..row.len().min(4 * EXAMPLE_CHARS + 8)]);
    let mut text: String =
        text.trim().chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if let Some((cut, _)) = text.char_indices().nth(EXAMPLE_CHARS) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_reason_comes_first_with_its_first_row() {
        let mut summary = Summary { events: 1, rows: 1, ..Summary::default() };
        summary.reject(Reason::BadTime, || "a.csv:3".into(), b"u,i,soon\n");
        for line in 4..7 {
            summary.reject(Reason::MissingUser, || format!("a.csv:{line}"), b"NULL,i\t1");
        }
        assert_eq!((summary.rows, summary.rejected_rows()), (5, 4));
        assert_eq!(
            summary.counts(),
            "1 of 5 rows are events; 3 missing_user, as a.csv:4: NULL,i 1; 1 bad_time, as a.csv:3: u,i,soon"
        );
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    }

    #[test]
    fn actions_are_counted_up_to_a_hundred() {
        let actions = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut summary = Summary::default();
        assert!(!summary.lacks_actions(&actions(&["click"])), "nothing was seen");
        ["view", "view", "0"].iter().for_each(|action| summary.see_action(action));
        assert!(summary.lacks_actions(&actions(&["click"])) && !summary.lacks_actions(&actions(&["0"])));
        assert!(summary.to_string().contains("\nactions: 1 0, 2 view"), "{summary}");
        (0..200).for_each(|action| summary.see_action(&format!("a{action}")));
        assert_eq!((summary.actions.len(), summary.actions["…"]), (101, 102));
        assert!(!summary.lacks_actions(&actions(&["click"])), "it may be among those not named");
    }

    #[test]
    fn a_long_row_is_cut() {
        assert_eq!(shown("ü".repeat(500).as_bytes()).chars().count(), EXAMPLE_CHARS + 1);
        assert_eq!(shown(b"\xff\n"), "\u{fffd}");
    }
}
