//! Rows of columns, with the line on which each begins.

use std::collections::VecDeque;
use std::path::Path;

use csv_core::ReadRecordResult;

use super::{Delimiter, Lines};
use crate::error::Result;

/// Lines over which one quoted row may go; beyond, its quote is taken for a stray one.
const MAX_QUOTED_LINES: usize = 1_000;
/// The same in bytes.
const MAX_QUOTED_BYTES: usize = 1 << 20;

/// A row.
pub(crate) struct Row<'a> {
    /// The line on which it begins, counted from 1.
    pub(crate) line: u64,
    /// As it stands.
    pub(crate) raw: &'a [u8],
    text: &'a [u8],
    fields: &'a [(usize, usize)],
}

impl Row<'_> {
    /// Its columns.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A column, without the spaces around it.
    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        let (from, to) = *self.fields.get(at)?;
        self.text.get(from..to).map(<[u8]>::trim_ascii)
    }
}

/// The rows of a file.
///
/// Where quotes count, a quoted column may hold delimiters, doubled quotes and line ends. A quote that
/// is not closed before a delimiter or the row's end, or whose row would go over several lines and not have
/// the columns of the others, is a stray one: its line is then read as it stands, and so are those after it,
/// so that one quote never swallows other rows.
pub(crate) struct Rows {
    lines: Lines,
    delimiter: Delimiter,
    quoting: bool,
    /// Columns of a whole row, where that is known.
    columns: Option<usize>,
    parser: csv_core::Reader,
    /// Lines read ahead.
    ahead: VecDeque<(u64, Vec<u8>)>,
    raw: Vec<u8>,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    fields: Vec<(usize, usize)>,
}

impl Rows {
    /// Opens a file; `quoting`: whether `"` may enclose a column.
    pub(crate) fn open(path: &Path, delimiter: Delimiter, quoting: bool) -> Result<Self> {
        Ok(Self::of(Lines::open(path)?, delimiter, quoting))
    }

    fn of(lines: Lines, delimiter: Delimiter, quoting: bool) -> Self {
        let mut builder = csv_core::ReaderBuilder::new();
        builder.terminator(csv_core::Terminator::Any(b'\n'));
        if let Delimiter::Byte(byte) = delimiter {
            builder.delimiter(byte);
        }
        Self {
            lines,
            delimiter,
            quoting: quoting && delimiter != Delimiter::Colons,
            columns: None,
            parser: builder.build(),
            ahead: VecDeque::new(),
            raw: Vec::new(),
            unquoted: Vec::new(),
            ends: Vec::new(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.lines.path()
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    pub(crate) fn encoding(&self) -> String {
        self.lines.encoding()
    }

    pub(crate) fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    pub(crate) fn quoting(&self) -> bool {
        self.quoting
    }

    /// Says how many columns a whole row has.
    pub(crate) fn expect_columns(&mut self, columns: usize) {
        self.columns = Some(columns);
    }

    /// The next row that is not empty.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        self.raw.clear();
        let Some(line) = self.take_line()? else { return Ok(None) };
        self.fields.clear();
        let quoted = self.quoting && self.raw.contains(&b'"') && self.unquote()?;
        if !quoted {
            self.delimiter.split(&self.raw, &mut self.fields);
        }
        let text = if quoted { &self.unquoted } else { &self.raw };
        Ok(Some(Row { line, raw: &self.raw, text, fields: &self.fields }))
    }

    /// Appends the next line to `raw`.
    fn take_line(&mut self) -> Result<Option<u64>> {
        if let Some((line, text)) = self.ahead.pop_front() {
            self.raw.extend_from_slice(&text);
            return Ok(Some(line));
        }
        Ok(self.lines.next()?.map(|(line, text)| {
            self.raw.extend_from_slice(text);
            line
        }))
    }

    /// Reads the row at `raw`, and the lines over which it goes on, with quotes; false where they make
    /// no row: `raw` is then its first line alone.
    fn unquote(&mut self) -> Result<bool> {
        let first = self.raw.len();
        let mut added: Vec<(u64, usize)> = Vec::new();
        let mut from = 0;
        self.unquoted.clear();
        self.ends.clear();
        self.parser.reset();
        let whole = loop {
            let Self { parser, raw, unquoted, ends, .. } = self;
            // A line end within quotes is part of the column, and any other ends the row.
            if parse(parser, &raw[from..], unquoted, ends) || parse(parser, b"\n", unquoted, ends) {
                // Of one line alone that is well quoted it is said that it has other columns; cut anew
                // within its quotes, it might have as many as the others by chance.
                let fits = self.columns.is_none_or(|columns| columns == self.ends.len());
                break (fits || added.is_empty()) && quotes_close(&self.raw, self.delimiter);
            }
            if added.len() >= MAX_QUOTED_LINES || self.raw.len() >= MAX_QUOTED_BYTES {
                break false;
            }
            self.raw.push(b'\n');
            from = self.raw.len();
            match self.take_line()? {
                Some(line) => added.push((line, from)),
                None => {
                    self.raw.pop();
                    break false;
                }
            }
        };
        if whole {
            let mut start = 0;
            self.fields.extend(self.ends.iter().map(|&end| (std::mem::replace(&mut start, end), end)));
            return Ok(true);
        }
        let mut end = self.raw.len();
        for (line, start) in added.into_iter().rev() {
            self.ahead.push_front((line, self.raw[start..end].to_vec()));
            // One byte before a line is the line end that joined it.
            end = start - 1;
        }
        self.raw.truncate(first);
        Ok(false)
    }
}

/// Whether every quote that begins a column is closed right before a delimiter or the row's end.
fn quotes_close(row: &[u8], delimiter: Delimiter) -> bool {
    let ends_column = |byte: &u8| Delimiter::Byte(*byte) == delimiter;
    let mut rest = row.iter().peekable();
    while rest.peek().is_some() {
        if rest.next_if(|byte| **byte == b'"').is_some() {
            // Behind the closing quote; a doubled one is text.
            while rest.any(|byte| *byte == b'"') && rest.next_if(|byte| **byte == b'"').is_some() {}
            match rest.next() {
                Some(byte) if !ends_column(byte) => return false,
                _ => continue,
            }
        }
        let _ = rest.any(ends_column);
    }
    true
}

/// Gives `input` to the parser; whether a row ended.
fn parse(parser: &mut csv_core::Reader, mut input: &[u8], text: &mut Vec<u8>, ends: &mut Vec<usize>) -> bool {
    while !input.is_empty() {
        let (text_from, ends_from) = (text.len(), ends.len());
        text.resize(text_from + input.len() + 1, 0);
        ends.resize(ends_from + input.len() + 1, 0);
        let (result, read, written, ended) =
            parser.read_record(input, &mut text[text_from..], &mut ends[ends_from..]);
        text.truncate(text_from + written);
        ends.truncate(ends_from + ended);
        if matches!(result, ReadRecordResult::Record) {
            return true;
        }
        input = &input[read..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line: column|column` of each row.
    fn rows(text: &str, delimiter: Delimiter, columns: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        let mut rows = Rows::open(&path, delimiter, true).unwrap();
        rows.expect_columns(columns);
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let fields: Vec<_> =
                (0..row.len()).map(|at| String::from_utf8_lossy(row.get(at).unwrap()).into_owned()).collect();
            all.push(format!("{}: {}", row.line, fields.join("|")));
        }
        all
    }

    #[test]
    fn quotes_enclose_delimiters_quotes_and_line_ends() {
        let text = "a,\"b,c\",d\r\n\n\"x\ny\",\"say \"\"hi\"\"\",\"\"\r\n1,2,3";
        assert_eq!(rows(text, Delimiter::COMMA, 3), ["1: a|b,c|d", "3: x\ny|say \"hi\"|", "5: 1|2|3"]);
    }

    #[test]
    fn a_stray_quote_swallows_no_row() {
        let text = "1,\"abc,5\n2,b,6\n3,\"c\",7\n4,d,8\n";
        assert_eq!(rows(text, Delimiter::COMMA, 3), ["1: 1|\"abc|5", "2: 2|b|6", "3: 3|c|7", "4: 4|d|8"]);
        let text = "1,5\" disk,5\n2,\"b\n";
        assert_eq!(rows(text, Delimiter::COMMA, 3), ["1: 1|5\" disk|5", "2: 2|\"b"]);
    }

    #[test]
    fn a_well_quoted_row_that_lacks_a_column_is_not_cut_within_its_quotes() {
        let text = "1,\"2,b\",5\n\"3,c\",d,6\n";
        assert_eq!(rows(text, Delimiter::COMMA, 4), ["1: 1|2,b|5", "2: 3,c|d|6"]);
    }

    #[test]
    fn every_delimiter_splits() {
        for delimiter in Delimiter::ALL {
            let sign = match delimiter {
                Delimiter::TAB => "\t".to_owned(),
                Delimiter::Byte(b' ') => " ".to_owned(),
                other => other.to_string(),
            };
            assert_eq!(rows(&["1", "b", "3"].join(&sign), delimiter, 3), ["1: 1|b|3"], "{delimiter}");
        }
    }
}
