//! Events from files.

mod fingerprint;
mod jsonl;
mod lines;
mod movielens;
mod rows;
mod taobao;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EventSource, FeedError};

pub use lines::MAX_LINE_BYTES;

/// How a file of events is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One event a line, as JSON: passed on byte for byte, in file order, without loading the
    /// file. A folder is read as its files `*.jsonl` and `*.ndjson`, in the order of their names.
    #[default]
    Jsonl,
    /// MovieLens ratings in time order: `ratings.dat` with `movies.dat`, or RecBole's `NAME.inter`
    /// with `NAME.item`. Category: the first genre listed; action `rate`; weight: the rating.
    Movielens,
    /// Taobao's `UserBehavior.csv` (user,item,category,behaviour,unix seconds) in time order.
    Taobao,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Movielens, Self::Taobao];

    /// The format's name in settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Movielens => "movielens",
            Self::Taobao => "taobao",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Jsonl => "a file of one JSON event a line, or a folder of *.jsonl files",
            Self::Movielens => "a folder with ratings.dat and movies.dat, or with NAME.inter and NAME.item",
            Self::Taobao => "UserBehavior.csv, or a folder with it",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FeedError;

    fn from_str(text: &str) -> Result<Self, FeedError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| FeedError::Setting {
            field: "format",
            value: text.to_owned(),
            expected: "expected jsonl, movielens or taobao",
        })
    }
}

/// Opens a file or folder of events.
///
/// `movielens` and `taobao` are sorted by time, stably over the file's order, so they are read
/// whole: 32 bytes a row (up to 64 while the table grows), and each distinct id once. The million
/// ratings of MovieLens-1M take 33 MB. `jsonl` takes one line.
///
/// # Errors
/// Where the path is not what the format expects, where there is no event in it, and, for
/// `movielens` and `taobao`, at the first line that cannot be read.
pub fn open(path: &Path, format: Format) -> Result<Box<dyn EventSource>, FeedError> {
    match std::fs::metadata(path) {
        Ok(kind) if kind.is_file() || kind.is_dir() => {}
        Ok(_) => {
            // A pipe cannot be read again after a restart.
            return Err(FeedError::input(path, "neither a file nor a folder", format.expected()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(FeedError::input(path, "no such file or folder", format.expected()));
        }
        Err(error) => return Err(FeedError::io(path, "looking at it", error)),
    }
    Ok(match format {
        Format::Jsonl => Box::new(jsonl::Jsonl::open(path)?),
        Format::Movielens => Box::new(movielens::open(path)?),
        Format::Taobao => Box::new(taobao::open(path)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_reads_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        let error = "csv".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "feed.format = csv: expected jsonl, movielens or taobao");
    }
}
