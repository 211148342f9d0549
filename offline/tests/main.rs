//! The tests of this crate as one program, which links its libraries once.

mod accuracy;
mod bad_input;
mod catalogue;
mod common;
mod confidence;
mod core;
mod correlation;
mod counts;
mod fit;
mod floors;
mod interests;
mod lists;
mod loaders;
mod ranking;
mod reports;
mod rerank;
mod splits;
mod stored;
mod study;
mod user_features;
mod weights;
