//! Rows of text files, with their places.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hmisr_features::Id;

use crate::error::{Error, Result};

/// Seconds of this size or more are milliseconds: as seconds they would lie after the year 5138.
const LEAST_MILLIS: f64 = 1e11;

/// A row's fields and where it stands.
pub(super) struct Row<'a> {
    pub(super) path: &'a Path,
    place: Place,
    pub(super) fields: Vec<&'a [u8]>,
}

/// Where a row stands.
enum Place {
    Line(u64),
    /// The CSV reader tells where the row before ended: empty lines may lie between.
    After {
        line: u64,
        byte: u64,
    },
}

impl Row<'_> {
    pub(super) fn bad(&self, column: &str, value: &[u8], expected: impl Into<String>) -> Error {
        let line = match self.place {
            Place::Line(line) => line,
            Place::After { line, byte } => line + empty_lines(self.path, byte).unwrap_or(0),
        };
        Error::line(self.path, line, column, value, expected)
    }

    /// Refuses a row that has another number of fields.
    pub(super) fn expect_fields(&self, expected: usize, layout: &str) -> Result<()> {
        if self.fields.len() == expected {
            return Ok(());
        }
        let found = self.fields.join(&b" "[..]);
        Err(self.bad("line", &found, format!("a row of {expected} columns ({layout})")))
    }

    pub(super) fn id(&self, at: usize, column: &str) -> Result<Id> {
        let field = self.fields[at].trim_ascii();
        std::str::from_utf8(field)
            .ok()
            .and_then(|text| Id::parse(text).ok())
            .ok_or_else(|| self.bad(column, field, "an id of 1 to 128 bytes of UTF-8"))
    }

    /// A time as epoch milliseconds.
    pub(super) fn millis(&self, at: usize, column: &str) -> Result<i64> {
        let field = self.fields[at].trim_ascii();
        let bad = || self.bad(column, field, "a time in seconds (or milliseconds) since 1970");
        let number: f64 =
            std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()).ok_or_else(bad)?;
        let millis = if number.abs() < LEAST_MILLIS { number * 1_000.0 } else { number };
        // Above 2⁵³ a number would not be exact; this also refuses NaN.
        if millis.abs() < 9e15 { Ok(millis.round() as i64) } else { Err(bad()) }
    }

    /// A text; where it is not UTF-8 it is read as Latin-1, as the older data sets are.
    pub(super) fn text(&self, at: usize) -> String {
        let field = self.fields[at];
        match std::str::from_utf8(field) {
            Ok(text) => text.to_owned(),
            Err(_) => field.iter().copied().map(char::from).collect(),
        }
    }
}

/// A file of rows with a one-byte delimiter.
pub(super) struct Table {
    path: PathBuf,
    reader: ::csv::Reader<File>,
    record: ::csv::ByteRecord,
}

impl Table {
    /// Opens a file; `quoting`: whether `"` may enclose a field.
    pub(super) fn open(path: &Path, delimiter: u8, quoting: bool) -> Result<Self> {
        let reader = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(quoting)
            .has_headers(false)
            .flexible(true)
            .from_reader(File::open(path).map_err(|error| Error::io(path, "opening it", error))?);
        Ok(Self { path: path.to_owned(), reader, record: ::csv::ByteRecord::new() })
    }

    /// The next row that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>> {
        let more = self.reader.read_byte_record(&mut self.record);
        match more.map_err(|error| self.failed(error))? {
            false => Ok(None),
            true => Ok(Some(Row {
                path: &self.path,
                place: self.record.position().map_or(Place::Line(0), |position| Place::After {
                    line: position.line(),
                    byte: position.byte(),
                }),
                fields: self.record.iter().collect(),
            })),
        }
    }

    fn failed(&self, error: ::csv::Error) -> Error {
        let text = error.to_string();
        match error.into_kind() {
            ::csv::ErrorKind::Io(error) => Error::io(&self.path, "reading it", error),
            _ => Error::input(&self.path, text, "rows of one layout"),
        }
    }

    /// The first row as column names, each as `rename` gives it.
    pub(super) fn header(&mut self, rename: impl Fn(&str) -> String) -> Result<Header> {
        let path = self.path.clone();
        let Some(row) = self.next()? else {
            return Err(Error::input(&path, "the file is empty", "a header and rows"));
        };
        let names: Vec<_> = (0..row.fields.len()).map(|at| rename(row.text(at).trim())).collect();
        // Spreadsheet programs begin a file with a byte order mark.
        let names = names.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        Ok(Header { path, names })
    }
}

/// Line ends from this byte on, up to the first other byte.
fn empty_lines(path: &Path, byte: u64) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(byte))?;
    let mut lines = 0;
    for byte in BufReader::new(file).bytes() {
        match byte? {
            b'\n' => lines += 1,
            b'\r' => {}
            _ => break,
        }
    }
    Ok(lines)
}

/// The names of a file's columns.
pub(super) struct Header {
    path: PathBuf,
    names: Vec<String>,
}

impl Header {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn describe(&self) -> String {
        self.names.join(", ")
    }

    /// The first column of one of these names.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        self.names.iter().position(|name| names.contains(&name.as_str()))
    }

    /// The same; an error where there is none.
    pub(super) fn require(&self, names: &[&str], remedy: &str) -> Result<usize> {
        self.find(names).ok_or_else(|| {
            let found = format!("no column {} in the header ({})", names.join(" or "), self.describe());
            Error::input(&self.path, found, remedy)
        })
    }
}

/// A file whose fields stand between `::`.
pub(super) struct Colons {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
}

impl Colons {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "opening it", error))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), buffer: Vec::new(), line: 0 })
    }

    /// The next row that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>> {
        loop {
            self.buffer.clear();
            let read = self.reader.read_until(b'\n', &mut self.buffer);
            if read.map_err(|error| Error::io(&self.path, "reading it", error))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(Row {
            path: &self.path,
            place: Place::Line(self.line),
            fields: split(self.buffer.trim_ascii_end()),
        }))
    }
}

fn split(line: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::with_capacity(4);
    let mut rest = line;
    while let Some(at) = rest.windows(2).position(|two| two == b"::") {
        fields.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    fields.push(rest);
    fields
}
