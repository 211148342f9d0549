//! The tests of this crate as one program, which links its libraries once.

mod learning;
mod networks;
