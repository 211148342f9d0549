//! What answers a request for recommendations, and where it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmisr_stream::contract::Id;
use serde::Serialize;

/// One immutable version of the model.
pub trait Model: Send + Sync + 'static {
    /// What the snapshot says of itself.
    fn info(&self) -> &ModelInfo;

    /// The `k` best items for a history of `(item, event time in epoch milliseconds)`, oldest
    /// first, without those that `exclude` names; best first, fewer where the catalogue is
    /// smaller. `lambda` is how much diversity weighs. Blocks for as long as the computation takes.
    ///
    /// # Errors
    /// Where the computation fails.
    fn recommend(
        &self,
        history: &[(Id, i64)],
        k: usize,
        lambda: Lambda,
        exclude: &dyn Fn(&Id) -> bool,
    ) -> Result<Recommendation, ModelError>;

    /// What the model sees in a user of this history; none where it has no interests to show, or
    /// knows nothing of the history.
    ///
    /// # Errors
    /// Where the computation fails.
    fn profile(&self, history: &[(Id, i64)]) -> Result<Option<Profile>, ModelError>;
}

/// Where versions come from.
pub trait ModelLoader: Send + Sync + 'static {
    /// The newest published version; none where nothing has been published yet.
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
    /// The settings that the model was made with.
    pub config: serde_json::Value,
    /// What the trainer measured up to this version.
    pub metrics: serde_json::Value,
}

/// How much diversity weighs in the re-ranking, 0 (relevance alone) to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lambda {
    /// This much for every user.
    Fixed(f32),
    /// This much times the user's diversity score.
    Personal(f32),
}

/// What the model sees in a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// How various the user's next choices are expected to be, 0 (focused) to 1 (exploring).
    pub diversity_score: f32,
    /// The interests.
    pub interests: Vec<Interest>,
}

/// One interest of a user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interest {
    /// Its share of the user's history.
    pub mass: f32,
    /// What it is about, the greatest share first.
    pub categories: Vec<CategoryShare>,
}

/// A category's share of an interest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryShare {
    /// The category.
    pub category: Id,
    /// Its share.
    pub share: f32,
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// Best first.
    pub items: Vec<Scored>,
    /// What ranked them.
    pub source: RecommendationSource,
    /// The user's diversity score; none where the model has none.
    pub diversity_score: Option<f32>,
    /// How much diversity weighed.
    pub lambda: f32,
}

/// One recommended item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// The item.
    pub item_id: Id,
    /// Its category.
    pub category: Id,
    /// The higher, the better; comparable within one answer only.
    pub score: f32,
    /// The interest that brought it, as [`Profile::interests`] counts them from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interest: Option<usize>,
    /// Its place by relevance alone, counted from 1: what the re-ranking changed.
    pub relevance_rank: usize,
}

/// What ranked the items of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationSource {
    /// The model, from the user's history.
    Model,
    /// The items' popularity: nothing in the history is known to the model.
    Popularity,
}
