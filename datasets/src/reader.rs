//! A data set's events, in file order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmisr_features::Id;

use crate::catalogue::Catalogue;
use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::forms::{Forms, Samples, category_sample};
use crate::input::{self, Input};
use crate::layout::{Columns, Layout, Shape, shown_name};
use crate::marks::{MAX_TEXT_BYTES, Marks};
use crate::options::{Format, Options};
use crate::own;
use crate::stream_events::{MILLIS, Times, retimed};
use crate::summary::{Reason, Summary};
use crate::values::{CategoryForm, MAX_CATEGORIES, TimeForm, date_text, number};

/// Times from which the forms of the columns are guessed, before every row is looked at.
const FIRST_TIMES: u64 = 10_000;
/// Of so many events at least one is of an item that the files of items list; else it is told.
const EVENTS_OF_AN_ITEM_LISTED: u64 = 10;
/// The most that a row may be after its day began, in milliseconds: a year.
const MAX_OFFSET_MS: f64 = 3.2e10;

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Who.
    pub user: Id,
    /// What.
    pub item: Id,
    /// When, in epoch milliseconds.
    pub ts_ms: i64,
    /// What was done.
    pub action: Arc<str>,
    /// How strongly, where a column tells it.
    pub weight: Option<f32>,
    /// The categories that the row itself tells; where there are none, the [`Catalogue`] may.
    pub categories: Vec<Id>,
    /// What only the stream's own events have besides.
    pub marks: Option<Box<Marks>>,
}

/// Reads a data set.
///
/// Opening it reads every row once, and with that knows how the columns are written, how many rows are
/// events, and whether they are in the order of time; a compressed file that breaks off is found then.
/// The events themselves are read from the beginning again, one row in memory at a time. Of the items'
/// files ids and categories are held.
pub struct Reader {
    path: PathBuf,
    layout: Layout,
    options: Options,
    forms: Forms,
    /// How `ts` is written, where the stream's own events are not in whole milliseconds.
    retime: Option<TimeForm>,
    catalogue: Catalogue,
    summary: Summary,
    sorted: bool,
    /// Bytes of all files, and of those that are finished.
    size: u64,
    finished: u64,
    next_file: usize,
    current: Option<Input>,
    cells: Cells,
    action: Arc<str>,
}

impl Reader {
    /// Opens a file or folder, and reads it through once.
    ///
    /// # Errors
    /// Where the path is not what the format expects, where a column is not found or ambiguous or its
    /// times are in no one form, and where there is no row.
    pub fn open(path: &Path, format: Format, options: &Options) -> Result<Self> {
        options.validate()?;
        let layout = Layout::find(path, format, options)?;
        let mut size = 0;
        for file in &layout.events {
            let metadata =
                std::fs::metadata(file).map_err(|error| Error::io(file, "looking at it", error))?;
            size += metadata.len();
        }
        let mut reader = Self {
            path: path.to_owned(),
            forms: Forms::default(),
            layout,
            options: options.clone(),
            retime: None,
            catalogue: Catalogue::default(),
            summary: Summary::default(),
            sorted: true,
            size,
            finished: 0,
            next_file: 0,
            current: None,
            cells: Cells::default(),
            action: "".into(),
        };
        reader.look_through()?;
        reader.rewind();
        Ok(reader)
    }

    /// The layout's name.
    pub fn layout(&self) -> &'static str {
        self.layout.name
    }

    /// The files of events.
    pub fn files(&self) -> &[PathBuf] {
        &self.layout.events
    }

    /// The files of items.
    pub fn item_files(&self) -> impl Iterator<Item = &Path> {
        self.layout.items.iter().map(|items| &*items.path)
    }

    /// The items' categories that the files beside the events tell.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What is in the data set: of all rows, however many were read by now.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether the events stand in the order of time.
    pub fn is_sorted(&self) -> bool {
        self.sorted
    }

    /// The share of the files that was read, 0 to 1.
    pub fn share_read(&self) -> f64 {
        let read = self.finished + self.current.as_ref().map_or(0, Input::bytes_read);
        if self.size == 0 { 1.0 } else { (read as f64 / self.size as f64).min(1.0) }
    }

    /// Refuses a data set of which fewer rows than this share are events.
    ///
    /// # Errors
    /// [`Error::Few`], with the three most frequent reasons.
    pub fn require_events(&self, least: f64) -> Result<()> {
        let Summary { rows, events, .. } = self.summary;
        if events > 0 && events as f64 >= rows as f64 * least {
            return Ok(());
        }
        let remedy = "mend the rows, or say with options what the columns are";
        Err(Error::Few {
            path: self.path.clone(),
            found: format!("only {}; {remedy}", self.summary.counts()),
        })
    }

    /// The categories of an event: its row's own, else its item's.
    pub fn categories<'a>(&'a self, record: &'a Record) -> &'a [Id] {
        match record.categories.as_slice() {
            [] => self.catalogue.categories(&record.item).unwrap_or_default(),
            own => own,
        }
    }

    /// The next event; none at the end.
    ///
    /// # Errors
    /// Where a file cannot be read on, or has changed since it was opened.
    #[allow(clippy::should_implement_trait, reason = "after an error there is no next one")]
    pub fn next(&mut self) -> Result<Option<Record>> {
        loop {
            match self.step()? {
                Some(Ok(record)) => return Ok(Some(record)),
                Some(Err(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Decides how the columns are written, and counts.
    fn look_through(&mut self) -> Result<()> {
        if self.layout.strict {
            self.look_through_own()?;
        } else {
            self.look_through_columns()?;
        }
        if self.summary.rows == 0 {
            return Err(Error::Empty { path: self.path.clone() });
        }
        Ok(())
    }

    /// The stream's own events have one form; their times are taken as the stream takes them.
    fn look_through_own(&mut self) -> Result<()> {
        self.retime = Times::of(&self.layout.events[0], &self.options)?.retime;
        self.forms.time = self.retime.clone().unwrap_or(MILLIS);
        self.forms.plausible = self.options.time()?.is_none();
        self.count(&Summary::default()).map(drop)
    }

    fn look_through_columns(&mut self) -> Result<()> {
        let mut samples = self.sample(FIRST_TIMES)?;
        let (file, column) = (self.layout.events[0].clone(), self.time_column());
        self.forms = match self.decide(&samples, &file, &column) {
            Ok(forms) => forms,
            Err(_) => {
                samples = self.sample(u64::MAX)?;
                self.decide(&samples, &file, &column)?
            }
        };
        let elsewhere = self.elsewhere()?;
        let mut of_items = Summary::default();
        self.catalogue = Catalogue::read(&self.layout.items, &self.options, &elsewhere, &mut of_items)?;
        // Forms that the first rows told, and not all, were a wrong guess: once more, with the right ones.
        for _ in 0..2 {
            let samples = self.count(&of_items)?;
            let forms = self.decide(&samples, &file, &column)?;
            if forms == self.forms {
                break;
            }
            self.forms = forms;
        }
        Ok(())
    }

    /// How the columns are written; `column` is that of the time.
    fn decide(&self, samples: &Samples, file: &Path, column: &str) -> Result<Forms> {
        let mut forms = samples.decide(file, column, &self.options)?;
        let is_own = self.layout.own && self.options.category_columns.is_empty();
        if let Some(category) = forms.categories.first_mut().filter(|_| is_own) {
            // The stream's own category is one name, whatever stands in it.
            *category = CategoryForm::default();
        }
        Ok(forms)
    }

    /// Looks at rows until so many times were seen.
    fn sample(&mut self, times: u64) -> Result<Samples> {
        let mut samples = Samples::default();
        for file in &self.layout.events {
            let mut input = Input::open(file, &self.layout, &self.options)?;
            self.expect_categories(&mut samples, &input);
            while let Some(read) = input.next(&mut self.cells)? {
                if read.is_ok() {
                    samples.see(&self.cells);
                    if samples.times() >= times {
                        return Ok(samples);
                    }
                }
            }
        }
        Ok(samples)
    }

    /// Reads all rows: makes the summary, and samples for the forms of all of them.
    fn count(&mut self, of_items: &Summary) -> Result<Samples> {
        self.rewind();
        self.sorted = true;
        self.summary = Summary {
            layout: self.layout.name.to_owned(),
            files: self.layout.events.iter().map(|file| shown_name(file)).collect(),
            delimiter: input::delimiter(self.layout.shape).map(|delimiter| delimiter.to_string()),
            time: self.forms.time.to_string(),
            notes: [&self.layout.notes[..], &of_items.notes].concat(),
            ..of_items.clone()
        };
        let mut samples = Samples::default();
        let mut range: Option<(i64, i64)> = None;
        let mut newest = i64::MIN;
        let mut with_item = 0;
        while let Some(found) = self.step_with(Some(&mut samples))? {
            let Self { summary, cells, current, catalogue, .. } = self;
            match found {
                Ok(Record { ts_ms, action, item, categories, .. }) => {
                    let is_listed = || catalogue.categories(&item).is_some();
                    with_item += u64::from(!categories.is_empty() || is_listed());
                    summary.rows += 1;
                    summary.events += 1;
                    summary.see_action(&action);
                    let (first, last) = range.unwrap_or((ts_ms, ts_ms));
                    range = Some((first.min(ts_ms), last.max(ts_ms)));
                    self.sorted &= newest <= ts_ms;
                    newest = newest.max(ts_ms);
                }
                Err(reason) => {
                    let place = || current.as_ref().map_or_else(String::new, |input| input.place(cells.line));
                    summary.reject(reason, place, &cells.raw);
                }
            }
        }
        if let Some((first, last)) = range {
            self.summary.first = Some(date_text(first));
            self.summary.last = Some(date_text(last));
        }
        self.note_unlisted(with_item);
        Ok(samples)
    }

    /// Says where files of items were read and hardly any event, `with_item`, is of an item in them.
    fn note_unlisted(&mut self, with_item: u64) {
        let summary = &mut self.summary;
        if summary.item_rows == 0 || with_item >= summary.events.div_ceil(EVENTS_OF_AN_ITEM_LISTED) {
            return;
        }
        let files: Vec<String> = self.layout.items.iter().map(|items| shown_name(&items.path)).collect();
        let events = summary.events;
        summary.notes.push(format!(
            "warning: items: only {with_item} of {events} events are of an item that {} lists, so the others have no \
             category; write the items' ids in both files alike, or name the columns of both with --item-column",
            files.join(", ")
        ));
    }

    fn rewind(&mut self) {
        (self.next_file, self.finished, self.current) = (0, 0, None);
    }

    fn step(&mut self) -> Result<Option<std::result::Result<Record, Reason>>> {
        self.step_with(None)
    }

    /// The next row.
    fn step_with(
        &mut self,
        mut samples: Option<&mut Samples>,
    ) -> Result<Option<std::result::Result<Record, Reason>>> {
        loop {
            if let Some(input) = &mut self.current {
                if let Some(read) = input.next(&mut self.cells)? {
                    if self.layout.strict {
                        return Ok(Some(self.own()));
                    }
                    if let (Ok(()), Some(samples)) = (read, samples.as_deref_mut()) {
                        samples.see(&self.cells);
                    }
                    return Ok(Some(read.and_then(|()| self.record())));
                }
                self.finished += input.bytes_read();
                self.current = None;
            }
            let Some(file) = self.layout.events.get(self.next_file) else { return Ok(None) };
            let input = Input::open(file, &self.layout, &self.options)?;
            self.next_file += 1;
            if let Some(samples) = samples.as_deref_mut() {
                self.expect_categories(samples, &input);
                self.summary.encoding = input.encoding();
                for (role, column) in &input.taken {
                    self.summary.columns.insert(role.clone(), column.clone());
                }
            }
            self.action = match self.layout.action {
                Some(action) => action.into(),
                None if input.tells.1 => "rate".into(),
                None => "click".into(),
            };
            self.current = Some(input);
        }
    }

    /// What a file says of its column of categories.
    fn expect_categories(&self, samples: &mut Samples, input: &Input) {
        samples.category = category_sample(&self.options, input.is_sequence);
    }

    /// The stream's own event that was read last: what the stream would take.
    fn own(&self) -> std::result::Result<Record, Reason> {
        let line = &self.cells.raw;
        let rewritten = self.retime.as_ref().and_then(|form| retimed(line, form));
        let record = own::read(rewritten.as_deref().unwrap_or(line))?;
        if self.forms.allows(record.ts_ms) { Ok(record) } else { Err(Reason::ImplausibleTime) }
    }

    /// The event of the row that was read last.
    fn record(&mut self) -> std::result::Result<Record, Reason> {
        let Self { cells, forms, layout, current, .. } = self;
        let (tells_action, _) = current.as_ref().map_or((false, false), |input| input.tells);
        let id = |cell: &crate::cells::Cell, form: crate::values::IdForm, bad, missing| match cell.get() {
            None => Err(bad),
            Some(text) => form.id(text).map_err(|_| bad)?.ok_or(missing),
        };
        let user = id(&cells.user, forms.user, Reason::BadUser, Reason::MissingUser)?;
        let item = id(&cells.item, forms.item, Reason::BadItem, Reason::MissingItem)?;
        if cells.time.is_missing() {
            return Err(Reason::MissingTime);
        }
        let time = cells.time.get().ok_or(Reason::BadTime)?;
        let mut ts_ms = forms.time.ms(time).map_err(|_| Reason::BadTime)?;
        if layout.offset.is_some() {
            let offset = cells.offset.get().map(number).ok_or(Reason::BadTime)?;
            let offset = offset.map_err(|_| Reason::BadTime)?.ok_or(Reason::MissingTime)?;
            if !(0.0..MAX_OFFSET_MS).contains(&offset) {
                return Err(Reason::BadTime);
            }
            ts_ms = ts_ms.saturating_add(offset as i64);
        }
        if !forms.allows(ts_ms) {
            return Err(Reason::ImplausibleTime);
        }
        let weight = match cells.weight.get().map(number) {
            Some(Ok(weight)) => weight.map(|weight| weight as f32),
            Some(Err(_)) | None => return Err(Reason::BadWeight),
        };
        if weight.is_some_and(|weight| !weight.is_finite()) {
            return Err(Reason::BadWeight);
        }
        let (mut categories, one_category): (Vec<Id>, _) = (Vec::new(), CategoryForm::default());
        for (at, cell) in cells.categories.iter().enumerate() {
            let form = forms.categories.get(at).unwrap_or(&one_category);
            let text = cell.get().ok_or(Reason::BadCategory)?;
            if layout.no_category == Some(text) {
                continue;
            }
            for category in form.categories(text).map_err(|_| Reason::BadCategory)? {
                if !categories.contains(&category) && categories.len() < MAX_CATEGORIES {
                    categories.push(category);
                }
            }
        }
        // A column that was only guessed to tell the action may hold something else.
        let is_guess = self.options.action_column.is_none();
        let tells = !cells.action.is_missing() && (!is_guess || cells.action.get().is_some());
        if tells_action && tells {
            let text =
                cells.action.get().filter(|text| text.len() <= MAX_TEXT_BYTES).ok_or(Reason::BadAction)?;
            // A column that somebody names may be another one than the layout's.
            let codes = if self.options.action_column.is_none() { layout.actions } else { &[] };
            let text = codes.iter().find(|(code, _)| *code == text).map_or(text, |(_, action)| action);
            if *self.action != *text {
                self.action = text.into();
            }
        } else if tells_action {
            self.action = layout.action.unwrap_or("click").into();
        }
        let marks = Marks::of(&cells.marks).ok_or(Reason::BadField)?.boxed();
        Ok(Record { user, item, ts_ms, action: Arc::clone(&self.action), weight, categories, marks })
    }

    /// The column of the time, for errors: where the file has no names, its number too.
    fn time_column(&self) -> String {
        let input = Input::open(&self.layout.events[0], &self.layout, &self.options);
        let name = input.ok().and_then(|mut input| input.taken.remove("time"));
        let name = name.unwrap_or_else(|| "time".to_owned());
        if let Shape::Table { columns: Columns::Fixed(names), .. } = self.layout.shape
            && let Some(at) = names.iter().position(|own| *own == name)
        {
            return format!("{} ({name} of {})", at + 1, self.layout.name);
        }
        name
    }

    /// Categories' columns that are named and that the events have not.
    fn elsewhere(&self) -> Result<Vec<String>> {
        Ok(Input::open(&self.layout.events[0], &self.layout, &self.options)?.elsewhere)
    }
}
