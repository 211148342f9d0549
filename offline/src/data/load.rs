//! Data sets from files, read as the stream reads them.

use std::path::Path;

use hmisr_datasets::{Format, Options, Reader};

use super::Dataset;
use super::builder::Builder;
use crate::error::Result;

impl Dataset {
    /// The least share of a data set's rows that must be events, where nothing else is said.
    pub const MIN_EVENTS: f64 = 0.5;

    /// Reads a data set: a file, or a folder that holds the format's files.
    ///
    /// # Errors
    /// Where the path is not what the format expects, where its columns are not clear, and where fewer
    /// than half of its rows are events.
    pub fn load(path: &Path, format: Format, options: &Options) -> Result<Self> {
        Self::load_with(path, format, options, Self::MIN_EVENTS)
    }

    /// The same, where at least this share of the rows must be events.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_with(path: &Path, format: Format, options: &Options, min_events: f64) -> Result<Self> {
        let mut reader = Reader::open(path, format, options)?;
        reader.require_events(min_events)?;
        let mut builder = Builder::default();
        for (item, categories) in reader.catalogue().iter() {
            builder.list(item, categories);
        }
        while let Some(record) = reader.next()? {
            builder.categorise(&record.item, &record.categories);
            builder.push(record.user, record.item, record.ts_ms, &record.action, record.weight);
        }
        builder.finish(path, name(path), reader.summary().clone())
    }
}

/// The folder's name, or the file's without its extension.
fn name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_compressed = |ending: &std::ffi::OsStr| ["gz", "zst", "zstd"].iter().any(|own| ending == *own);
    let stem = match full.extension() {
        _ if full.is_dir() => full.file_name().map(Path::new).map(Path::to_owned),
        Some(ending) if is_compressed(ending) => {
            full.file_stem().map(Path::new).map(|name| name.with_extension(""))
        }
        _ => full.file_stem().map(Path::new).map(Path::to_owned),
    };
    stem.map_or_else(|| "data".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
