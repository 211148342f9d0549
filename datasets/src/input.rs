//! A file of rows, with the columns that are needed of it.

mod picked;

use std::collections::BTreeMap;
use std::path::Path;

use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::layout::{Columns, Header, Layout, Role, Roles, Shape, shown_name, untyped};
use crate::options::Options;
use crate::summary::Reason;
use crate::text::{Delimiter, Head, Lines, Rows};

use picked::Keys;

/// A file of events, being read.
pub(crate) struct Input {
    name: String,
    rows: Kind,
    /// Which column was taken for what.
    pub(crate) taken: BTreeMap<String, String>,
    /// The categories that were named and that this file has not.
    pub(crate) elsewhere: Vec<String>,
    /// Whether a column tells the action, and the weight.
    pub(crate) tells: (bool, bool),
    /// Whether the categories' column is declared to hold sequences of names.
    pub(crate) is_sequence: bool,
    month_day: Option<i32>,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it, for the file that is read")]
enum Kind {
    Table(Rows, Slots),
    Json(Lines, Keys),
    /// Lines that are read as a whole.
    Own(Lines),
}

/// The places of a table's columns.
struct Slots {
    user: usize,
    item: usize,
    time: usize,
    offset: Option<usize>,
    action: Option<usize>,
    weight: Option<usize>,
    categories: Vec<usize>,
    columns: usize,
}

impl Input {
    /// Opens a file of events.
    pub(crate) fn open(path: &Path, layout: &Layout, options: &Options) -> Result<Self> {
        match layout.shape {
            Shape::Json => Self::json(path, layout, options),
            Shape::Table { delimiter, quoting, columns } => {
                let mut rows = Rows::open(path, delimiter, quoting)?;
                let names = names(&mut rows, columns)?;
                Self::table(rows, &names, columns == Columns::Header, layout, options)
            }
        }
    }

    fn table(
        mut rows: Rows,
        names: &[String],
        own: bool,
        layout: &Layout,
        options: &Options,
    ) -> Result<Self> {
        let path = rows.path().to_owned();
        rows.expect_columns(names.len());
        let header = Header { path: &path, names, own };
        let Found { at, taken, elsewhere } = find(&header, &layout.roles, options, !layout.items.is_empty())?;
        let offset = match layout.offset {
            Some(offset) => Some(header.given(Role::Time, offset)?),
            None => None,
        };
        let is_sequence = at.categories.iter().any(|&at| names[at].ends_with(":token_seq"));
        let tells = (at.action.is_some(), at.weight.is_some());
        let slots = Slots { offset, columns: names.len(), ..at };
        Ok(Self {
            name: shown_name(&path),
            rows: Kind::Table(rows, slots),
            taken,
            elsewhere,
            tells,
            is_sequence,
            month_day: layout.month_day,
        })
    }

    fn json(path: &Path, layout: &Layout, options: &Options) -> Result<Self> {
        if layout.strict {
            return Self::own(path);
        }
        let mut names: Vec<String> = Vec::new();
        for object in Head::read(path)?.objects() {
            object.into_iter().for_each(|key| {
                if !names.contains(&key) {
                    names.push(key);
                }
            });
        }
        let pointers = [&options.user_column, &options.item_column, &options.time_column]
            .into_iter()
            .chain([&options.action_column, &options.weight_column])
            .flatten()
            .chain(&options.category_columns);
        for pointer in pointers.filter(|given| given.starts_with('/')) {
            if !names.contains(pointer) {
                names.push(pointer.clone());
            }
        }
        let header = Header { path, names: &names, own: true };
        let Found { mut at, taken, elsewhere } =
            find(&header, &layout.roles, options, !layout.items.is_empty())?;
        let name = |at: usize| names[at].clone();
        if layout.own && options.category_columns.is_empty() {
            at.categories.extend(names.iter().position(|name| name == "categories"));
        }
        let keys = Keys::new(
            [Some(at.user), Some(at.item), Some(at.time), at.action, at.weight].map(|at| at.map(name)),
            at.categories.iter().map(|&at| name(at)).collect(),
            layout.own,
        );
        Ok(Self {
            name: shown_name(path),
            rows: Kind::Json(Lines::open(path)?, keys),
            taken,
            elsewhere,
            tells: (at.action.is_some(), at.weight.is_some()),
            is_sequence: false,
            month_day: None,
        })
    }

    /// The stream's own events.
    fn own(path: &Path) -> Result<Self> {
        let taken = [
            (Role::User, "user_id"),
            (Role::Item, "item_id"),
            (Role::Time, "ts"),
            (Role::Category, "category"),
            (Role::Action, "action"),
            (Role::Weight, "weight"),
        ];
        Ok(Self {
            name: shown_name(path),
            rows: Kind::Own(Lines::open(path)?),
            taken: taken.map(|(role, field)| (role.name().to_owned(), field.to_owned())).into(),
            elsewhere: Vec::new(),
            tells: (true, true),
            is_sequence: false,
            month_day: None,
        })
    }

    /// The place of a row.
    pub(crate) fn place(&self, line: u64) -> String {
        format!("{}:{line}", self.name)
    }

    /// Bytes taken from the file so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        match &self.rows {
            Kind::Table(rows, _) => rows.bytes_read(),
            Kind::Json(lines, _) | Kind::Own(lines) => lines.bytes_read(),
        }
    }

    pub(crate) fn encoding(&self) -> String {
        match &self.rows {
            Kind::Table(rows, _) => rows.encoding(),
            Kind::Json(lines, _) | Kind::Own(lines) => lines.encoding(),
        }
    }

    /// Reads the next row into `cells`; none at the end, a reason where it has not its columns.
    pub(crate) fn next(&mut self, cells: &mut Cells) -> Result<Option<std::result::Result<(), Reason>>> {
        let found = match &mut self.rows {
            Kind::Json(lines, keys) => match lines.next()? {
                Some((line, text)) => {
                    cells.line = line;
                    cells.raw.clear();
                    cells.raw.extend_from_slice(text);
                    keys.read(text, cells)
                }
                None => return Ok(None),
            },
            Kind::Own(lines) => match lines.next()? {
                Some((line, text)) => {
                    cells.line = line;
                    cells.raw.clear();
                    cells.raw.extend_from_slice(text);
                    Ok(())
                }
                None => return Ok(None),
            },
            Kind::Table(rows, slots) => match rows.next()? {
                Some(row) => {
                    cells.line = row.line;
                    cells.raw.clear();
                    cells.raw.extend_from_slice(row.raw);
                    slots.read(&row, cells)
                }
                None => return Ok(None),
            },
        };
        if let Some(year) = self.month_day {
            cells.time.rewrite(|day| {
                let digits = (3..=4).contains(&day.len()) && day.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| format!("{year}{day:0>4}"))
            });
        }
        Ok(Some(found))
    }
}

impl Slots {
    fn read(&self, row: &crate::text::Row<'_>, cells: &mut Cells) -> std::result::Result<(), Reason> {
        if row.len() != self.columns {
            return Err(Reason::Columns);
        }
        let at = |at: Option<usize>| at.and_then(|at| row.get(at));
        cells.user.set(row.get(self.user), false);
        cells.item.set(row.get(self.item), false);
        cells.time.set(row.get(self.time), false);
        cells.offset.set(at(self.offset), false);
        cells.action.set(at(self.action), true);
        cells.weight.set(at(self.weight), false);
        cells.categories.resize_with(self.categories.len(), Default::default);
        for (cell, &at) in cells.categories.iter_mut().zip(&self.categories) {
            cell.set(row.get(at), true);
        }
        Ok(())
    }
}

/// The columns of a file.
struct Found {
    at: Slots,
    taken: BTreeMap<String, String>,
    elsewhere: Vec<String>,
}

/// Which column is what. `has_items`: whether categories that are named may stand in another file.
fn find(header: &Header<'_>, roles: &Roles, options: &Options, has_items: bool) -> Result<Found> {
    let mut taken = BTreeMap::new();
    let mut take = |role: Role, at: usize| {
        let name = untyped(&header.names[at]);
        let names: &mut String = taken.entry(role.name().to_owned()).or_default();
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(name);
        at
    };
    let optional = |role: Role, given: &Option<String>, names| match given {
        Some(given) => header.given(role, given).map(Some),
        None => header.find(role, names),
    };
    let user = header.require(Role::User, options.user_column.as_deref(), roles.user)?;
    let item = header.require(Role::Item, options.item_column.as_deref(), roles.item)?;
    let time = header.require(Role::Time, options.time_column.as_deref(), roles.time)?;
    for (one, other, option) in
        [(user, item, "--item-column"), (user, time, "--time-column"), (item, time, "--time-column")]
    {
        if one == other {
            let problem = format!("the column {} cannot be two things", untyped(&header.names[one]));
            return Err(Error::unclear(header.path, problem, format!("name another one with {option}")));
        }
    }
    let action = optional(Role::Action, &options.action_column, roles.action)?;
    let weight = optional(Role::Weight, &options.weight_column, roles.weight)?;
    let (mut categories, mut elsewhere) = (Vec::new(), Vec::new());
    if options.category_columns.is_empty() {
        categories.extend(header.find(Role::Category, roles.category)?);
    }
    for given in &options.category_columns {
        match header.given(Role::Category, given) {
            Ok(at) => categories.push(at),
            Err(_) if has_items => elsewhere.push(given.clone()),
            Err(error) => return Err(error),
        }
    }
    let columns = header.names.len();
    let at = Slots { user, item, time, offset: None, action, weight, categories, columns };
    take(Role::User, user);
    take(Role::Item, item);
    take(Role::Time, time);
    if let Some(at) = at.action {
        take(Role::Action, at);
    }
    if let Some(at) = at.weight {
        take(Role::Weight, at);
    }
    for &at in &at.categories {
        take(Role::Category, at);
    }
    Ok(Found { at, taken, elsewhere })
}

/// The names of a table's columns; a header is read over.
pub(crate) fn names(rows: &mut Rows, columns: Columns) -> Result<Vec<String>> {
    let path = rows.path().to_owned();
    Ok(match columns {
        Columns::Fixed(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        Columns::Header => match rows.next()? {
            Some(row) => (0..row.len())
                .map(|at| crate::text::text(row.get(at).unwrap_or_default()).into_owned())
                .collect(),
            None => return Err(Error::Empty { path }),
        },
        Columns::Numbers => {
            let mut first = Rows::open(&path, rows.delimiter(), rows.quoting())?;
            match first.next()? {
                Some(row) => (1..=row.len()).map(|number| number.to_string()).collect(),
                None => return Err(Error::Empty { path }),
            }
        }
    })
}

/// The delimiter of a layout's table, for people.
pub(crate) fn delimiter(shape: Shape) -> Option<Delimiter> {
    match shape {
        Shape::Json => None,
        Shape::Table { delimiter, .. } => Some(delimiter),
    }
}
