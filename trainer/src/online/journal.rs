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

use hmisr_recommend::artifact::{Manifest, Topic};
use hmisr_recommend::plain;
use serde::{Deserialize, Serialize};

use crate::lesson::FirstLesson;
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

/// The version that a journal's batches were learnt after, by what no other one has; zeros before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    pub(crate) version: u64,
    pub(crate) created_ms: i64,
}

impl From<&Manifest> for Base {
    fn from(manifest: &Manifest) -> Self {
        Self { version: manifest.version, created_ms: manifest.created_ms }
    }
}

/// A journal's first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    after: Base,
    /// The topic that its offsets are of; none in journals of before this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<Topic>,
    /// The first lesson that its batches are of. A version that was published in it says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lesson: Option<FirstLesson>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// The topic that its offsets are of.
    pub(crate) topic: Topic,
    /// The first lesson that began before any version was published.
    pub(crate) lesson: Option<FirstLesson>,
}

impl Journal {
    /// Opens the journal in `folder`; the entries after batch `learnt`, which the version `base` holds. A journal of
    /// another version is emptied: its batches follow what is not gone on from. Where it does not say of which
    /// topic it is, or names no offset, it is of `topic`.
    pub(crate) fn open(folder: &Path, base: Base, topic: Topic, learnt: u64) -> Result<(Self, Vec<Entry>)> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let path = folder.join("journal");
        let io = |error| Error::io("open", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = plain::open_with(&path, &mut options).map_err(io)?;
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
        let mut lines = text[..whole].lines().enumerate().peekable();
        // A journal of before there were headers is taken for the newest version's own, as it was then.
        let header = lines.peek().and_then(|(_, line)| serde_json::from_str::<Header>(line).ok());
        let is_own = match &header {
            Some(header) => header.after == base,
            None => whole > 0,
        };
        let mut journal = Self { path: path.clone(), file, topic: topic.clone(), lesson: None };
        if !is_own {
            if whole > 0 {
                tracing::warn!(journal = %path.display(), ?header, ?base, "the journal follows another version: emptied");
            }
            journal.clear(base)?;
            return Ok((journal, Vec::new()));
        }
        if let Some(header) = header {
            journal.lesson = header.lesson;
            if let Some(written) = header.topic {
                journal.topic = written;
            }
            lines.next();
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in lines {
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
        if entries.is_empty() && journal.lesson.is_none() && journal.topic != topic {
            journal.topic = topic;
            journal.clear(base)?;
        }
        Ok((journal, entries))
    }

    pub(crate) fn append(&mut self, entry: &Entry) -> Result<()> {
        self.write(entry)
    }

    /// Empties it: the version `base` holds all of it.
    pub(crate) fn clear(&mut self, base: Base) -> Result<()> {
        self.empty(base, None)
    }

    /// Empties it: a lesson begins, and nothing is published yet.
    pub(crate) fn begin(&mut self, lesson: FirstLesson) -> Result<()> {
        self.empty(Base::default(), Some(lesson))
    }

    fn empty(&mut self, after: Base, lesson: Option<FirstLesson>) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|error| Error::io("truncate", &self.path, error))?;
        let header = Header { after, topic: Some(self.topic.clone()), lesson };
        self.write(&header)?;
        self.lesson = header.lesson;
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(line)
            .map_err(|error| Error::caused(ErrorKind::Io, format!("journal: {error}"), error))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| Error::io("append to", &self.path, error))
    }
}

/// `line` 0: the whole file.
fn bad(path: &Path, line: usize, problem: impl std::fmt::Display) -> Error {
    let line = if line == 0 { String::new() } else { format!(", line {line}") };
    let text = format!(
        "{}{line}: {problem}; remove the file to go on from the newest version, or to begin anew where there is none \
         (its examples are learnt again, in other batches)",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn entry(batch: u64) -> Entry {
        let at = batch as i64 * 10;
        Entry { batch, ranges: BTreeMap::from([(0, (at - 10, at)), (3, (at, at + 1))]) }
    }

    fn base(version: u64) -> Base {
        Base { version, created_ms: 7 }
    }

    fn topic(id: &str) -> Topic {
        Topic { name: "training-examples".to_owned(), id: id.to_owned(), partitions: 4 }
    }

    fn open(folder: &TempDir, base: Base, learnt: u64) -> Result<(Journal, Vec<Entry>)> {
        Journal::open(folder.path(), base, topic("one"), learnt)
    }

    #[test]
    fn what_the_snapshot_holds_is_skipped_and_a_cut_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, entries) = open(&folder, base(0), 0).unwrap();
        assert!(entries.is_empty());
        (1..=3).for_each(|batch| journal.append(&entry(batch)).unwrap());
        drop(journal);
        let path = folder.path().join("journal");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"batch\":4,\"ran");
        std::fs::write(&path, text).unwrap();
        let (mut journal, entries) = open(&folder, base(0), 0).unwrap();
        assert_eq!(entries, [entry(1), entry(2), entry(3)]);
        journal.append(&entry(4)).unwrap();
        journal.clear(base(1)).unwrap();
        journal.append(&entry(5)).unwrap();
        drop(journal);
        assert_eq!(open(&folder, base(1), 4).unwrap().1, [entry(5)]);
    }

    #[test]
    fn a_journal_of_another_version_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(&folder, base(3), 2).unwrap();
        (3..=5).for_each(|batch| journal.append(&entry(batch)).unwrap());
        drop(journal);
        // Of the same number, made anew.
        let again = Base { created_ms: 8, ..base(3) };
        assert!(open(&folder, again, 2).unwrap().1.is_empty());
        assert!(open(&folder, base(3), 2).unwrap().1.is_empty(), "what was emptied is gone");
    }

    #[test]
    fn a_journal_without_a_header_is_the_newest_versions() {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> =
            (1..=3).map(|batch| serde_json::to_string(&entry(batch)).unwrap() + "\n").collect();
        std::fs::write(folder.path().join("journal"), lines.concat()).unwrap();
        let (mut journal, entries) = open(&folder, base(9), 1).unwrap();
        assert_eq!(entries, [entry(2), entry(3)]);
        journal.append(&entry(4)).unwrap();
        drop(journal);
        assert_eq!(open(&folder, base(9), 3).unwrap().1, [entry(4)]);
    }

    #[test]
    fn a_journal_says_which_topic_it_is_of() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder, base(0), 0).unwrap().0.append(&entry(1)).unwrap();
        let again = |id: &str, after: Base| {
            Journal::open(folder.path(), after, topic(id), 0).map(|(journal, _)| journal.topic.id).unwrap()
        };
        assert_eq!(again("two", base(0)), "one");
        assert_eq!(again("two", base(1)), "two", "it follows another version, so it was emptied");
        assert_eq!(again("three", base(1)), "three", "it names no offset");
        // Of a build that did not write this down.
        let header = serde_json::to_string(&serde_json::json!({ "after": base(1) })).unwrap() + "\n";
        std::fs::write(folder.path().join("journal"), header).unwrap();
        assert_eq!(again("four", base(1)), "four");
    }

    #[test]
    fn a_gap_or_a_broken_line_is_an_error_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(&folder, base(1), 0).unwrap();
        journal.append(&entry(3)).unwrap();
        drop(journal);
        let error = open(&folder, base(1), 1).unwrap_err();
        assert!(error.to_string().contains("line 2: batch 3, expected 2"), "{error}");
        std::fs::write(folder.path().join("journal"), "nonsense\n").unwrap();
        let error = open(&folder, base(1), 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("remove the file"), "{error}");
    }
}
