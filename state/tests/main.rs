//! The tests of this crate as one program, which links its libraries once.

mod checkpoints;
mod expiry;
mod formats;
mod memory;
mod resources;
mod store;
mod verify;
