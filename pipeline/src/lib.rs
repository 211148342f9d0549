//! The native job: events in, features and training examples out, state in RocksDB.
//!
//! [`processor`] turns one record into its outcome, a function of state and record alone;
//! [`engine`] runs it over a source and a transactional sink with the commit order that makes
//! it exactly once; [`recovery`] decides at which offset a partition starts; [`backfill`] runs
//! the processor over a file.

pub mod backfill;
mod checkpoints;
mod directory;
pub mod engine;
mod error;
mod metrics;
mod partitioning;
pub mod plausible;
mod population;
pub mod processor;
mod progress;
pub mod recovery;
mod settings;

pub use directory::{DirectoryError, StateDirectory};
pub use error::{Error, ErrorKind, Result};
pub use hmisr_stream::Delivery;
pub use metrics::PipelineMetrics;
pub use progress::PipelineProgress;
pub use settings::{Emit, PipelineSettings};
