//! Topics, groups and transactions in memory, with a clock of their own and faults on order: what
//! simulations run on.
//!
//! It keeps Kafka's promises and no others: transactions that end leave a control record, so
//! offsets have holes; what is aborted, or not yet committed, is shown to nobody; a producer is
//! fenced by a newer one of its id, and when its transaction was open for too long; a group has
//! generations, and offsets of an earlier one are refused; a committed offset is not told while an
//! open transaction could move it; the end of a transaction may arrive after its sender has given
//! up, and then ends what the id has open by then.

mod broker;
mod faults;
mod group;
mod log;
mod sink;
mod source;
mod transactions;

pub use broker::{Broker, Connection, Timeouts};
pub use faults::{Call, Effect, Fault, Faults};
pub use sink::MemorySink;
pub use source::{MemoryGroup, MemorySource};
