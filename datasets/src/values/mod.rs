//! Times, ids, numbers and categories as other systems write them.
//!
//! What a text means is decided for a whole column of a file, or a whole topic, and never for a single
//! value: each kind has a sample that sees many values, and gives the form in which the column is
//! written or says why there is none.
//!
//! | module's type | from | to |
//! |---|---|---|
//! | [`TimeSample`] → [`TimeForm`] | numbers in s, ms, µs, ns; texts; dates | epoch milliseconds |
//! | [`IdSample`] → [`IdForm`] | `42`, `"42"`, and in a float column `42.0` | [`Id`](hmisr_features::Id) |
//! | [`CategorySample`] → [`CategoryForm`] | one name, `A\|B`, `['A', 'B']`, RecBole's `token_seq` | up to 8 ids |
//! | [`number`], [`flag`] | numbers and truth as text | `f64`, `bool` |
//! | [`is_missing`] | `NULL`, `\N`, `nan`, … | nobody |
//!
//! ```
//! use hmisr_datasets::values::{TimeForm, TimeSample, TimeUnit};
//!
//! let mut sample = TimeSample::default();
//! for text in ["978300760", "978302109.0", "9.78301968e8", "NULL"] {
//!     sample.see(text);
//! }
//! let decided = sample.decide().unwrap();
//! assert_eq!(decided.form, TimeForm::Number(TimeUnit::Seconds));
//! assert_eq!(decided.form.ms("978300760").unwrap(), 978_300_760_000);
//! ```

mod categories;
mod decimal;
mod error;
mod ids;
mod json;
mod list;
mod numbers;
mod time_form;
mod time_pattern;
mod time_sample;
mod time_text;
mod times;

pub use categories::{CategoryForm, CategorySample, Split};
pub use decimal::Decimal;
pub use error::ValueError;
pub use hmisr_features::{MAX_CATEGORIES, is_missing};
pub use ids::{IdForm, IdSample};
pub use json::{categories_of, flag_of, id_of, label_of, number_of, time_of};
pub use numbers::{flag, number};
pub use time_form::TimeForm;
pub use time_pattern::TimePattern;
pub use time_sample::{DecidedTime, TimeSample, Undecided};
pub use time_text::epoch_ms;
pub use times::{
    MAX_PLAUSIBLE_MS, MIN_PLAUSIBLE_MS, TimeRange, TimeUnit, date_text, in_each_unit, is_plausible,
};
