//! Items and their categories, from the files beside the events.

use std::collections::HashMap;

use hmisr_features::Id;

use crate::cells::Cell;
use crate::error::{Error, Result};
use crate::forms::category_sample;
use crate::input::names;
use crate::layout::{Header, Items, Names, Pick, Role, Shape, plain, shown_name};
use crate::options::Options;
use crate::summary::{Reason, Summary};
use crate::text::{Head, Lines, Rows};
use crate::values::{CategoryForm, CategorySample, IdForm, IdSample, MAX_CATEGORIES};

/// Categories of items, in the order in which the files list them.
#[derive(Debug, Default)]
pub struct Catalogue {
    items: Vec<(Id, Vec<Id>)>,
    places: HashMap<Id, usize>,
}

impl Catalogue {
    /// The item's categories, the first listed first; none where no file lists it.
    pub fn categories(&self, item: &Id) -> Option<&[Id]> {
        self.places.get(item).map(|&at| &self.items[at].1[..])
    }

    /// The items with their categories, in the files' order.
    pub fn iter(&self) -> impl Iterator<Item = (&Id, &[Id])> {
        self.items.iter().map(|(item, categories)| (item, &categories[..]))
    }

    /// Items listed.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no item is listed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn add(&mut self, item: Id, categories: Vec<Id>) {
        let at = *self.places.entry(item.clone()).or_insert_with(|| {
            self.items.push((item, Vec::new()));
            self.items.len() - 1
        });
        let known = &mut self.items[at].1;
        for category in categories {
            if !known.contains(&category) && known.len() < MAX_CATEGORIES {
                known.push(category);
            }
        }
    }

    /// Reads the files of items. `elsewhere`: categories' columns that are named and that the events
    /// have not; one that no file has is an error. Rows that cannot be read are counted, and a file whose
    /// columns are not known is left out with a note: the events are there all the same.
    pub(crate) fn read(
        items: &[Items],
        options: &Options,
        elsewhere: &[String],
        summary: &mut Summary,
    ) -> Result<Self> {
        let mut catalogue = Self::default();
        let mut found = vec![false; elsewhere.len()];
        for file in items {
            let mut open = match Open::new(file, options, elsewhere, &mut found) {
                Ok(open) => open,
                Err(error @ (Error::Column { .. } | Error::Empty { .. })) if elsewhere.is_empty() => {
                    summary.notes.push(left_out(file, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let categories = match file.pick {
                Pick::Flags(..) => CategorySample::default(),
                _ => category_sample(options, open.is_sequence),
            };
            let mut sample = (IdSample::default(), categories);
            let mut row = Listed::default();
            while let Some(read) = open.next(&mut row)? {
                if read.is_ok() {
                    row.item.get().into_iter().for_each(|text| sample.0.see(text));
                    row.categories.iter().filter_map(Cell::get).for_each(|text| sample.1.see(text));
                }
            }
            let forms = (sample.0.decide(), sample.1.decide());
            let mut open = Open::new(file, options, elsewhere, &mut found)?;
            while let Some(read) = open.next(&mut row)? {
                summary.item_rows += 1;
                match read.and_then(|()| row.read(&forms)) {
                    Ok(Some((item, categories))) => catalogue.add(item, categories),
                    Ok(None) => {}
                    Err(reason) => {
                        let place = || format!("{}:{}", shown_name(&file.path), row.line);
                        summary.reject_item(reason, place, &row.raw);
                    }
                }
            }
            if !open.taken.is_empty() {
                summary
                    .columns
                    .entry("category".to_owned())
                    .or_insert_with(|| format!("{} of {}", open.taken, shown_name(&file.path)));
            }
        }
        if let Some(at) = found.iter().position(|found| !found) {
            let path = items.first().map(|items| items.path.clone()).unwrap_or_default();
            let problem = format!("no column {}, and none in the events either", elsewhere[at]);
            return Err(Error::unclear(&path, problem, "name another one with --category-column"));
        }
        Ok(catalogue)
    }
}

/// That a file of items is not read, and why.
fn left_out(file: &Items, error: &Error) -> String {
    let problem = match error {
        Error::Column { problem, remedy, .. } => format!("{problem}; {remedy}"),
        _ => "there is nothing in it".to_owned(),
    };
    format!("items: {} is left out: {problem}", shown_name(&file.path))
}

/// What a row of an items' file says.
#[derive(Default)]
struct Listed {
    line: u64,
    raw: Vec<u8>,
    item: Cell,
    categories: Vec<Cell>,
    /// Whether the row is about something else.
    passed: bool,
}

impl Listed {
    fn read(
        &self,
        (item, category): &(IdForm, CategoryForm),
    ) -> std::result::Result<Option<(Id, Vec<Id>)>, Reason> {
        if self.passed {
            return Ok(None);
        }
        let text = self.item.get().ok_or(Reason::BadItem)?;
        let id = item.id(text).map_err(|_| Reason::BadItem)?.ok_or(Reason::MissingItem)?;
        let mut categories = Vec::new();
        for cell in &self.categories {
            let text = cell.get().ok_or(Reason::BadCategory)?;
            categories.extend(category.categories(text).map_err(|_| Reason::BadCategory)?);
        }
        Ok(Some((id, categories)))
    }
}

/// A file of items, being read.
struct Open<'a> {
    rows: Kind,
    pick: &'a Pick,
    item: usize,
    categories: Vec<usize>,
    property: usize,
    columns: usize,
    is_sequence: bool,
    taken: String,
    /// In JSON, the keys of the item and of the categories.
    wanted: Vec<String>,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it, for the file that is read")]
enum Kind {
    Table(Rows),
    Json(Lines),
}

impl<'a> Open<'a> {
    fn new(file: &'a Items, options: &Options, elsewhere: &[String], found: &mut [bool]) -> Result<Self> {
        let path = &file.path;
        let (rows, names, own) = match file.shape {
            Shape::Json => {
                let mut keys: Vec<String> = Head::read(path)?.objects().flatten().collect();
                keys.sort();
                keys.dedup();
                if keys.is_empty() {
                    // Every line is then counted as no object.
                    keys.push("item".to_owned());
                }
                (Kind::Json(Lines::open(path)?), keys, true)
            }
            Shape::Table { delimiter, quoting, columns } => {
                let mut rows = Rows::open(path, delimiter, quoting)?;
                let names = names(&mut rows, columns)?;
                rows.expect_columns(names.len());
                (Kind::Table(rows), names, columns == crate::layout::Columns::Header)
            }
        };
        let header = Header { path, names: &names, own };
        let item = item_column(&header, options, file.item)?;
        let mut categories = Vec::new();
        for (named, found) in elsewhere.iter().zip(found) {
            if let Ok(at) = header.given(Role::Category, named) {
                categories.push(at);
                *found = true;
            }
        }
        let mut property = 0;
        let usual = match &file.pick {
            Pick::Last => Some(names.len() - 1),
            Pick::Flags(..) => None,
            Pick::Property(_) => {
                property = header.given(Role::Category, "property")?;
                header.find(Role::Category, file.category)?
            }
            Pick::Column => header.find(Role::Category, file.category)?,
        };
        if categories.is_empty() {
            categories.extend(usual);
        }
        let is_sequence = categories.iter().any(|&at| names[at].ends_with(":token_seq"));
        let taken: Vec<&str> = categories.iter().map(|&at| crate::layout::untyped(&names[at])).collect();
        let taken = match &file.pick {
            Pick::Flags(..) => "flags of genres".to_owned(),
            _ => taken.join(", "),
        };
        let wanted =
            std::iter::once(item).chain(categories.iter().copied()).map(|at| names[at].clone()).collect();
        Ok(Self {
            rows,
            pick: &file.pick,
            item,
            categories,
            property,
            columns: names.len(),
            is_sequence,
            taken,
            wanted,
        })
    }

    fn next(&mut self, row: &mut Listed) -> Result<Option<std::result::Result<(), Reason>>> {
        row.passed = false;
        match &mut self.rows {
            Kind::Json(lines) => {
                let Some((line, text)) = lines.next()? else { return Ok(None) };
                row.line = line;
                row.raw.clear();
                row.raw.extend_from_slice(text);
                let Some(values) = crate::json::pick_loosely(text, &self.wanted) else {
                    return Ok(Some(Err(Reason::NotJson)));
                };
                row.item.set_json(values.first().and_then(Option::as_ref), false);
                row.categories.clear();
                for value in values.iter().skip(1) {
                    let mut cell = Cell::default();
                    cell.set_json(value.as_ref(), true);
                    row.categories.push(cell);
                }
                Ok(Some(Ok(())))
            }
            Kind::Table(rows) => {
                let Some(read) = rows.next()? else { return Ok(None) };
                row.line = read.line;
                row.raw.clear();
                row.raw.extend_from_slice(read.raw);
                let whole = match self.pick {
                    Pick::Last => read.len() >= self.columns,
                    _ => read.len() == self.columns,
                };
                if !whole {
                    return Ok(Some(Err(Reason::Columns)));
                }
                row.item.set(read.get(self.item), false);
                row.categories.clear();
                let mut take = |at: usize| {
                    let mut cell = Cell::default();
                    cell.set(read.get(at), true);
                    row.categories.push(cell);
                };
                match self.pick {
                    Pick::Column => self.categories.iter().for_each(|&at| take(at)),
                    Pick::Last => take(read.len() - 1),
                    Pick::Property(property) => {
                        row.passed = read.get(self.property) != Some(property.as_bytes());
                        self.categories.iter().for_each(|&at| take(at));
                    }
                    Pick::Flags(from, genres) => {
                        for (genre, at) in genres.iter().zip(*from..) {
                            if read.get(at) == Some(b"1") {
                                let mut cell = Cell::default();
                                cell.set(Some(genre.as_bytes()), true);
                                row.categories.push(cell);
                            }
                        }
                    }
                }
                Ok(Some(Ok(())))
            }
        }
    }
}

/// The items' column: what the events call it, where the file has that, else as usual.
fn item_column(header: &Header<'_>, options: &Options, usual: Names) -> Result<usize> {
    let given = options.item_column.as_deref();
    let given = given.filter(|given| header.names.iter().any(|name| plain(name) == plain(given)));
    header.require(Role::Item, given, usual)
}
