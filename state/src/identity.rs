//! What a store belongs to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Resources, Result};

/// The version of the stored form; a store of another one is refused.
pub const FORMAT_VERSION: u32 = 3;

/// What a store was built from and by which rules. A store opened under another identity would
/// silently mix two histories, so it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`FORMAT_VERSION`] of the writer.
    pub format: u32,
    /// The input topic's id.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// The partition.
    pub partition: i32,
    /// Partitions of the input topic: users move when it changes.
    pub partitions: i32,
    /// Everything that a feature's value depends on: the settings, and which actions are positive.
    pub features: String,
    /// Visits kept of each user: with fewer, later training examples would be others.
    pub visits_kept: usize,
}

impl Identity {
    /// The identity of the store in `path`, whatever it is.
    ///
    /// # Errors
    /// Kind `UnknownFormat` where there is no store that this version reads, `Unavailable` where
    /// it is in use.
    pub fn of(path: &Path, resources: &Resources) -> Result<Self> {
        crate::store::read_identity(path, resources)
    }

    /// Refuses a store that was not written in the format `known`.
    ///
    /// # Errors
    /// Kind `UnknownFormat`, with the remedy.
    pub(crate) fn check_format(&self, known: u32, path: &str) -> Result<()> {
        if self.format == known {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::UnknownFormat,
            format!(
                "state store {path}: format version {} was written by another version of this program, which reads {known}; run that version with this store and its checkpoints, or let this one rebuild the state in an empty data folder: from the log, or from history (`hmisr backfill`, `hmisr state bind`)",
                self.format
            ),
        ))
    }

    /// Refuses a store whose `found` identity is not this one.
    ///
    /// # Errors
    /// Kinds `UnknownFormat` or `Foreign`, naming the field, both values and the remedy.
    pub(crate) fn check(&self, found: &Self, path: &str) -> Result<()> {
        found.check_format(self.format, path)?;
        let differ = |field: &str, found: &dyn ToString, expected: &dyn ToString, remedy: &str| {
            let (found, expected) = (found.to_string(), expected.to_string());
            if found == expected {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Foreign,
                format!("state store {path}: `{field}` is `{found}`, now `{expected}`; {remedy}"),
            ))
        };
        differ(
            "topic",
            &found.topic,
            &self.topic,
            "the topic was made anew or is another one: use an empty data folder",
        )?;
        differ(
            "group",
            &found.group,
            &self.group,
            "set the group that it belongs to, or use another data folder",
        )?;
        differ(
            "partition",
            &found.partition,
            &self.partition,
            "the folder holds another partition's store: move it back, or use another data folder",
        )?;
        differ(
            "partitions",
            &found.partitions,
            &self.partitions,
            "users have moved between partitions: rebuild the state from the first event in an empty data folder",
        )?;
        differ(
            "features",
            &found.features,
            &self.features,
            "set the features as they were, or rebuild the state from the first event in an empty data folder",
        )?;
        differ(
            "visits_kept",
            &found.visits_kept,
            &self.visits_kept,
            "set `pipeline.history` (of `hmisr up`: `trainer.model.max_len` and `memory`) as it was, or rebuild the state from the first event in an empty data folder",
        )
    }
}
