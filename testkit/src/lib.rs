//! What the tests of several crates need: nothing of it is part of the program.
//!
//! * [`messages`]: events, examples and records, said shortly.
//! * [`oracle`]: what a job must make of its events, in the most obvious way.
//! * [`broker`]: a real Apache Kafka; [`proxy`] loses what is said to it, [`segment`] damages what it has stored.
//! * [`until`], [`free_ports`], [`free_address`], [`copy_folder`], [`random`]: what is written again and again.

pub mod broker;
mod files;
pub mod messages;
pub mod oracle;
mod ports;
pub mod proxy;
mod random;
pub mod segment;
mod wait;

pub use files::copy_folder;
pub use ports::{free_address, free_ports};
pub use random::random;
pub use wait::until;
