//! Versions of a model that never learnt anything.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use hmisr_features::{FeatureSettings, Id};
use hmisr_model::backend::{self, Inner};
use hmisr_model::hmisr::Stage;
use hmisr_model::{Architecture, ModelSettings, Network, Table};
use hmisr_recommend::artifact::{Contents, Manifest, Metrics, publish};
use hmisr_recommend::{Actions, Catalogue, Foresight, Item};

pub const ITEMS: u32 = 30;

pub fn settings() -> ModelSettings {
    ModelSettings {
        architecture: Architecture::Hmisr,
        width: 8,
        layers: 1,
        feed_forward: 16,
        max_len: 6,
        interests: 2,
        ..ModelSettings::default()
    }
}

/// Publishes the next version, keeping so many.
pub fn version(root: &Path, keep: usize) -> Manifest {
    let settings = settings();
    let parameters = Network::<Inner>::fresh(&settings, &backend::device().unwrap());
    let mut table = Table::new(settings.width, 1);
    let items: Vec<Item> = (0..ITEMS)
        .map(|n| {
            table.grow(&n.to_be_bytes());
            let second = (n % 3 == 0).then(|| Id::from(10 + n % 2));
            let categories = [Some(Id::from(n % 4)), second].into_iter().flatten().collect();
            Item { id: Id::from(n), categories, count: u64::from(ITEMS - n) }
        })
        .collect();
    let catalogue = Catalogue::from_items(items).unwrap();
    let contents = Contents {
        model: &settings,
        parameters: &parameters,
        table: &table,
        catalogue: &catalogue,
        counts: None,
        actions: Actions::default(),
        foresight: Foresight::default(),
        features: FeatureSettings::default(),
        stage: Stage::All,
        level_from: 0,
        lessons: Vec::new(),
        from: None,
        fitted: None,
        batches: 0,
        examples: 0,
        topic: None,
        offsets: BTreeMap::new(),
        metrics: Metrics::default(),
    };
    publish(root, contents, keep, &[("notes.txt", b"mine".to_vec())]).unwrap()
}

/// Changes a file of a version and its entry in the manifest, so that only its content is wrong.
pub fn replace(root: &Path, version: u64, name: &str, bytes: &[u8]) {
    let folder = root.join(format!("v{version:08}"));
    std::fs::remove_file(folder.join(name)).unwrap();
    let entry = hmisr_recommend::artifact::write_new(&folder.join(name), bytes).unwrap();
    let path = folder.join("manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest.files.insert(name.to_owned(), entry);
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

/// Changes a field of a version's manifest.
pub fn set(root: &Path, version: u64, field: &str, value: serde_json::Value) {
    let path = root.join(format!("v{version:08}/manifest.json"));
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest[field] = value;
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}
