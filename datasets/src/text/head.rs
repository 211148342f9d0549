//! The beginning of a file, from which is told how it is written.

use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::{Delimiter, Rows};
use crate::error::{Error, Result};

/// Bytes of text that are looked at.
const HEAD_BYTES: usize = 256 * 1024;
/// Lines that are looked at to recognise a delimiter.
const LINES: usize = 100;

/// The first lines of a file.
pub(crate) struct Head {
    path: PathBuf,
    lines: Vec<Vec<u8>>,
}

impl Head {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let mut file = Lines::open(path)?;
        while bytes < HEAD_BYTES {
            match file.next() {
                Ok(Some((_, line))) => {
                    bytes += line.len();
                    lines.push(line.to_vec());
                }
                Ok(None) => break,
                // Whoever reads the file refuses the line; its beginning may say what the file is.
                Err(Error::LineTooLong { .. }) => {
                    lines.push(file.beginning(HEAD_BYTES).to_vec());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { path: path.to_owned(), lines })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The keys of each object among the lines, of JSON or Python.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.lines.iter().filter_map(|line| crate::json::keys_loosely(line))
    }

    /// The keys of each JSON object among the lines.
    pub(crate) fn json_objects(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.lines.iter().filter_map(|line| crate::json::keys(line))
    }

    /// These values of each JSON object among the lines.
    pub(crate) fn values<'a>(
        &'a self,
        wanted: &'a [String],
    ) -> impl Iterator<Item = Vec<Option<serde_json::Value>>> + 'a {
        self.lines.iter().filter_map(|line| crate::json::pick(line, wanted))
    }

    /// Whether the lines are objects, at least one of them.
    pub(crate) fn is_json_lines(&self) -> bool {
        self.objects().next().is_some()
    }

    /// Refuses a file that is one JSON value over all its lines: an array, or an object.
    pub(crate) fn refuse_one_json(&self) -> Result<()> {
        let Some(first) = self.lines.first().map(|line| line.trim_ascii()) else { return Ok(()) };
        let second = self.lines.get(1).map(|line| line.trim_ascii()).unwrap_or_default();
        let shown = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        let array = first
            .strip_prefix(b"[")
            .map(<[u8]>::trim_ascii)
            .is_some_and(|rest| rest.starts_with(b"{") || (rest.is_empty() && second.starts_with(b"{")));
        if array {
            return Err(Error::unclear(
                &self.path,
                "one JSON array, where one JSON object a line is expected",
                format!("write one object a line: jq -c '.[]' {shown} > lines-{shown}"),
            ));
        }
        if first == b"{" {
            return Err(Error::unclear(
                &self.path,
                "JSON over several lines, where one object a line is expected",
                format!("write one object a line: jq -c . {shown} > lines-{shown}"),
            ));
        }
        Ok(())
    }

    /// The first rows, cut at a delimiter.
    pub(crate) fn rows(&self, delimiter: Delimiter, quoting: bool) -> Result<Vec<Vec<String>>> {
        let mut rows = Rows::open(&self.path, delimiter, quoting)?;
        let mut all = Vec::new();
        while all.len() < self.lines.len().min(LINES) {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) | Err(Error::LineTooLong { .. }) => break,
                Err(error) => return Err(error),
            };
            let columns = (0..row.len()).map(|at| super::text(row.get(at).unwrap_or_default()).into_owned());
            all.push(columns.collect());
            if all.len() == 1 {
                let columns = row.len();
                rows.expect_columns(columns);
            }
        }
        Ok(all)
    }

    /// The delimiter at which most of the first rows have as many columns as the first one, at least
    /// two; of several, the one at which `known` counts more of the header's names, then the one that
    /// gives more columns.
    pub(crate) fn delimiter(&self, known: impl Fn(&[String]) -> usize) -> Result<Option<Delimiter>> {
        let mut best = None;
        for (order, delimiter) in Delimiter::ALL.into_iter().enumerate() {
            let rows = self.rows(delimiter, delimiter != Delimiter::TAB)?;
            let Some(first) = rows.first().filter(|first| first.len() > 1) else { continue };
            let alike = rows.iter().filter(|row| row.len() == first.len()).count();
            let told = known(first);
            // Names that are known say more than rows of which some are broken.
            if told < 2 && alike * 10 < rows.len() * 8 {
                continue;
            }
            let rank = (told, first.len(), usize::MAX - order);
            if best.as_ref().is_none_or(|(found, _)| *found < rank) {
                best = Some((rank, delimiter));
            }
        }
        Ok(best.map(|(_, delimiter)| delimiter))
    }
}
