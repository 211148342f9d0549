//! The tests of this crate as one program, which links its libraries once.

mod bind;
mod checkpoints;
mod clocks;
mod common;
mod condition;
mod disk_full;
mod exactly_once;
mod outputs;
mod partitions;
mod refusals;
mod simulation;
