//! What a version says about itself.

use std::collections::BTreeMap;

use hmisr_features::FeatureSettings;
use hmisr_model::ModelSettings;
use hmisr_model::hmisr::Stage;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Actions, Foresight};

/// The format that this build writes and reads. It is counted up whenever the files change, and also
/// when a network gets or loses a weight, or reads one otherwise. A file more that a reader may pass over does not
/// count it up: a build that does not know `counts.bin` answers by the network alone.
///
/// 4: the manifest holds the model's settings alone, items have several categories, and what only the
/// trainer needs is attached.
/// 5: events are told apart by action, weight and pause, and habits are those of the stream, z-scored.
/// 6: the DiversityScore is none of the network's: the manifest has what it is foretold by.
pub const FORMAT_VERSION: u32 = 6;

/// A version's manifest. Unknown fields are passed over: a newer writer may say more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of the files; a reader refuses one that it does not know.
    pub format_version: u32,
    /// The version, counted from 1.
    pub version: u64,
    /// Wall clock at publication, epoch milliseconds.
    pub created_ms: i64,
    /// The version that training was told to go on from; what is learnt since is in every later one.
    #[serde(default)]
    pub from: Option<u64>,
    /// The data set that it was fitted to before it saw the stream.
    #[serde(default)]
    pub fitted: Option<FittedTo>,
    /// Optimizer steps.
    pub step: u64,
    /// Micro-batches of the stream.
    pub batches: u64,
    /// Examples of the stream that it learnt from.
    pub examples: u64,
    /// Items of the catalogue.
    pub items: u64,
    /// The topic that was read; none for a model that was not trained from one.
    pub topic: Option<Topic>,
    /// Next offset per partition of it: all before it is in the model.
    pub offsets: BTreeMap<i32, i64>,
    /// The backend that computed it.
    pub backend: String,
    /// The model's settings.
    pub model: ModelSettings,
    /// Optimizer steps when a second level began.
    #[serde(default)]
    pub level_from: u64,
    /// What the network and each source that is counted beside it weigh; empty where the network answers alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, f64>,
    /// The actions that it tells apart.
    #[serde(default)]
    pub actions: Actions,
    /// What it learnt of how various the next choices are.
    #[serde(default)]
    pub foresight: Foresight,
    /// How the features were computed that it learnt from; those of a session are computed alike.
    #[serde(default, deserialize_with = "known_settings")]
    pub features: FeatureSettings,
    /// The stage that its weights come from: after the coarse one the encoder speaks alone.
    pub stage: Stage,
    /// What it was taught, in order.
    #[serde(default)]
    pub lessons: Vec<Lesson>,
    /// What was measured of it when it was written.
    pub metrics: Metrics,
    /// Length and checksum of what a server reads.
    pub files: BTreeMap<String, FileEntry>,
    /// The same of what only the writer reads, such as the trainer's optimizer.
    #[serde(default)]
    pub attached: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// Bytes of all files that it names.
    pub fn bytes(&self) -> u64 {
        self.files.values().chain(self.attached.values()).map(|file| file.bytes).sum()
    }
}

/// The data set of a fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedTo {
    /// Its name.
    pub data: String,
    /// The protocol by which it was cut.
    pub protocol: String,
    /// What tells the split from another.
    pub split: String,
}

/// Epochs over stored examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// The stage.
    pub stage: Stage,
    /// Its epochs.
    pub epochs: usize,
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

/// What was measured at publication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Weighted cross-entropy an example of the newest batch before learning from it, nats.
    pub loss: f64,
    /// Prequential, of the retrieval, over all examples.
    pub overall: Means,
    /// Over the newest `evaluation.rolling_examples`.
    pub rolling: Means,
    /// Over the newest tenth of all examples.
    pub last_tenth: Means,
    /// Of a fit: what its best epoch reached on the validation cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// Accuracy on a fit's validation cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// HR@10.
    pub hr: f64,
    /// NDCG@10.
    pub ndcg: f64,
}

/// Means over examples that were ranked before they were learnt from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Means {
    /// Examples.
    pub examples: u64,
    /// Share of targets that were not known.
    pub unknown: f64,
    /// HR@10 of the model's joint score over the whole catalogue.
    pub model_hr: f64,
    /// Its NDCG@10.
    pub model_ndcg: f64,
    /// Popularity's HR@10.
    pub popularity_hr: f64,
    /// Popularity's NDCG@10.
    pub popularity_ndcg: f64,
    /// Examples that were also ranked as they would have been served.
    pub served: u64,
    /// HR@10 of the list that would have been served by relevance alone, λ = 0.
    pub served_hr: f64,
    /// Its NDCG@10.
    pub served_ndcg: f64,
    /// HR@10 of the list re-ranked with the user's own λ.
    pub personal_hr: f64,
    /// Its NDCG@10.
    pub personal_ndcg: f64,
}

/// Length and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The settings that this build knows: a newer writer may have more.
fn known_settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FeatureSettings, D::Error> {
    let mut found = serde_json::Value::deserialize(deserializer)?;
    let known = serde_json::to_value(FeatureSettings::default()).map_err(D::Error::custom)?;
    if let Some(fields) = found.as_object_mut() {
        fields.retain(|name, _| known.get(name).is_some());
    }
    serde_json::from_value(found).map_err(D::Error::custom)
}

/// The format that a manifest says; none where it says none.
pub fn format_of(manifest: &serde_json::Value) -> Option<u64> {
    manifest.get("format_version").and_then(serde_json::Value::as_u64)
}
