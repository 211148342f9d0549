//! What a user says of a data set that its files do not say themselves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::Delimiter;
use crate::values::TimeForm;

/// A layout by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// What the names of the files and what is in them say.
    #[default]
    Auto,
    /// Events as the stream has them, one JSON object a line.
    Jsonl,
    /// A table, delimited by any sign, with a header or without.
    Csv,
    /// MovieLens of any edition, also in RecBole's files.
    Movielens,
    /// RecBole's atomic files, `NAME.inter` and `NAME.item`.
    Recbole,
    /// Amazon's reviews of 2014, 2018 or 2023, as CSV or JSON lines.
    Amazon,
    /// Yoochoose's clicks.
    Yoochoose,
    /// Diginetica's views.
    Diginetica,
    /// Retailrocket's events.
    Retailrocket,
    /// Foursquare's check-ins.
    Foursquare,
    /// Check-ins of Gowalla or Brightkite.
    Gowalla,
    /// Last.fm 1K.
    Lastfm,
    /// KuaiRec.
    Kuairec,
    /// KuaiRand.
    Kuairand,
    /// Tmall.
    Tmall,
    /// Taobao's `UserBehavior.csv`.
    Taobao,
    /// H&M's purchases.
    Hm,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 17] = [
        Self::Auto,
        Self::Jsonl,
        Self::Csv,
        Self::Movielens,
        Self::Recbole,
        Self::Amazon,
        Self::Yoochoose,
        Self::Diginetica,
        Self::Retailrocket,
        Self::Foursquare,
        Self::Gowalla,
        Self::Lastfm,
        Self::Kuairec,
        Self::Kuairand,
        Self::Tmall,
        Self::Taobao,
        Self::Hm,
    ];

    /// The format's name in settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Movielens => "movielens",
            Self::Recbole => "recbole",
            Self::Amazon => "amazon",
            Self::Yoochoose => "yoochoose",
            Self::Diginetica => "diginetica",
            Self::Retailrocket => "retailrocket",
            Self::Foursquare => "foursquare",
            Self::Gowalla => "gowalla",
            Self::Lastfm => "lastfm",
            Self::Kuairec => "kuairec",
            Self::Kuairand => "kuairand",
            Self::Tmall => "tmall",
            Self::Taobao => "taobao",
            Self::Hm => "hm",
        }
    }

    /// What a path of this format holds.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Auto => {
                "a data set that docs/data.md lists, such as ratings.csv, NAME.inter, *.jsonl or a .csv file"
            }
            Self::Jsonl => "a file of one JSON event a line, or a folder of *.jsonl files",
            Self::Csv => "a table such as NAME.csv, or a folder with one",
            Self::Movielens => {
                "a folder with u.data and u.item, ratings.dat and movies.dat, ratings.csv and movies.csv, or \
                 NAME.inter and NAME.item"
            }
            Self::Recbole => "NAME.inter, or a folder with one, and NAME.item beside it",
            Self::Amazon => "one file of ratings or reviews, .csv or .jsonl, or a folder with one",
            Self::Yoochoose => "yoochoose-clicks.dat, or a folder with it",
            Self::Diginetica => "train-item-views.csv, or a folder with it and product-categories.csv",
            Self::Retailrocket => "events.csv, or a folder with it and item_properties*.csv",
            Self::Foursquare => "one dataset_TSMC2014_*.txt, or a folder with it",
            Self::Gowalla => "one *_totalCheckins.txt, or a folder with it",
            Self::Lastfm => "userid-timestamp-artid-artname-traid-traname.tsv, or a folder with it",
            Self::Kuairec => "big_matrix.csv or small_matrix.csv, with item_categories.csv beside it",
            Self::Kuairand => "log_*.csv, or a folder with them and video_features_basic_*.csv",
            Self::Tmall => {
                "user_log_format1.csv or tianchi_mobile_recommend_train_user.csv, or a folder with it"
            }
            Self::Taobao => "UserBehavior.csv, or a folder with it",
            Self::Hm => "transactions_train.csv, or a folder with it and articles.csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.as_str()).collect();
            let expected = format!("expected one of {}", names.join(", "));
            Error::Setting { option: "format", value: text.to_owned(), expected }
        })
    }
}

/// How a data set is to be understood, where its files do not tell or tell it wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The column of the user, by its name, by its number counted from 1, or in JSON by a pointer
    /// such as `/user/id`.
    pub user_column: Option<String>,
    /// The column of the item.
    pub item_column: Option<String>,
    /// The column of the time.
    pub time_column: Option<String>,
    /// Columns of the item's categories, of the events or beside them; several are read in this order.
    pub category_columns: Vec<String>,
    /// The column of what the user did.
    pub action_column: Option<String>,
    /// The column of the weight or rating.
    pub weight_column: Option<String>,
    /// What stands between two columns.
    pub delimiter: Option<Delimiter>,
    /// Whether the first line is an event already.
    pub no_header: bool,
    /// A pattern of the times such as `%d.%m.%Y %H:%M`, or `rfc3339`, or `yyyymmdd`.
    pub time_format: Option<String>,
    /// What the numbers of the time count: `s`, `ms`, `us` or `ns`.
    pub time_unit: Option<String>,
    /// What stands between two categories of an item.
    pub category_separator: Option<String>,
}

impl Options {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a column is named.
    pub(crate) fn names_columns(&self) -> bool {
        let Self { user_column, item_column, time_column, action_column, weight_column, .. } = self;
        let named = [user_column, item_column, time_column, action_column, weight_column];
        named.iter().any(|column| column.is_some()) || !self.category_columns.is_empty()
    }

    /// Checks what can be checked without a file.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first option that cannot be.
    pub fn validate(&self) -> Result<()> {
        if self.category_separator.as_deref() == Some("") {
            let expected = "expected what stands between two categories, such as ; or ' > '".to_owned();
            return Err(Error::Setting {
                option: "--category-separator",
                value: "\"\"".to_owned(),
                expected,
            });
        }
        self.time().map(drop)
    }

    /// The form of the times, where it is said.
    pub(crate) fn time(&self) -> Result<Option<TimeForm>> {
        let parse = |option, text: &str, fits: fn(&TimeForm) -> bool, expected: &str| {
            let setting = |expected: String| Error::Setting { option, value: text.to_owned(), expected };
            let form: TimeForm = text.parse().map_err(|error| setting(format!("{error}")))?;
            if fits(&form) { Ok(Some(form)) } else { Err(setting(expected.to_owned())) }
        };
        match (&self.time_format, &self.time_unit) {
            (None, None) => Ok(None),
            (Some(format), None) => parse("--time-format", format, |_| true, ""),
            (None, Some(unit)) => {
                let number = |form: &TimeForm| matches!(form, TimeForm::Number(_));
                parse(
                    "--time-unit",
                    unit,
                    number,
                    "expected s, ms, us or ns; other forms are for --time-format",
                )
            }
            (Some(format), Some(_)) => Err(Error::Setting {
                option: "--time-format",
                value: format.clone(),
                expected: "cannot be given together with --time-unit".to_owned(),
            }),
        }
    }
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
        let error = "parquet".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("format parquet: expected one of auto, jsonl, csv"), "{error}");
    }

    #[test]
    fn a_time_that_cannot_be_is_named() {
        let of = |format: Option<&str>, unit: Option<&str>| {
            let options = Options {
                time_format: format.map(str::to_owned),
                time_unit: unit.map(str::to_owned),
                ..Options::default()
            };
            options.validate().map_err(|error| error.to_string())
        };
        assert!(of(Some("%d.%m.%Y"), None).is_ok() && of(None, Some("us")).is_ok());
        assert!(of(None, Some("hours")).unwrap_err().starts_with("--time-unit hours: "));
        assert!(of(None, Some("rfc3339")).unwrap_err().contains("--time-format"));
        assert!(of(Some("%H"), None).unwrap_err().starts_with("--time-format %H: "));
        assert!(of(Some("rfc3339"), Some("s")).unwrap_err().contains("together"));
        let separator = Options { category_separator: Some(String::new()), ..Options::default() };
        assert!(separator.validate().unwrap_err().to_string().starts_with("--category-separator \"\": "));
    }
}
