//! Which offsets formed which batch since the last snapshot.
//!
//! What comes together in a batch depends on the clock, so it is written down before the batch is
//! learnt from. After a restart the same batches are formed again, and learning goes on as if it
//! had never stopped. One JSON line a batch; appended without fsync: a killed process loses
//! nothing, and a power cut at worst the newest lines, whose examples are then batched anew.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hmisr_recommend::plain;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The longest journal that is read, bytes: some million batches.
const MOST_BYTES: u64 = 256 << 20;

/// A batch: its number, from 1, and per partition its first offset and the one after its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) batch: u64,
    pub(crate) ranges: BTreeMap<i32, (i64, i64)>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal in `folder`; the entries after batch `learnt`, which the snapshot holds. Where that is
    /// none, the journal belongs to another snapshot than the one that is gone on from, and is emptied.
    pub(crate) fn open(folder: &Path, learnt: Option<u64>) -> Result<(Self, Vec<Entry>)> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let path = folder.join("journal");
        let io = |error| Error::io("open", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = plain::open_with(&path, &mut options).map_err(io)?;
        let Some(learnt) = learnt else {
            file.set_len(0).map_err(io)?;
            return Ok((Self { path, file }, Vec::new()));
        };
        let length = file.metadata().map_err(io)?.len();
        if length > MOST_BYTES {
            return Err(bad(&path, 0, format!("{length} bytes, at most {MOST_BYTES} are read")));
        }
        let mut text = String::new();
        Read::by_ref(&mut file).take(MOST_BYTES).read_to_string(&mut text).map_err(io)?;
        // A line without its end was being written when the process died: its batch was not learnt.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let mut entries = Vec::new();
        for (number, line) in text[..whole].lines().enumerate() {
            let entry: Entry = serde_json::from_str(line).map_err(|error| bad(&path, number + 1, error))?;
            if entry.batch <= learnt {
                continue;
            }
            let expected = learnt + 1 + entries.len() as u64;
            if entry.batch != expected {
                return Err(bad(&path, number + 1, format!("batch {}, expected {expected}", entry.batch)));
            }
            entries.push(entry);
        }
        Ok((Self { path, file }, entries))
    }

    pub(crate) fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|error| Error::caused(ErrorKind::Io, format!("journal: {error}"), error))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| Error::io("append to", &self.path, error))
    }

    /// Empties it: a snapshot holds all of it.
    pub(crate) fn clear(&mut self) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(|error| Error::io("truncate", &self.path, error))
    }
}

/// `line` 0: the whole file.
fn bad(path: &Path, line: usize, problem: impl std::fmt::Display) -> Error {
    let line = if line == 0 { String::new() } else { format!(", line {line}") };
    let text = format!(
        "{}{line}: {problem}; remove the file to go on from the snapshot alone (its examples are learnt again, in \
         other batches)",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(batch: u64) -> Entry {
        let at = batch as i64 * 10;
        Entry { batch, ranges: BTreeMap::from([(0, (at - 10, at)), (3, (at, at + 1))]) }
    }

    #[test]
    fn what_the_snapshot_holds_is_skipped_and_a_cut_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, entries) = Journal::open(folder.path(), Some(0)).unwrap();
        assert!(entries.is_empty());
        (1..=3).for_each(|batch| journal.append(&entry(batch)).unwrap());
        drop(journal);
        let path = folder.path().join("journal");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"batch\":4,\"ran");
        std::fs::write(&path, text).unwrap();
        let (mut journal, entries) = Journal::open(folder.path(), Some(1)).unwrap();
        assert_eq!(entries, [entry(2), entry(3)]);
        journal.append(&entry(4)).unwrap();
        drop(journal);
        let (mut journal, entries) = Journal::open(folder.path(), Some(3)).unwrap();
        assert_eq!(entries, [entry(4)]);
        journal.clear().unwrap();
        journal.append(&entry(5)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path(), Some(4)).unwrap().1, [entry(5)]);
    }

    #[test]
    fn a_gap_or_a_broken_line_is_an_error_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path(), Some(0)).unwrap();
        journal.append(&entry(3)).unwrap();
        drop(journal);
        let error = Journal::open(folder.path(), Some(1)).unwrap_err();
        assert!(error.to_string().contains("line 1: batch 3, expected 2"), "{error}");
        std::fs::write(folder.path().join("journal"), "nonsense\n").unwrap();
        let error = Journal::open(folder.path(), Some(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("remove the file"), "{error}");
    }
}
