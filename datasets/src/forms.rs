//! How the columns of a data set are written: decided over all rows, never for one value.

use std::path::Path;

use crate::cells::Cells;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::values::{
    CategoryForm, CategorySample, IdForm, IdSample, Split, TimeForm, TimeSample, Undecided, is_plausible,
};

/// What the columns of rows hold.
#[derive(Default)]
pub(crate) struct Samples {
    user: IdSample,
    item: IdSample,
    time: TimeSample,
    categories: Vec<CategorySample>,
    /// Whether the categories are declared to be sequences of names.
    pub(crate) is_sequence: bool,
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
        let new = if self.is_sequence { CategorySample::token_seq() } else { CategorySample::default() };
        self.categories.resize(cells.categories.len().max(self.categories.len()), new);
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

    /// The forms: times as they are said to be, or as nearly all are, or, where none is plausible, as
    /// the layout has them.
    pub(crate) fn decide(
        &self,
        path: &Path,
        column: &str,
        options: &Options,
        fallback: Option<&TimeForm>,
    ) -> Result<Forms> {
        let (time, plausible) = match (options.time()?, self.time.decide(), fallback) {
            (Some(given), ..) => (given, false),
            (None, Ok(decided), _) => (decided.form, true),
            // Each row is then counted as one without a time.
            (None, Err(Undecided::Nothing), _) => (TimeForm::Text, true),
            // Whose layout has a form of its own; a time of another one is no event.
            (None, Err(_), Some(form)) => (form.clone(), false),
            (None, Err(undecided), _) => {
                let remedy = "say what they are with --time-unit s (or ms, us, ns), or --time-format, or name \
                              another column with --time-column";
                return Err(Error::unclear(path, format!("column {column}: {undecided}"), remedy));
            }
        };
        let separator = options.category_separator.as_deref().and_then(|text| text.chars().next());
        let category = |sample: &CategorySample| {
            let form = sample.decide();
            CategoryForm { split: separator.map_or(form.split, Split::At), ..form }
        };
        Ok(Forms {
            user: self.user.decide(),
            item: self.item.decide(),
            time,
            plausible,
            categories: self.categories.iter().map(category).collect(),
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
