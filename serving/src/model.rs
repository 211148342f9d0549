//! What answers a request for recommendations, and where it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmisr_recommend::{Known, Profile, Recommendation, Request};
use serde::Serialize;

/// One immutable version of the model.
pub trait Model: Send + Sync + 'static {
    /// What the snapshot says of itself.
    fn info(&self) -> &ModelInfo;

    /// The best items for what is asked, best first, fewer where the catalogue or the candidates are
    /// fewer. Blocks for as long as the computation takes.
    ///
    /// # Errors
    /// Where the computation fails.
    fn recommend(&self, request: &Request<'_>) -> Result<Recommendation, ModelError>;

    /// What the model sees in a user; none where it has no interests to show, or
    /// knows nothing of the history.
    ///
    /// # Errors
    /// Where the computation fails.
    fn profile(&self, known: Known<'_>) -> Result<Option<Profile>, ModelError>;
}

/// Where versions come from.
pub trait ModelLoader: Send + Sync + 'static {
    /// The version to serve: the newest published one, unless one is promoted; none where nothing has been
    /// published yet.
    ///
    /// # Errors
    /// Where it cannot be known.
    fn latest(&self) -> Result<Option<u64>, ModelError>;

    /// Loads a version whole, or not at all.
    ///
    /// # Errors
    /// Where the version is missing, damaged, or of a kind that cannot be read.
    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError>;
}

/// Why a version could not be found, loaded or computed with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    message: String,
}

impl ModelError {
    /// An error with a text that names file, value and remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// What a snapshot says of itself: the answer of `GET /v1/model`, less its age.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// The version, counted from 1.
    pub version: u64,
    /// Wall clock at publication, epoch milliseconds.
    pub created_ms: i64,
    /// Training steps taken in all.
    pub step: u64,
    /// Items in the catalogue.
    pub items: u64,
    /// Next offset per partition of `training-examples`: all before it is in the model.
    pub offsets: BTreeMap<i32, i64>,
    /// The model's settings, as `model`.
    pub config: serde_json::Value,
    /// What the trainer measured up to this version.
    pub metrics: serde_json::Value,
}
