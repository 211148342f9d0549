//! What flows between the parts, and how it travels.
//!
//! * [`contract`]: one Rust type for each kind of message.
//! * [`Source`] and [`Sink`]: the two traits that the engine knows, with their [`Error`]; a [`Transport`] makes both.
//! * [`log`]: topics, offsets and transactions in one RocksDB, inside the process.
//! * [`kafka`]: the same over Apache Kafka.
//! * [`memory`]: the same in memory, for simulations.
//! * [`Waits`]: what a part waits for, for `/readyz` and the log.
//! * [`Registrar`]: makes the metrics of the parts that stand on this one.

mod condition;
pub mod contract;
mod error;
pub mod kafka;
pub mod log;
pub mod memory;
mod partitioner;
mod record;
mod registrar;
mod topics;
mod transport;
mod waits;

pub use condition::{Condition, Silence, SkipBatch, Stuck};
pub use error::{Error, ErrorKind, Result};
pub use partitioner::{KeySample, Partitioner, Verdict, partition_for_key};
pub use record::{Header, Outgoing, Record};
pub use registrar::Registrar;
pub use topics::TopicSettings;
pub use transport::{Delivery, Limits, Polled, Sink, Source, TopicInfo, Transport};
pub use waits::Waits;
