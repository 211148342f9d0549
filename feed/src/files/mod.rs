//! Events from files.

mod fingerprint;
mod jsonl;
mod table;

use std::path::Path;

use hmisr_datasets::{Format, Options, Reader, StreamEvents};

use crate::{EventSource, FeedError};

/// Opens a file or folder of events, in any layout that `hmisr-datasets` reads.
///
/// The stream's own JSON lines pass byte for byte, in file order, one line in memory at a time; good or
/// bad, each is for whoever reads it from the log to judge. Where their times are no whole milliseconds,
/// as `options` say or nearly all of the first ones show, `ts` is written anew.
///
/// Every other layout is read row by row into events in the order of time, stably over the file's
/// order. Where the rows stand in that order already, one is in memory at a time; else they are held:
/// 32 bytes a row (up to 64 while the table grows), and each distinct id once. The million ratings of
/// MovieLens-1M take 33 MB. What is no event is counted in the [`summary`](EventSource::summary).
///
/// # Errors
/// Where the path is not what the format expects, where its columns are not clear, and where there is no
/// event in it.
pub fn open(path: &Path, format: Format, options: &Options) -> Result<Box<dyn EventSource>, FeedError> {
    if let Some(events) = StreamEvents::find(path, format, options)? {
        return Ok(Box::new(jsonl::Jsonl::open(path, events)?));
    }
    Ok(Box::new(table::Table::open(path, Reader::open(path, format, options)?, options)?))
}
