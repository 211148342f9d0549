//! A data set's events, in file order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmisr_features::Id;

use crate::catalogue::Catalogue;
use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::forms::{Forms, Samples};
use crate::input::{self, Input};
use crate::layout::{Layout, shown_name};
use crate::options::{Format, Options};
use crate::summary::{Reason, Summary};
use crate::values::{CategoryForm, MAX_CATEGORIES, date_text, number};

/// Times from which the forms of the columns are guessed, before every row is looked at.
const FIRST_TIMES: u64 = 10_000;
/// The longest action, in bytes: what an event may have.
const MAX_ACTION_BYTES: usize = 256;

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
        let mut samples = self.sample(FIRST_TIMES)?;
        let (file, column) = (self.layout.events[0].clone(), self.time_column());
        let fallback = self.layout.time.clone();
        self.forms = match samples.decide(&file, &column, &self.options, fallback.as_ref()) {
            Ok(forms) => forms,
            Err(_) => {
                samples = self.sample(u64::MAX)?;
                samples.decide(&file, &column, &self.options, fallback.as_ref())?
            }
        };
        let elsewhere = self.elsewhere()?;
        let mut of_items = Summary::default();
        self.catalogue = Catalogue::read(&self.layout.items, &self.options, &elsewhere, &mut of_items)?;
        // Forms that the first rows told, and not all, were a wrong guess: once more, with the right ones.
        for _ in 0..2 {
            let samples = self.count(&of_items)?;
            let forms = samples.decide(&file, &column, &self.options, fallback.as_ref())?;
            if forms == self.forms {
                break;
            }
            self.forms = forms;
        }
        if self.summary.rows == 0 {
            return Err(Error::Empty { path: self.path.clone() });
        }
        Ok(())
    }

    /// Looks at rows until so many times were seen.
    fn sample(&mut self, times: u64) -> Result<Samples> {
        let mut samples = Samples::default();
        for file in &self.layout.events {
            let mut input = Input::open(file, &self.layout, &self.options)?;
            samples.is_sequence |= input.is_sequence;
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
            ..of_items.clone()
        };
        let mut samples = Samples::default();
        let mut range: Option<(i64, i64)> = None;
        let mut newest = i64::MIN;
        while let Some(found) = self.step_with(Some(&mut samples))? {
            let Self { summary, cells, current, .. } = self;
            match found {
                Ok(Record { ts_ms, .. }) => {
                    summary.rows += 1;
                    summary.events += 1;
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
        Ok(samples)
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
                samples.is_sequence |= input.is_sequence;
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
        if let Some(Ok(offset)) = cells.offset.get().map(number) {
            ts_ms = ts_ms.saturating_add(offset.unwrap_or(0.0).clamp(0.0, 1e11) as i64);
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
        let mut categories: Vec<Id> = Vec::new();
        for (at, cell) in cells.categories.iter().enumerate() {
            let form = forms.categories.get(at).copied().unwrap_or_else(CategoryForm::default);
            let text = cell.get().ok_or(Reason::BadCategory)?;
            for category in form.categories(text).map_err(|_| Reason::BadCategory)? {
                if !categories.contains(&category) && categories.len() < MAX_CATEGORIES {
                    categories.push(category);
                }
            }
        }
        // A column that was only guessed to tell the action may hold something else.
        let is_guess = !layout.strict && self.options.action_column.is_none();
        let tells = !cells.action.is_missing() && (!is_guess || cells.action.get().is_some());
        if tells_action && tells {
            let text =
                cells.action.get().filter(|text| text.len() <= MAX_ACTION_BYTES).ok_or(Reason::BadAction)?;
            if *self.action != *text {
                self.action = text.into();
            }
        } else if layout.strict {
            return Err(Reason::BadAction);
        } else if tells_action {
            self.action = layout.action.unwrap_or("click").into();
        }
        if layout.strict && categories.is_empty() {
            return Err(Reason::BadCategory);
        }
        Ok(Record { user, item, ts_ms, action: Arc::clone(&self.action), weight, categories })
    }

    /// The column of the time, for errors.
    fn time_column(&self) -> String {
        let input = Input::open(&self.layout.events[0], &self.layout, &self.options);
        input.ok().and_then(|mut input| input.taken.remove("time")).unwrap_or_else(|| "time".to_owned())
    }

    /// Categories' columns that are named and that the events have not.
    fn elsewhere(&self) -> Result<Vec<String>> {
        Ok(Input::open(&self.layout.events[0], &self.layout, &self.options)?.elsewhere)
    }
}
