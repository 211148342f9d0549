//! What a row says of an event, still as text.

use serde_json::Value;

use crate::values::is_missing;

/// A column's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    /// Whether what stands there is no text: a list, an object, bytes that are not UTF-8.
    bad: bool,
}

impl Cell {
    /// Nothing stands there.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.bad = false;
    }

    /// Takes a column; `latin`: whether what is not UTF-8 is read as Latin-1.
    pub(crate) fn set(&mut self, field: Option<&[u8]>, latin: bool) {
        self.clear();
        let Some(field) = field else { return };
        match std::str::from_utf8(field) {
            Ok(text) => self.text.push_str(text),
            Err(_) if latin => self.text.extend(field.iter().copied().map(char::from)),
            Err(_) => {
                self.text.push_str(&String::from_utf8_lossy(field));
                self.bad = true;
            }
        }
    }

    /// Takes a value of JSON; `list`: whether it may be a list.
    pub(crate) fn set_json(&mut self, value: Option<&Value>, list: bool) {
        use std::fmt::Write;
        self.clear();
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => self.text.push_str(text),
            // Writing to a text cannot fail.
            Some(Value::Number(number)) => {
                let _ = write!(self.text, "{number}");
            }
            Some(Value::Array(values)) if list => {
                let mut flat = Vec::new();
                flatten(values, &mut flat);
                let _ = write!(self.text, "{}", Value::Array(flat));
            }
            Some(other) => {
                let _ = write!(self.text, "{other}");
                self.bad = true;
            }
        }
    }

    /// What stands there; none where it is not a text.
    pub(crate) fn get(&self) -> Option<&str> {
        (!self.bad).then_some(&self.text)
    }

    /// Whether nothing, or a word for it, stands there.
    pub(crate) fn is_missing(&self) -> bool {
        !self.bad && is_missing(&self.text)
    }

    /// Changes the text.
    pub(crate) fn rewrite(&mut self, change: impl FnOnce(&str) -> Option<String>) {
        if let Some(text) = self.get().and_then(change) {
            self.text = text;
        }
    }
}

/// Lists within lists as one: Amazon's categories are paths.
fn flatten(values: &[Value], flat: &mut Vec<Value>) {
    for value in values {
        match value {
            Value::Array(values) => flatten(values, flat),
            other => flat.push(other.clone()),
        }
    }
}

/// A row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cells {
    /// The line on which it begins.
    pub(crate) line: u64,
    /// As it stands.
    pub(crate) raw: Vec<u8>,
    pub(crate) user: Cell,
    pub(crate) item: Cell,
    pub(crate) time: Cell,
    /// Milliseconds after the time.
    pub(crate) offset: Cell,
    pub(crate) action: Cell,
    pub(crate) weight: Cell,
    pub(crate) categories: Vec<Cell>,
    /// `request_id`, `event_id` and `is_tail`, where the rows are the stream's own events.
    pub(crate) marks: [Option<Value>; 3],
}
