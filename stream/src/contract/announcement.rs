//! A published model version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The record of the topic `model-snapshots`; the bytes lie in the snapshot folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotAnnouncement {
    /// The version, counted from 1.
    pub version: u64,
    /// Wall clock at publication, epoch milliseconds.
    pub created_ms: i64,
    /// Training steps taken in all.
    pub step: u64,
    /// The snapshot's folder, below the root that trainer and servers share.
    pub path: String,
    /// Next offset per partition of `training-examples`: all before it is in the model.
    pub offsets: BTreeMap<i32, i64>,
}
