//! What can go wrong while events are read and fed.

use std::path::{Path, PathBuf};

/// A failure of a source or of the feeder; the text names place, field, value and remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A setting outside its range.
    #[error("feed.{field} = {value}: {expected}")]
    Setting {
        /// The setting's path below `feed`.
        field: &'static str,
        /// Its value.
        value: String,
        /// The range.
        expected: &'static str,
    },
    /// A setting of the bridge that cannot work.
    #[error("bridge.{setting}: {problem}")]
    Bridge {
        /// The setting's path below `bridge`.
        setting: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file or folder that is not there, or that is not what was expected.
    #[error("{}: {problem}; expected {expected}", path.display())]
    Input {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What should be there.
        expected: String,
    },
    /// A data set that cannot be read.
    #[error(transparent)]
    Read(#[from] hmisr_datasets::Error),
    /// The system refused a read or a write.
    #[error("{}: {action} failed", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The log has more records than the source has events.
    #[error(
        "partition {partition} of the log ends at offset {end}, but the source has only {lines} events for \
         it: the log was fed from something else too; use another data folder or topic"
    )]
    LogLonger {
        /// The partition.
        partition: i32,
        /// Its end offset when the feed began.
        end: i64,
        /// The source's events in that partition.
        lines: i64,
    },
    /// The log has more records than the source has events, seen before anything was fed.
    #[error(
        "the log holds {records} records, but the source has only {events} events: the log was fed from \
         something else too; use another data folder or topic"
    )]
    LogTooLong {
        /// Records in the log.
        records: u64,
        /// Events of the source.
        events: u64,
    },
    /// The topic has no partition, or an end that is no offset.
    #[error(
        "the log's ends are {ends:?}: expected one offset of 0 or more for each partition, of at least one"
    )]
    Ends {
        /// What the writer answered.
        ends: Vec<i64>,
    },
    /// The data folder was fed from another source, or over other partitions.
    #[error(
        "{}: this data folder was fed from {found}, and now {given} is given; give the same source and \
         partitions again, or use another data folder (and, on Kafka, another topic)",
        path.display()
    )]
    OtherSource {
        /// The identity file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What was given.
        given: String,
    },
    /// The log has records, but no identity file says where they came from.
    #[error(
        "the log already holds {records} records, and {} does not say what they were fed from: feeding \
         would lose or repeat events; use another data folder or topic, or put that file back; where others fill the \
         topic there is nothing to feed: `hmisr up --brokers … --generate 0`, or `hmisr pipeline`, `train` and `serve`",
        path.display()
    )]
    Unclaimed {
        /// The identity file that is missing.
        path: PathBuf,
        /// Records in the log.
        records: i64,
    },
    /// An identity or truth file that cannot be read.
    #[error("{}: not a file that this version reads ({message}); restore it, or use another data folder", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The log refused.
    #[error("events could not be written to the log")]
    Write(#[from] hmisr_stream::Error),
}

impl FeedError {
    /// Whether the user can mend it by other settings or input; otherwise disk or log failed.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Write(_) => false,
            Self::Read(error) => error.is_users(),
            _ => true,
        }
    }

    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(crate) fn input(path: &Path, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), problem: problem.into(), expected: expected.into() }
    }
}
