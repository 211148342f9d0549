//! What the tests of several crates need: nothing of it is part of the program.
//!
//! * [`messages`]: events, examples and records, said shortly.
//! * [`oracle`]: what a job must make of its events, in the most obvious way.
//! * [`broker`]: a real Apache Kafka; [`proxy`] loses what is said to it, [`segment`] damages what it has stored.

pub mod broker;
pub mod messages;
pub mod oracle;
pub mod proxy;
pub mod segment;
