//! What is published of a model: all that a server needs to answer, and nothing of how it was trained.
//!
//! ```text
//! root/
//!   LATEST                    the newest version's folder name
//!   PROMOTED                  the version that servers take whatever is published since; see `promote`
//!   NEXT                      the number of the next version, where later ones were removed
//!   trainer.lock              held by the one process that publishes here
//!   v00000012/
//!     manifest.json           version, settings of the model, what it has learnt; length and SHA-256 of:
//!     model.safetensors       the network's weights by name, and items.weights [items, d]
//!     catalogue.json          items in row order with categories and count
//!     trainer.json, …         what only going on with training needs, attached by the trainer (see its crate)
//! ```
//!
//! A version is written beside its place, synced, renamed, and only then named by `LATEST`, so a
//! reader never sees half of one.

mod files;
mod lock;
mod manifest;
mod place;
mod promoted;
mod read;
mod tensors;
mod versions;
mod write;

pub use files::{corrupt, read_checked, write_new};
pub use lock::FolderLock;
pub use manifest::{
    FORMAT_VERSION, FileEntry, FittedTo, Lesson, Manifest, Means, Metrics, Topic, Validation, format_of,
};
pub use place::Place;
pub use promoted::{promote, promoted, release, served_version};
pub use read::{Artifact, Published};
pub use tensors::{Loaded, Tensors};
pub use versions::{latest_version, remove, remove_after, versions};
pub use write::{Contents, publish};
