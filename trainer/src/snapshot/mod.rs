//! Snapshots: all that learning needs to go on, and all that a server needs to answer.
//!
//! ```text
//! root/
//!   LATEST                    the newest version's folder name
//!   trainer.lock              held by the one trainer that writes here
//!   journal                   which offsets form which batch since then (see `online`)
//!   v00000012/
//!     manifest.json           version, offsets, settings, metrics, length and SHA-256 of the rest
//!     model.safetensors       encoder.* and items [items, d]
//!     catalogue.json          items in row order with category and count
//!     optimizer.safetensors   moments and step counts
//!     trainer.json            counters and the evaluation
//!     seen.bin                what each user has seen
//! ```
//!
//! A version is written beside its place, synced, renamed, and only then named by `LATEST`, so a
//! reader never sees half of one. It costs the whole state each time: weights and moments take
//! 12 · d bytes an item, what users have seen 4 bytes an entry.

mod files;
mod lock;
mod manifest;
mod read;
mod seen;
mod tensors;
mod write;

pub use files::latest_version;
pub use lock::FolderLock;
pub use manifest::{FORMAT_VERSION, FileEntry, Manifest, Metrics, Topic};
pub use read::Snapshot;
pub(crate) use write::{Context, publish};
