//! The tests of this crate as one program, which links its libraries once.

mod common;
mod deterministic;
mod learns;
mod lesson;
mod migrate;
mod online_loop;
mod refusals;
mod resume;
mod warm;
