//! Topics, offsets and transactions in one RocksDB, inside the process.
//!
//! What a broker is to several machines, this is to one process: durable, partitioned topics
//! with consumer groups' offsets, and a transaction that is one RocksDB `WriteBatch`, so nothing
//! uncommitted is ever readable. One process opens a log at a time, and a group reads all of a
//! topic's partitions. For more than one machine there is [`crate::kafka`].

mod codec;
mod retention;
mod sink;
mod source;
mod store;
mod transport;

pub use retention::Retention;
pub use sink::LogSink;
pub use source::LogSource;
pub use store::{Log, LogSettings};
