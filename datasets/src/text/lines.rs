//! A file's lines, with their numbers, one in memory at a time.

use std::path::Path;

use super::bytes::Bytes;
use crate::error::{Error, Result};

/// The longest line that is read, in bytes: far above what a broker takes as one message.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the lines that are not blank. `\n` and `\r\n` end a line and are not part of it; compression
/// and a byte order mark are read through.
pub struct Lines {
    bytes: Bytes,
    buffer: Vec<u8>,
    number: u64,
    limit: usize,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// Where the file cannot be read, or is no text that is read here.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with_limit(path, MAX_LINE_BYTES)
    }

    fn with_limit(path: &Path, limit: usize) -> Result<Self> {
        Ok(Self { bytes: Bytes::open(path)?, buffer: Vec::new(), number: 0, limit })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.bytes.path()
    }

    /// Bytes taken from the file so far, compressed where it is.
    pub fn bytes_read(&self) -> u64 {
        self.bytes.taken()
    }

    pub(crate) fn encoding(&self) -> String {
        self.bytes.encoding()
    }

    /// The beginning of the line that was read last, also of one that is too long.
    pub(crate) fn beginning(&self, bytes: usize) -> &[u8] {
        &self.buffer[..self.buffer.len().min(bytes)]
    }

    /// The next line with its number, counted from 1; none at the end.
    ///
    /// # Errors
    /// Where the file cannot be read on, and at a line longer than [`MAX_LINE_BYTES`].
    #[allow(clippy::should_implement_trait, reason = "a line is lent until the next one is read")]
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        loop {
            self.buffer.clear();
            // Room for the line, for `\r\n`, and for one byte that tells a longer line.
            if self.bytes.read_line(self.limit as u64 + 3, &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
                if self.buffer.last() == Some(&b'\r') {
                    self.buffer.pop();
                }
            }
            if self.buffer.len() > self.limit {
                let (path, line, limit) = (self.path().to_owned(), self.number, self.limit);
                return Err(Error::LineTooLong { path, line, limit });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some((self.number, &self.buffer)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, text).unwrap();
        let mut lines = Lines::with_limit(&path, limit)?;
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next()? {
            all.push((number, line.to_vec()));
        }
        assert_eq!(lines.bytes_read(), text.len() as u64);
        Ok(all)
    }

    #[test]
    fn blank_lines_count_but_do_not_come() {
        let read = lines(b"a\r\n\n  \r\n b \nc", 9).unwrap();
        assert_eq!(read, [(1, b"a".to_vec()), (4, b" b ".to_vec()), (5, b"c".to_vec())]);
        assert!(lines(b"", 9).unwrap().is_empty());
    }

    #[test]
    fn a_line_above_the_bound_is_named() {
        assert_eq!(lines(b"123456789\r\n1\n", 9).unwrap().len(), 2);
        assert_eq!(lines(b"123456789", 9).unwrap().len(), 1);
        for long in [&b"1\n1234567890\n1\n"[..], b"1\n1234567890", b"1\n1234567890123456\n"] {
            let error = lines(long, 9).unwrap_err().to_string();
            assert!(error.contains("lines:2: longer than 9 bytes"), "{error}");
        }
    }
}
