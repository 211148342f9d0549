//! The tests of this crate as one program, which links its libraries once.

mod arroyo_sql;
mod contracts;
mod fuzz;
mod kafka;
mod log;
mod memory;
mod retention;
