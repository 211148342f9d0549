//! What flows between the parts, and how it travels.
//!
//! * [`contract`]: one Rust type for each kind of message.
//! * [`Source`] and [`Sink`]: the two traits that the engine knows, with their [`Error`].
//! * [`log`]: topics, offsets and transactions in one RocksDB, inside the process.
//! * [`kafka`]: the same over Apache Kafka.
//! * [`memory`]: the same in memory, for simulations.

pub mod contract;
mod error;
pub mod kafka;
pub mod log;
pub mod memory;
mod partitioner;
mod record;
mod transport;

pub use error::{Error, ErrorKind, Result};
pub use partitioner::{KeySample, Partitioner, Verdict, partition_for_key};
pub use record::{Header, Outgoing, Record};
pub use transport::{Limits, Polled, Sink, Source, TopicInfo};
