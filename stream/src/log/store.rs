//! The log itself: topics, appends and committed offsets.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rocksdb::{
    ColumnFamilyDescriptor, DB, DBCompactionStyle, DBCompressionType, Options, WriteBatch, WriteOptions,
};
use serde::{Deserialize, Serialize};

use super::codec::{Encoded, offset_key, offset_of, record_key};
use super::{LogSink, LogSource};
use crate::{Error, ErrorKind, Outgoing, Result, TopicInfo};

pub(super) const RECORDS: &str = "records";
const TOPICS: &str = "topics";
const OFFSETS: &str = "offsets";

/// How a [`Log`] keeps its promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Whether a commit waits for the disk (fsync). Without it a commit survives `kill -9`, but
    /// not a power failure.
    pub sync: bool,
    /// Largest record, key and headers included, in bytes; 1,000,000 to 1 GiB: dead letters need
    /// that much.
    pub max_record_bytes: usize,
    /// Records beyond this many bytes of a partition are dropped once every group is past them;
    /// at least 1 MiB. What counts is what they take on the disk, compressed; the newest records
    /// count only once they are in a table (up to 32 MiB are not).
    pub retention_bytes: u64,
    /// Records older than this are dropped once every group is past them, in milliseconds.
    pub retention_ms: u64,
    /// How long every group must have been past a record before it is dropped, in milliseconds,
    /// at most a day. A group's own state may not be on the disk when its offset is: after a
    /// power failure it reads again from before the offset, and finds its records within this
    /// time. Counted from the log's opening, so nothing is dropped sooner after it.
    pub retention_margin_ms: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            sync: true,
            max_record_bytes: 1 << 20,
            retention_bytes: 256 << 20,
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_margin_ms: 60_000,
        }
    }
}

impl LogSettings {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// A text with the first setting outside its range, its value and the range.
    pub fn validate(&self) -> std::result::Result<(), String> {
        let Self { max_record_bytes, retention_bytes, retention_margin_ms, .. } = self;
        if !(1_000_000..=1 << 30).contains(max_record_bytes) {
            return Err(format!(
                "log.max_record_bytes is {max_record_bytes}: it must be 1000000 to 1073741824 bytes"
            ));
        }
        if *retention_bytes < 1 << 20 {
            return Err(format!(
                "log.retention_bytes is {retention_bytes}: it must be at least 1048576 bytes"
            ));
        }
        if *retention_margin_ms > 24 * 60 * 60 * 1000 {
            return Err(format!(
                "log.retention_margin_ms is {retention_margin_ms}: it must be 0 to 86400000 milliseconds"
            ));
        }
        Ok(())
    }
}

/// Topics, offsets and transactions in one RocksDB. Clones share it.
#[derive(Clone)]
pub struct Log {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) db: DB,
    pub(super) settings: LogSettings,
    pub(super) index: Mutex<Index>,
    pub(super) grown: Condvar,
}

/// What is known of the topics without reading the disk.
#[derive(Default)]
pub(super) struct Index {
    pub(super) topics: BTreeMap<String, Topic>,
    /// The newest sink of each transactional id; older ones are fenced.
    pub(super) epochs: HashMap<String, u64>,
    /// Groups that read a topic, committed or not: retention never passes them.
    pub(super) readers: Vec<(String, String)>,
    /// What every group was past at earlier passes of the retention, by topic and partition.
    pub(super) passed: HashMap<(u32, i32), VecDeque<Passed>>,
}

/// Every group was past the records before `floor`, at the latest at this time.
pub(super) struct Passed {
    pub(super) at: Instant,
    pub(super) floor: i64,
}

pub(super) struct Topic {
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) spans: Vec<Span>,
}

/// Offsets of a partition that are in the log: from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredTopic {
    number: u32,
    id: String,
    partitions: i32,
}

impl Log {
    /// Opens the log in `path`, or makes it.
    ///
    /// # Errors
    /// Kind `Unavailable` where the folder cannot be opened, another process holds it for example;
    /// kind `Corrupt` where what lies there cannot be read.
    pub fn open(path: &Path, settings: LogSettings) -> Result<Self> {
        Self::over(DB::open_cf_descriptors(&options(), path, families()), path, settings)
    }

    /// Opens the log in `path` as it stands now, to read it only: another process may go on writing.
    ///
    /// # Errors
    /// Kinds `Unavailable` and `Corrupt`, as [`Log::open`]; also where there is no log.
    pub fn open_read_only(path: &Path, settings: LogSettings) -> Result<Self> {
        let mut options = options();
        options.create_if_missing(false);
        Self::over(DB::open_cf_descriptors_read_only(&options, path, families(), false), path, settings)
    }

    fn over(
        opened: std::result::Result<DB, rocksdb::Error>,
        path: &Path,
        settings: LogSettings,
    ) -> Result<Self> {
        let db = opened.map_err(|error| refused(path, error))?;
        let log =
            Self { inner: Arc::new(Inner { db, settings, index: Mutex::default(), grown: Condvar::new() }) };
        log.load_topics()?;
        Ok(log)
    }

    /// Makes a topic, where it is not there already.
    ///
    /// # Errors
    /// Kind `Configuration` where it is there with another number of partitions.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let mut index = self.inner.index();
        if let Some(topic) = index.topics.get(name) {
            let found = topic.spans.len();
            if found as i64 != i64::from(partitions) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "embedded log: topic `{name}` has {found} partitions, not {partitions}; set the number that it has, or start with an empty data folder"
                    ),
                ));
            }
            return Ok(());
        }
        if partitions < 1 {
            let message = format!("topic `{name}`: {partitions} partitions; at least 1 is needed");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let number = index.topics.values().map(|topic| topic.number + 1).max().unwrap_or(0);
        let created = now_ms();
        let stored = StoredTopic { number, id: format!("{name}@{created}"), partitions };
        let value = serde_json::to_vec(&stored)
            .map_err(|error| Error::caused(ErrorKind::Corrupt, "embedded log: topic", error))?;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.inner.family(TOPICS)?, name, value);
        self.inner.write(batch)?;
        let spans = vec![Span { start: 0, end: 0 }; partitions as usize];
        index.topics.insert(name.to_owned(), Topic { number, id: stored.id, spans });
        Ok(())
    }

    /// What is known of a topic; none where it does not exist.
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        let index = self.inner.index();
        index.topics.get(name).map(|topic| TopicInfo {
            name: name.to_owned(),
            id: topic.id.clone(),
            partitions: topic.spans.len() as i32,
        })
    }

    /// The offset after the last record, per partition; none where the topic does not exist.
    pub fn ends(&self, topic: &str) -> Option<Vec<i64>> {
        let index = self.inner.index();
        Some(index.topics.get(topic)?.spans.iter().map(|span| span.end).collect())
    }

    /// The group's next offset; none where it never committed.
    ///
    /// # Errors
    /// Kind `MissingTopic`, or `Unavailable` where the disk fails.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Result<Option<i64>> {
        let number = self.inner.index().topic(topic)?.number;
        self.inner.committed(group, number, partition)
    }

    /// Appends records outside any transaction, all or none.
    ///
    /// # Errors
    /// Kinds `MissingTopic`, `TooLarge`, or `Unavailable` where the disk fails.
    pub fn append(&self, records: &[Outgoing]) -> Result<()> {
        let mut encoded = Encoded::default();
        records.iter().for_each(|record| encoded.push(record));
        self.inner.commit(encoded, &[])
    }

    /// Reads `topic` for `group`.
    ///
    /// # Errors
    /// Kind `MissingTopic`.
    pub fn source(&self, topic: &str, group: &str) -> Result<LogSource> {
        self.inner.index().topic(topic)?;
        let reader = (group.to_owned(), topic.to_owned());
        let mut index = self.inner.index();
        if !index.readers.contains(&reader) {
            index.readers.push(reader);
        }
        drop(index);
        let info = self.topic(topic).ok_or_else(|| missing(topic))?;
        Ok(LogSource::new(self.clone(), info, group.to_owned()))
    }

    /// A transactional sink; an older one of the same transactional id is fenced.
    pub fn sink(&self, transactional_id: &str) -> LogSink {
        let mut index = self.inner.index();
        let epoch = index.epochs.entry(transactional_id.to_owned()).or_default();
        *epoch += 1;
        let epoch = *epoch;
        drop(index);
        LogSink::new(self.clone(), transactional_id.to_owned(), epoch)
    }

    fn load_topics(&self) -> Result<()> {
        let mut topics = BTreeMap::new();
        for entry in self.inner.db.iterator_cf(self.inner.family(TOPICS)?, rocksdb::IteratorMode::Start) {
            let (name, value) = entry.map_err(disk)?;
            let name = String::from_utf8_lossy(&name).into_owned();
            let stored: StoredTopic = serde_json::from_slice(&value).map_err(|error| {
                let message = format!("embedded log: topic `{name}` cannot be read; it was written by another version, or damaged");
                Error::caused(ErrorKind::Corrupt, message, error)
            })?;
            let spans = (0..stored.partitions)
                .map(|partition| self.inner.span_on_disk(stored.number, partition))
                .collect::<Result<_>>()?;
            topics.insert(name, Topic { number: stored.number, id: stored.id, spans });
        }
        self.inner.index().topics = topics;
        Ok(())
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_total_wal_size(256 << 20);
    options.set_keep_log_file_num(4);
    options
}

fn families() -> [ColumnFamilyDescriptor; 3] {
    let mut records = Options::default();
    records.set_compression_type(DBCompressionType::Lz4);
    // Keys only grow within a partition: whole runs are merged, seldom.
    records.set_compaction_style(DBCompactionStyle::Universal);
    records.set_write_buffer_size(32 << 20);
    [
        ColumnFamilyDescriptor::new(RECORDS, records),
        ColumnFamilyDescriptor::new(TOPICS, Options::default()),
        ColumnFamilyDescriptor::new(OFFSETS, Options::default()),
    ]
}

/// Offsets to commit along with records: the group, the topic, next offsets by partition.
pub(super) struct GroupOffsets {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) offsets: Vec<(i32, i64)>,
}

impl Inner {
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        // The index changes only after a write has succeeded, so a panic leaves it whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn family(&self, name: &str) -> Result<&rocksdb::ColumnFamily> {
        self.db.cf_handle(name).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("embedded log: column family `{name}` is missing"))
        })
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(self.settings.sync);
        self.db.write_opt(batch, &options).map_err(disk)
    }

    pub(super) fn committed(&self, group: &str, topic: u32, partition: i32) -> Result<Option<i64>> {
        let value =
            self.db.get_cf(self.family(OFFSETS)?, offset_key(group, topic, partition)).map_err(disk)?;
        Ok(value.and_then(|value| Some(i64::from_be_bytes(value.as_slice().try_into().ok()?))))
    }

    /// One write of everything. Offsets are given under the lock, so that they are dense.
    pub(super) fn commit(&self, mut records: Encoded, groups: &[GroupOffsets]) -> Result<()> {
        let mut index = self.index();
        self.commit_locked(&mut index, &mut records, groups)
    }

    pub(super) fn commit_locked(
        &self,
        index: &mut Index,
        records: &mut Encoded,
        groups: &[GroupOffsets],
    ) -> Result<()> {
        // As long as it will be: grown as it fills, it would be copied several times.
        let mut batch = WriteBatch::with_capacity_bytes(records.size());
        let mut ends = Vec::new();
        let family = self.family(RECORDS)?;
        for ((name, partition), values) in records.runs(now_ms()) {
            let topic = index.topic(name)?;
            let mut end = topic.span(name, partition)?.end;
            for value in values {
                if value.len() > self.settings.max_record_bytes {
                    return Err(Error::new(
                        ErrorKind::TooLarge,
                        format!(
                            "topic `{}`: a record of {} bytes; log.max_record_bytes allows {}: raise it, or leave the record out",
                            name,
                            value.len(),
                            self.settings.max_record_bytes
                        ),
                    ));
                }
                batch.put_cf(family, record_key(topic.number, partition, end), value);
                end += 1;
            }
            ends.push((name, partition, end));
        }
        for GroupOffsets { group, topic, offsets } in groups {
            let number = index.topic(topic)?.number;
            for (partition, offset) in offsets {
                let key = offset_key(group, number, *partition);
                batch.put_cf(self.family(OFFSETS)?, key, offset.to_be_bytes());
            }
        }
        self.write(batch)?;
        for (topic, partition, end) in ends {
            if let Some(topic) = index.topics.get_mut(topic) {
                topic.spans[partition as usize].end = end;
            }
        }
        self.grown.notify_all();
        Ok(())
    }

    /// Waits until records are appended or the time is over.
    pub(super) fn wait(&self, index: MutexGuard<'_, Index>, timeout: Duration) {
        drop(self.grown.wait_timeout(index, timeout));
    }

    fn span_on_disk(&self, topic: u32, partition: i32) -> Result<Span> {
        let family = self.family(RECORDS)?;
        let prefix = &record_key(topic, partition, 0)[..8];
        let mut iterator = self.db.raw_iterator_cf(family);
        iterator.seek(record_key(topic, partition, 0));
        let of = |key: Option<&[u8]>| key.filter(|key| key.starts_with(prefix)).and_then(offset_of);
        let first = of(iterator.key());
        iterator.seek_for_prev(record_key(topic, partition, i64::MAX));
        let last = of(iterator.key());
        iterator.status().map_err(disk)?;
        Ok(match (first, last) {
            (Some(first), Some(last)) => Span { start: first, end: last + 1 },
            _ => Span { start: 0, end: 0 },
        })
    }
}

impl Index {
    pub(super) fn topic(&self, name: &str) -> Result<&Topic> {
        self.topics.get(name).ok_or_else(|| missing(name))
    }
}

impl Topic {
    pub(super) fn span(&self, name: &str, partition: i32) -> Result<Span> {
        usize::try_from(partition).ok().and_then(|at| self.spans.get(at)).copied().ok_or_else(|| {
            let partitions = self.spans.len();
            let message = format!("topic `{name}` has {partitions} partitions and no partition {partition}");
            Error::new(ErrorKind::Configuration, message)
        })
    }
}

/// Why the folder could not be opened, and what to do about it.
fn refused(path: &Path, error: rocksdb::Error) -> Error {
    use rocksdb::ErrorKind as Cause;
    let text = error.to_string();
    let (kind, remedy) = match error.kind() {
        // Another process's lock, or this one's own.
        Cause::IOError
            if text.contains("While lock file") || text.contains("lock hold by current process") =>
        {
            (
                ErrorKind::Unavailable,
                "another process has it open, and only one can: stop the other one, or choose another data folder",
            )
        }
        Cause::Corruption => (
            ErrorKind::Corrupt,
            "what lies there is damaged: restore the data folder from a copy, or start with an empty one",
        ),
        Cause::InvalidArgument => {
            (ErrorKind::Corrupt, "what lies there is not a log of this version: choose another data folder")
        }
        _ => (
            ErrorKind::Unavailable,
            "see that the folder can be written to and that its disk has room, or choose another data folder",
        ),
    };
    Error::caused(
        kind,
        format!("embedded log in {}: cannot be opened ({text}); {remedy}", path.display()),
        error,
    )
}

pub(super) fn missing(topic: &str) -> Error {
    Error::new(ErrorKind::MissingTopic, format!("embedded log: there is no topic `{topic}`; create it first"))
}

pub(super) fn disk(error: rocksdb::Error) -> Error {
    Error::caused(ErrorKind::Unavailable, format!("embedded log: {error}"), error)
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
