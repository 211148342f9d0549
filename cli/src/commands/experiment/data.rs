//! Which data an experiment is about.

use std::path::PathBuf;

use clap::Args;
use hmisr_offline::{Dataset, Protocol, Split};

use crate::failure::Failure;
use crate::reading::ReadingArgs;

/// A data set and how it is cut; `fit` and `eval` take the same.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Data set: a file or a folder of any layout that docs/data.md lists, such as ratings.csv with
    /// movies.csv, NAME.inter with NAME.item, or JSON lines of events.
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// How it is written.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// The least share of its rows that must be events.
    #[arg(long, value_name = "SHARE", default_value_t = Dataset::MIN_EVENTS, value_parser = crate::outcome::share)]
    pub min_applied: f64,
    /// o1: the last item that each user chose is the test, the second last the validation. o2: the last tenth of
    /// all time is the test, the tenth before it the validation.
    #[arg(long, default_value = "o2")]
    pub protocol: Protocol,
    /// Leave out users and items with fewer events, again and again; by default 5 in o1, 1 in o2.
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// Whether items of the history are no candidates; by default where no user has an item twice.
    #[arg(long, value_name = "BOOL")]
    pub filter_seen: Option<bool>,
}

impl DataArgs {
    /// Reads, filters and cuts the data set.
    pub fn split(&self) -> Result<Split, Failure> {
        let Self { data, reading, min_applied, .. } = self;
        let format = reading.format.unwrap_or_default();
        let data = Dataset::load_with(data, format, &reading.options(), *min_applied)?;
        let data = data.core(self.core.unwrap_or_else(|| self.protocol.default_core()))?;
        let mut split = Split::new(self.protocol, data)?;
        split.filter_seen = self.filter_seen.unwrap_or(split.filter_seen);
        Ok(split)
    }
}
