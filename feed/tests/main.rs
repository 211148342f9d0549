//! The tests of this crate as one program, which links its libraries once.

mod bridge;
mod categories;
mod common;
mod feeder;
mod generator;
mod jsonl;
mod mapping;
mod movielens;
mod own_events;
mod real_data;
mod refusals;
mod resume;
mod taobao;
