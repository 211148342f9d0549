//! The tests of this crate as one program, which links its libraries once.

mod common;
mod context;
mod promoted;
mod refusals;
mod versions;
