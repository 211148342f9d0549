//! The layouts that are recognised: where the events are, and what their columns are called.

mod amazon;
mod checkins;
mod columns;
mod files;
mod json;
mod kuai;
mod lastfm;
mod movielens;
mod purchases;
mod recbole;
mod sessions;
mod table;

use std::path::{Path, PathBuf};

pub(crate) use columns::{Header, Names, Role, Roles, plain, untyped};
pub(crate) use files::{Files, shown_name};

use crate::error::{Error, Result};
use crate::options::{Format, Options};
use crate::text::Delimiter;

/// How a data set is laid out.
pub(crate) struct Layout {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// The files of events, read one after the other.
    pub(crate) events: Vec<PathBuf>,
    pub(crate) shape: Shape,
    pub(crate) roles: Roles,
    /// A column of milliseconds that are added to the time.
    pub(crate) offset: Option<&'static str>,
    /// The year of times that are a month and a day, such as 1111 or 829.
    pub(crate) month_day: Option<i32>,
    /// Files of items with their categories.
    pub(crate) items: Vec<Items>,
    /// The action of every event where no column tells it; none: `rate` where there is a weight,
    /// else `click`.
    pub(crate) action: Option<&'static str>,
    /// What codes of the action's column stand for, as the data set's own text says.
    pub(crate) actions: &'static [(&'static str, &'static str)],
    /// What stands in the category's column where there is none.
    pub(crate) no_category: Option<&'static str>,
    /// Whether the files are the stream's own events.
    pub(crate) own: bool,
    /// Whether rows must be events as the stream takes them.
    pub(crate) strict: bool,
    /// What was decided where the files did not tell, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One JSON object a line.
    Json,
    /// Columns between delimiters.
    Table {
        delimiter: Delimiter,
        /// Whether `"` may enclose a column.
        quoting: bool,
        columns: Columns,
    },
}

/// Where the names of the columns stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// In the first row.
    Header,
    /// Nowhere: the layout has these.
    Fixed(&'static [&'static str]),
    /// Nowhere: they are called by their numbers.
    Numbers,
}

impl Shape {
    /// A table with a header, whose columns may be quoted.
    pub(crate) const CSV: Self =
        Self::Table { delimiter: Delimiter::COMMA, quoting: true, columns: Columns::Header };

    /// A table without a header and quotes.
    pub(crate) const fn fixed(delimiter: Delimiter, names: &'static [&'static str]) -> Self {
        Self::Table { delimiter, quoting: false, columns: Columns::Fixed(names) }
    }
}

/// A file of items with their categories.
pub(crate) struct Items {
    pub(crate) path: PathBuf,
    pub(crate) shape: Shape,
    pub(crate) item: Names,
    pub(crate) category: Names,
    pub(crate) pick: Pick,
}

/// Where a row of an items' file has the categories.
pub(crate) enum Pick {
    /// In the column of the category.
    Column,
    /// In the last column: those before may hold the delimiter.
    Last,
    /// From this column on, one for each of these names: 1 or 0.
    Flags(usize, Vec<String>),
    /// In the column `value` of the rows whose column `property` is this.
    Property(&'static str),
}

impl Layout {
    /// A layout of usual names, without items.
    pub(crate) fn new(name: &'static str, events: Vec<PathBuf>, shape: Shape) -> Self {
        Self {
            name,
            events,
            shape,
            roles: Roles::USUAL,
            offset: None,
            month_day: None,
            items: Vec::new(),
            action: None,
            actions: &[],
            no_category: None,
            own: false,
            strict: false,
            notes: Vec::new(),
        }
    }

    /// The layout of a path: the one that is named, or the one that its files tell.
    pub(crate) fn find(path: &Path, format: Format, options: &Options) -> Result<Self> {
        let files = Files::of(path, format)?;
        let named = |found: Option<Self>| {
            found.ok_or_else(|| {
                Error::input(path, format!("no data set of the format {format} in it"), format.expected())
            })
        };
        let mut layout = match format {
            Format::Auto => Self::recognise(&files, options)?,
            Format::Jsonl => named(json::events(&files)?)?,
            Format::Csv => named(table::find(&files, options, true)?)?,
            Format::Movielens => match movielens::find(&files)? {
                Some(layout) => layout,
                None => named(recbole::find(&files, "movielens")?)?,
            },
            Format::Recbole => named(recbole::find(&files, "recbole")?)?,
            Format::Amazon => named(amazon::find(&files, options)?)?,
            Format::Yoochoose => named(sessions::yoochoose(&files)?)?,
            Format::Diginetica => named(sessions::diginetica(&files)?)?,
            Format::Retailrocket => named(sessions::retailrocket(&files)?)?,
            Format::Foursquare => named(checkins::foursquare(&files)?)?,
            Format::Gowalla => named(checkins::gowalla(&files)?)?,
            Format::Lastfm => named(lastfm::find(&files)?)?,
            Format::Kuairec => named(kuai::rec(&files)?)?,
            Format::Kuairand => named(kuai::rand(&files)?)?,
            Format::Tmall => named(purchases::tmall(&files)?)?,
            Format::Taobao => named(purchases::taobao(&files)?)?,
            Format::Hm => named(purchases::hm(&files)?)?,
        };
        if layout.strict && options.names_columns() {
            layout = Self { own: layout.own, ..Self::new("jsonl", layout.events, Shape::Json) };
        }
        if let Shape::Table { delimiter, columns, .. } = &mut layout.shape {
            if let Some(given) = options.delimiter {
                *delimiter = given;
            }
            if options.no_header && *columns == Columns::Header {
                *columns = Columns::Numbers;
            }
        }
        Ok(layout)
    }

    /// By the files' names, else by what is in the one file that there is.
    fn recognise(files: &Files, options: &Options) -> Result<Self> {
        type Finder = fn(&Files) -> Result<Option<Layout>>;
        const FINDERS: [Finder; 14] = [
            movielens::by_name,
            |files| recbole::by_name(files),
            sessions::yoochoose_by_name,
            sessions::diginetica_by_name,
            sessions::retailrocket_by_name,
            checkins::foursquare_by_name,
            checkins::gowalla_by_name,
            lastfm::by_name,
            kuai::rec_by_name,
            kuai::rand_by_name,
            purchases::tmall_by_name,
            purchases::taobao_by_name,
            purchases::hm_by_name,
            json::by_name,
        ];
        for find in FINDERS {
            if let Some(layout) = find(files)? {
                return Ok(layout);
            }
        }
        table::find(files, options, false)?
            .ok_or_else(|| Error::input(files.root(), "no known data set in it", Format::Auto.expected()))
    }
}

/// The ending of a file's name in small letters, that of a compression left out.
fn plain_ending(path: &Path) -> Option<String> {
    files::plain_name(path).rsplit_once('.').map(|(_, ending)| ending.to_owned())
}
