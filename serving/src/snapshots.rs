//! The folder that the trainer publishes to.

use std::path::PathBuf;
use std::sync::Arc;

use hmisr_stream::contract::Id;
use hmisr_trainer::recommend::{Origin, Recommender};
use hmisr_trainer::snapshot::{Manifest, latest_version};

use crate::{Model, ModelError, ModelInfo, ModelLoader, Recommendation, RecommendationSource, Scored};

/// Loads the trainer's snapshots. A folder that does not exist yet is one without versions: a
/// server may start before its trainer.
#[derive(Debug, Clone)]
pub struct Snapshots {
    root: PathBuf,
}

impl Snapshots {
    /// The snapshots below `root`, the folder that trainer and servers share.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl ModelLoader for Snapshots {
    fn latest(&self) -> Result<Option<u64>, ModelError> {
        latest_version(&self.root).map_err(|error| ModelError::new(error.to_string()))
    }

    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
        let recommender = Recommender::load(&self.root, Some(version))
            .map_err(|error| ModelError::new(error.to_string()))?;
        let info = info(recommender.manifest()).map_err(|error| ModelError::new(error.to_string()))?;
        Ok(Arc::new(Trained { recommender, info }))
    }
}

/// A snapshot's model.
struct Trained {
    recommender: Recommender,
    info: ModelInfo,
}

impl Model for Trained {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn recommend(
        &self,
        history: &[(Id, i64)],
        k: usize,
        exclude: &dyn Fn(&Id) -> bool,
    ) -> Result<Recommendation, ModelError> {
        let answer = self
            .recommender
            .recommend(history, k, exclude)
            .map_err(|error| ModelError::new(error.to_string()))?;
        let source = match answer.source {
            Origin::Model => RecommendationSource::Model,
            Origin::Popularity => RecommendationSource::Popularity,
        };
        let items = answer.items.into_iter().map(|scored| Scored {
            item_id: scored.item,
            category: scored.category,
            score: scored.score,
        });
        Ok(Recommendation { items: items.collect(), source })
    }
}

fn info(manifest: &Manifest) -> serde_json::Result<ModelInfo> {
    Ok(ModelInfo {
        version: manifest.version,
        created_ms: manifest.created_ms,
        step: manifest.step,
        items: manifest.items,
        offsets: manifest.offsets.clone(),
        config: serde_json::to_value(&manifest.settings)?,
        metrics: serde_json::to_value(manifest.metrics)?,
    })
}
