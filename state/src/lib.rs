//! Keyed state of one partition in RocksDB: users, item counts, and the input offset.
//!
//! State and the offset up to which it was built move together, in one `WriteBatch`
//! ([`PartitionStore::commit`]); what is not committed lives in memory only and can be dropped
//! as a whole ([`PartitionStore::rollback`]). One RocksDB a partition makes handing over and
//! dropping a partition cheap; block cache and memtables share one budget over all of them
//! ([`Resources`]).
//!
//! With 1,000 partitions over 50 instances each instance opens 20 stores. A user takes about
//! 2 KB at a full window of 200, so a billion users are about 2 TB before replication, 2 GB a
//! partition; what is hot stays in the write-back cache, and the rest costs one point read.

mod bind;
mod cache;
mod checkpoint;
mod codec;
mod error;
mod expiry;
mod identity;
mod metrics;
mod reader;
mod resources;
mod split;
mod store;
mod verify;

pub use bind::{bind, can_bind};
pub use checkpoint::{
    CheckpointStore, Condemned, Manifest, PartitionCheckpoints, StoredFile, Uploaded, put_in_place,
};
pub use error::{Error, ErrorKind, Result};
pub use identity::{FORMAT_VERSION, Identity};
pub use metrics::StateMetrics;
pub use reader::{StoreFigures, StoreReader, UserSnapshot};
pub use resources::{Resources, StateSettings};
pub use split::for_each_user_of;
pub use store::{Committed, PartitionStore, Place, Slots};
pub use verify::{Inspection, Verified, inspect, verify};
