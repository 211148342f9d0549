//! How the columns of a data set are written: decided over all rows, never for one value.

use std::path::Path;

use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::values::{
    CategoryForm, CategorySample, IdForm, IdSample, TimeForm, TimeSample, Undecided, is_plausible,
};

/// What the columns of rows hold.
#[derive(Default)]
pub(crate) struct Samples {
    user: IdSample,
    item: IdSample,
    time: TimeSample,
    categories: Vec<CategorySample>,
    /// A sample of categories that saw nothing yet.
    pub(crate) category: CategorySample,
}

/// How each column is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forms {
    pub(crate) user: IdForm,
    pub(crate) item: IdForm,
    pub(crate) time: TimeForm,
    /// Whether times outside 1990 to 2200 are no events: where the form was told by the plausible ones.
    pub(crate) plausible: bool,
    pub(crate) categories: Vec<CategoryForm>,
}

/// A sample of a column of categories; `is_sequence`: whether it is declared to hold sequences of names.
pub(crate) fn category_sample(options: &Options, is_sequence: bool) -> CategorySample {
    match &options.category_separator {
        Some(separator) => CategorySample::separated_by(separator),
        None if is_sequence => CategorySample::token_seq(),
        None => CategorySample::default(),
    }
}

impl Samples {
    pub(crate) fn see(&mut self, cells: &Cells) {
        for (sample, cell) in [(&mut self.user, &cells.user), (&mut self.item, &cells.item)] {
            if let Some(text) = cell.get() {
                sample.see(text);
            }
        }
        if let Some(text) = cells.time.get() {
            self.time.see(text);
        }
        let columns = cells.categories.len().max(self.categories.len());
        self.categories.resize(columns, self.category.clone());
        for (sample, cell) in self.categories.iter_mut().zip(&cells.categories) {
            if let Some(text) = cell.get() {
                sample.see(text);
            }
        }
    }

    /// Times seen, missing ones left out.
    pub(crate) fn times(&self) -> u64 {
        self.time.seen()
    }

    /// The forms: times as they are said to be, or as nearly all are.
    pub(crate) fn decide(&self, path: &Path, column: &str, options: &Options) -> Result<Forms> {
        let (time, plausible) = match (options.time()?, self.time.decide()) {
            (Some(given), _) => (given, false),
            (None, Ok(decided)) => (decided.form, true),
            // Each row is then counted as one without a time.
            (None, Err(Undecided::Nothing)) => (TimeForm::Text, true),
            (None, Err(undecided)) => {
                let remedy = "say what they are with --time-unit s (or ms, us, ns), or --time-format, or name \
                              another column with --time-column";
                return Err(Error::unclear(path, format!("column {column}: {undecided}"), remedy));
            }
        };
        Ok(Forms {
            user: self.user.decide(),
            item: self.item.decide(),
            time,
            plausible,
            categories: self.categories.iter().map(CategorySample::decide).collect(),
        })
    }
}

impl Default for Forms {
    /// Before anything was seen.
    fn default() -> Self {
        let (user, item) = (IdForm::Written, IdForm::Written);
        Self { user, item, time: TimeForm::Text, plausible: true, categories: Vec::new() }
    }
}

impl Forms {
    /// Whether an event can have happened then, as far as a reader knows.
    pub(crate) fn allows(&self, ms: i64) -> bool {
        is_plausible(ms) || (!self.plausible && (0..crate::values::MAX_PLAUSIBLE_MS).contains(&ms))
    }
}
