//! The tests of this crate as one program, which links its libraries once.

mod answers;
mod attackers;
mod bad_input;
mod common;
mod context;
mod fuzz;
mod hot_reload;
mod lookup_client;
mod overload;
mod page;
mod readiness;
mod real_snapshot;
mod security;
mod shutdown;
