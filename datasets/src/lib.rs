//! Every layout of events and data sets, read once, for the stream and offline alike.
//!
//! [`Reader::open`] recognises a file's or folder's layout, or takes the one that [`Options`] name,
//! and gives its [`Record`]s in file order. Each row is an event, or is counted in the [`Summary`]
//! with the [`Reason`] why it is none.

mod error;
mod summary;

pub use error::{Error, Result};
pub use summary::{Reason, Rejected, Summary};
