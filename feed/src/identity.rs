//! What a data folder was fed from.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use hmisr_stream::Partitioner;
use serde::{Deserialize, Serialize};

use crate::{EventSource, FeedError};

const VERSION: u32 = 1;

/// The content of `feed.json`: a restart goes by the index of each line within its partition, so
/// source, partitions and partitioner must be those of the first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedIdentity {
    version: u32,
    /// The source's [`fingerprint`](EventSource::fingerprint).
    pub source: String,
    /// Partitions of the topic.
    pub partitions: i32,
    /// How the topic is partitioned.
    #[serde(default)]
    pub partitioner: Partitioner,
    /// The source in words, as it was at the first start; not compared.
    pub described: String,
}

impl FeedIdentity {
    /// The identity of a source over so many partitions.
    pub fn of(source: &dyn EventSource, partitions: i32) -> Self {
        let (described, source) = (source.describe(), source.fingerprint());
        Self { version: VERSION, source, partitions, partitioner: Partitioner::default(), described }
    }

    /// The same, over a topic that is not partitioned by murmur2.
    #[must_use]
    pub fn with_partitioner(self, partitioner: Partitioner) -> Self {
        // With `any`, lines are written by murmur2.
        let partitioner = if partitioner == Partitioner::Any { Partitioner::Murmur2 } else { partitioner };
        Self { partitioner, ..self }
    }

    fn is_of(&self, other: &Self) -> bool {
        let place = |identity: &Self| (identity.partitions, identity.partitioner);
        self.source == other.source && place(self) == place(other)
    }

    /// Reads an identity file; none where there is no file.
    ///
    /// # Errors
    /// [`FeedError::Io`], and [`FeedError::Unreadable`] for a file of another kind or version.
    pub fn read(path: &Path) -> Result<Option<Self>, FeedError> {
        let json = match fs::read(path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FeedError::io(path, "reading it", error)),
        };
        let unreadable = |message| FeedError::Unreadable { path: path.to_owned(), message };
        let identity: Self = serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
        if identity.version != VERSION {
            let message = format!("field `version`: {} instead of {VERSION}", identity.version);
            return Err(unreadable(message));
        }
        Ok(Some(identity))
    }

    /// Makes sure, before the first event, that the log is this identity's: writes the file where
    /// log and file are new. `ends`: the log's end offset per partition.
    ///
    /// # Errors
    /// [`FeedError::OtherSource`] where the file names another source, other partitions or another
    /// partitioner,
    /// [`FeedError::Unclaimed`] where the log has records and the file is missing, and those of
    /// [`FeedIdentity::read`].
    pub fn claim(&self, path: &Path, ends: &[i64]) -> Result<(), FeedError> {
        match Self::read(path)? {
            Some(found) if found.is_of(self) => Ok(()),
            Some(found) => Err(FeedError::OtherSource {
                path: path.to_owned(),
                found: found.in_words(),
                given: self.in_words(),
            }),
            None => {
                let records: i64 = ends.iter().sum();
                if records > 0 {
                    return Err(FeedError::Unclaimed { path: path.to_owned(), records });
                }
                let json = serde_json::to_vec_pretty(self)
                    .map_err(|error| FeedError::io(path, "writing it", std::io::Error::other(error)))?;
                replace(path, &json)
            }
        }
    }

    fn in_words(&self) -> String {
        let Self { source, partitions, partitioner, described, .. } = self;
        format!("{described} over {partitions} partitions by {partitioner} [{source}]")
    }
}

/// Writes a file so that a reader, and a machine that lost power, has the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FeedError> {
    let failed = |error| FeedError::io(path, "writing it", error);
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = Path::new(&name);
    let mut file = File::create(temporary).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(temporary, path).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
