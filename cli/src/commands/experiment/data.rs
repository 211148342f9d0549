//! Which data an experiment is about.

use std::path::PathBuf;

use clap::Args;
use hmisr_offline::data::CsvColumns;
use hmisr_offline::{Dataset, Format, Protocol, Split};

use crate::failure::Failure;

/// A data set and how it is cut; `fit` and `eval` take the same.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Data set: a folder with ratings.dat and movies.dat, NAME.inter and NAME.item (RecBole),
    /// UserBehavior.csv, or a CSV file with a header.
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// How it is written: auto, movielens, recbole, taobao or csv.
    #[arg(long, default_value = "auto")]
    pub format: Format,
    /// CSV column of the user, where it is not called user, user_id or userId.
    #[arg(long, value_name = "NAME")]
    pub user_column: Option<String>,
    /// CSV column of the item, where it is not called item, item_id, itemId or movieId.
    #[arg(long, value_name = "NAME")]
    pub item_column: Option<String>,
    /// CSV column of the time in seconds or milliseconds since 1970, where it is not called
    /// timestamp, ts or time.
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
    /// CSV columns of the item's categories, `|` between several in one; repeatable.
    #[arg(long = "category-column", value_name = "NAME")]
    pub category_columns: Vec<String>,
    /// o1: each user's last event is the test, the second last the validation. o2: the last tenth of
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
        let data = Dataset::load(&self.data, &self.format()?)?;
        let data = data.core(self.core.unwrap_or_else(|| self.protocol.default_core()))?;
        let mut split = Split::new(self.protocol, data)?;
        split.filter_seen = self.filter_seen.unwrap_or(split.filter_seen);
        Ok(split)
    }

    fn format(&self) -> Result<Format, Failure> {
        let columns = CsvColumns {
            user: self.user_column.clone(),
            item: self.item_column.clone(),
            timestamp: self.time_column.clone(),
            categories: self.category_columns.clone(),
        };
        let named = columns != CsvColumns::default();
        match &self.format {
            Format::Csv(_) => Ok(Format::Csv(columns)),
            Format::Auto if named => Ok(Format::Csv(columns)),
            other if named => {
                Err(Failure::user(format!("--format {other}: takes no column names; use --format csv")))
            }
            other => Ok(other.clone()),
        }
    }
}
