//! The folder that trainers and fits publish to.

use std::path::PathBuf;
use std::sync::Arc;

use hmisr_recommend::artifact::{Artifact, Manifest, served_version};
use hmisr_recommend::{Known, Profile, Recommendation, Recommender, Request};

use crate::{Model, ModelError, ModelInfo, ModelLoader};

/// Loads published versions. A folder that does not exist yet is one without versions: a
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
        served_version(&self.root).map_err(|error| ModelError::new(error.to_string()))
    }

    fn load(&self, version: u64) -> Result<Arc<dyn Model>, ModelError> {
        let mut snapshot = Artifact::open(&self.root, Some(version)).map_err(failed)?;
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

    fn recommend(&self, request: &Request<'_>) -> Result<Recommendation, ModelError> {
        self.recommender.recommend(request).map_err(failed)
    }

    fn profile(&self, known: Known<'_>) -> Result<Option<Profile>, ModelError> {
        self.recommender.profile(known).map_err(failed)
    }
}

fn failed(error: hmisr_recommend::Error) -> ModelError {
    ModelError::new(error.to_string())
}

fn info(manifest: &Manifest) -> serde_json::Result<ModelInfo> {
    Ok(ModelInfo {
        version: manifest.version,
        created_ms: manifest.created_ms,
        step: manifest.step,
        items: manifest.items,
        offsets: manifest.offsets.clone(),
        config: serde_json::json!({ "model": manifest.model }),
        metrics: serde_json::to_value(manifest.metrics)?,
    })
}
