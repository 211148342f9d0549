//! Every layout of events and data sets, read once, for the stream and offline alike.
//!
//! [`Reader::open`] recognises a file's or folder's layout, or takes the one that [`Format`] and
//! [`Options`] name, and gives its [`Record`]s in file order. Each row is an event, or is counted in
//! the [`Summary`] with the [`Reason`] why it is none.

mod catalogue;
mod cells;
mod distinct;
mod error;
mod forms;
mod input;
mod json;
mod layout;
mod marks;
mod options;
mod own;
mod python;
mod reader;
mod stream_events;
mod summary;
mod text;
pub mod values;

pub use catalogue::Catalogue;
pub use distinct::Distinct;
pub use error::{Error, Result};
pub use marks::Marks;
pub use options::{Format, Options};
pub use reader::{Reader, Record};
pub use stream_events::{StreamEvents, retimed};
pub use summary::{Reason, Rejected, Summary};
pub use text::{Delimiter, Lines, MAX_LINE_BYTES};
