//! A file's lines, with their numbers, one in memory at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::FeedError;

/// The longest line that is read, in bytes: far above what a broker takes as one message.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the lines that are not blank. `\n` and `\r\n` end a line and are not part of it.
pub(super) struct Lines {
    path: Arc<Path>,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
    bytes_read: u64,
    limit: usize,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, FeedError> {
        Self::with_limit(path, MAX_LINE_BYTES)
    }

    fn with_limit(path: &Path, limit: usize) -> Result<Self, FeedError> {
        let file = File::open(path).map_err(|error| FeedError::io(path, "opening it", error))?;
        let reader = BufReader::with_capacity(256 * 1024, file);
        Ok(Self { path: path.into(), reader, buffer: Vec::new(), number: 0, bytes_read: 0, limit })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The same, to be kept.
    pub(super) fn file(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    /// Bytes taken from the file so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line with its number, counted from 1; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, FeedError> {
        loop {
            self.buffer.clear();
            // Room for the line, for `\r\n`, and for one byte that tells a longer line.
            let room = self.limit as u64 + 3;
            let read = (&mut self.reader)
                .take(room)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|error| FeedError::io(&self.path, "reading it", error))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes_read += read as u64;
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
                if self.buffer.last() == Some(&b'\r') {
                    self.buffer.pop();
                }
            }
            if self.buffer.len() > self.limit {
                let (path, line, limit) = (self.path.to_path_buf(), self.number, self.limit);
                return Err(FeedError::LineTooLong { path, line, limit });
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

    fn lines(text: &[u8], limit: usize) -> Result<Vec<(u64, Vec<u8>)>, FeedError> {
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
