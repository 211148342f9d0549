//! Text files: opened through compression and a byte order mark, cut into lines, rows and columns.

mod bytes;
mod delimiter;
mod head;
mod lines;
mod rows;

pub use delimiter::Delimiter;
pub(crate) use head::Head;
pub use lines::{Lines, MAX_LINE_BYTES};
pub(crate) use rows::{Row, Rows};

/// A text; where it is not UTF-8 it is read as Latin-1, as the older data sets are.
pub(crate) fn text(field: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(field) {
        Ok(text) => text.into(),
        Err(_) => field.iter().copied().map(char::from).collect::<String>().into(),
    }
}
