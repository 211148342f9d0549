//! The tests of this crate as one program, which links its libraries once.

mod chart;
mod compose;
mod dashboards;
mod image;
mod rules;
