//! Data sets as people have them, read through the whole reader.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod bytes;
mod columns;
mod common;
mod damage;
mod events;
mod layouts;
mod times;
mod values;
