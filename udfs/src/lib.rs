//! Builds, loads and calls the UDF texts of this folder as Arroyo does, for the tests.
//!
//! [`build`] is what Arroyo's compiler service does with a text, [`Udf`] what its workers do with the
//! library. The texts themselves (`*.rs` beside this crate's manifest) are made by `make udfs`.

mod compile;
mod definition;
mod library;

pub use compile::{BuildError, Edition, build};
pub use definition::{Definition, InvalidDefinition};
pub use library::{CallError, LoadError, Udf};
