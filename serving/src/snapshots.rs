//! The folder that the trainer publishes to.

use std::path::PathBuf;
use std::sync::Arc;

use hmisr_stream::contract::Id;
use hmisr_trainer::recommend::{self, Recommender};
use hmisr_trainer::snapshot::{Manifest, Snapshot, latest_version};

use crate::{
    CategoryShare, Interest, Lambda, Model, ModelError, ModelInfo, ModelLoader, Profile, Recommendation,
    RecommendationSource, Scored,
};

/// Loads the trainer's snapshots. A folder that does not exist yet is one without versions: a
/// server may start before its trainer.
#[derive(Debug, Clone)]
pub struct Snapshots {
    root: PathBuf,
    most_bytes: Option<u64>,
}

impl Snapshots {
    /// The snapshots below `root`, the folder that trainer and servers share.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), most_bytes: None }
    }

    /// Reads no file of a snapshot that is longer than `most_bytes`.
    #[must_use]
    pub fn within(self, most_bytes: u64) -> Self {
        Self { most_bytes: Some(most_bytes), ..self }
    }
}

impl ModelLoader for Snapshots {
    fn latest(&self) -> Result<Option<u64>, ModelError> {
        latest_version(&self.root).map_err(|error| ModelError::new(error.to_string()))
    }

    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
        let mut snapshot = Snapshot::open(&self.root, Some(version)).map_err(failed)?;
        if let Some(most) = self.most_bytes {
            snapshot = snapshot.within(most);
        }
        let recommender = Recommender::of(&snapshot).map_err(failed)?;
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
        lambda: Lambda,
        exclude: &dyn Fn(&Id) -> bool,
    ) -> Result<Recommendation, ModelError> {
        let lambda = match lambda {
            Lambda::Fixed(lambda) => recommend::Lambda::Fixed(lambda),
            Lambda::Personal(most) => recommend::Lambda::Personal { most },
        };
        let request = recommend::Request { history, k, lambda, exclude };
        let answer = self.recommender.recommend(&request).map_err(failed)?;
        let source = match answer.source {
            recommend::Origin::Model => RecommendationSource::Model,
            recommend::Origin::Popularity => RecommendationSource::Popularity,
        };
        let items = answer.items.into_iter().map(|scored| Scored {
            item_id: scored.item,
            category: scored.category,
            score: scored.score,
            interest: scored.interest,
            relevance_rank: scored.relevance_rank,
        });
        Ok(Recommendation {
            items: items.collect(),
            source,
            diversity_score: answer.diversity_score,
            lambda: answer.lambda,
        })
    }

    fn profile(&self, history: &[(Id, i64)]) -> Result<Option<Profile>, ModelError> {
        let Some(profile) = self.recommender.profile(history).map_err(failed)? else { return Ok(None) };
        let interest = |interest: recommend::Interest| Interest {
            mass: interest.mass,
            categories: interest
                .categories
                .into_iter()
                .map(|(category, share)| CategoryShare { category, share })
                .collect(),
        };
        let interests = profile.interests.into_iter().map(interest).collect();
        Ok(Some(Profile { diversity_score: profile.diversity_score, interests }))
    }
}

fn failed(error: hmisr_trainer::Error) -> ModelError {
    ModelError::new(error.to_string())
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
