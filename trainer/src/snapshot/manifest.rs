//! What a snapshot says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::prequential::Means;
use crate::settings::Settings;

/// The format that this build writes and reads. It is counted up whenever the files change, and also
/// when a network gets or loses a weight, or reads one otherwise.
///
/// 3: HMISR's interests have `vectors.gate` and `vectors.along`.
pub const FORMAT_VERSION: u32 = 3;

/// A snapshot's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the files; a reader refuses one that it does not know.
    pub format_version: u32,
    /// The version, counted from 1.
    pub version: u64,
    /// Wall clock at publication, epoch milliseconds.
    pub created_ms: i64,
    /// Optimizer steps.
    pub step: u64,
    /// Micro-batches.
    pub batches: u64,
    /// Examples learnt from.
    pub examples: u64,
    /// Items of the catalogue.
    pub items: u64,
    /// The topic that was read; none for a model that was not trained from one.
    pub topic: Option<Topic>,
    /// Next offset per partition of it: all before it is in the model.
    pub offsets: BTreeMap<i32, i64>,
    /// The backend that computed it.
    pub backend: String,
    /// The settings in force.
    pub settings: Settings,
    /// The evaluation when it was written.
    pub metrics: Metrics,
    /// The other files of the folder.
    pub files: BTreeMap<String, FileEntry>,
}

/// What tells the topic from another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its identity, where the transport knows one.
    pub id: String,
    /// Its partitions.
    pub partitions: i32,
}

/// Prequential measures at publication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross-entropy of the newest batch before learning from it, nats.
    pub loss: f64,
    /// Over all examples.
    pub overall: Means,
    /// Over the newest `evaluation.rolling_examples`.
    pub rolling: Means,
    /// Over the newest tenth of all examples.
    pub last_tenth: Means,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}
