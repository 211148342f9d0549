//! The tests of this crate as one program, which links its libraries once.

mod arroyo_texts;
mod definition;
mod golden;
mod window;
