//! Versions of older formats, written anew in this one.
//!
//! | format | what it lacks |
//! |---|---|
//! | 1 | `model.architecture`: the network was SASRec's; the items' embeddings were called `items` |
//! | 2 | HMISR's `vectors.gate` and `vectors.along` |
//! | 3 | items had one category, and the manifest held the trainer's settings |
//! | 4 | events were items alone; the DiversityScore read other habits, not z-scored |
//! | 5 | the DiversityScore was a part of the network |
//!
//! Only the JSON is translated; weights are bound by name as in any warm start, so what a format lacks begins
//! fresh and what it has too many is dropped, and both are told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hmisr_model::hmisr::Stage;
use hmisr_model::{Architecture, ModelSettings};
use hmisr_recommend::Item;
use hmisr_recommend::artifact::{
    Artifact, FORMAT_VERSION, FileEntry, FolderLock, Loaded, Manifest, Tensors, corrupt, format_of,
    latest_version, read_checked, write_new,
};
use hmisr_recommend::plain;
use serde::Deserialize;
use serde_json::{Value, json};

use super::restore::restore;
use super::warm::Bound;
use super::write::{Context, OPTIMIZER, SEEN, TRAINER, publish, publish_with};
use crate::settings::Settings;
use crate::{Error, ErrorKind, Result};

const MANIFEST: &str = "manifest.json";
const MODEL: &str = "model.safetensors";
const CATALOGUE: &str = "catalogue.json";
const COUNTS: &str = "counts.bin";
/// Versions that stay beside the new one: as many as the setting allows.
const MOST_KEPT: usize = 10_000;
/// The longest manifest that is read, bytes.
const MANIFEST_BYTES: u64 = 16 << 20;
/// The longest other file that is read, bytes.
const MOST_BYTES: u64 = 64 << 30;

/// An item of formats 1 to 3.
#[derive(Deserialize)]
struct OldItem {
    id: hmisr_features::Id,
    category: hmisr_features::Id,
    count: u64,
}

/// Writes a version of an older format, the newest where `version` is none, as the next one in this format.
/// Nothing of the old one is changed.
///
/// # Errors
/// [`ErrorKind::Missing`] where there is no such version, [`ErrorKind::Configuration`] where it needs no
/// migration, [`ErrorKind::Busy`] where another process publishes there, [`ErrorKind::Corrupt`] where it is not
/// whole.
pub fn migrate(root: &Path, version: Option<u64>) -> Result<(Manifest, Bound)> {
    let version = match version {
        Some(version) => version,
        None => latest_version(root)?
            .ok_or_else(|| Error::new(ErrorKind::Missing, format!("no snapshot in {}", root.display())))?,
    };
    let _lock = FolderLock::take(root)?;
    let old = Old::open(root, version)?;
    let beside = root.join(".migrating");
    remove(&beside)?;
    let migrated = old.translate(&beside).and_then(|artifact| {
        let manifest = artifact.manifest();
        let settings = Settings {
            folder: root.to_owned(),
            model: manifest.model.clone(),
            // What is kept is the trainer's business.
            keep_snapshots: MOST_KEPT,
            ..Settings::default()
        };
        let (topic, offsets, loss) =
            (manifest.topic.clone(), manifest.offsets.clone(), manifest.metrics.loss);
        let restored = restore(&artifact, &settings)?;
        let shown = old.manifest.get("settings").cloned();
        let validation = manifest.metrics.validation;
        let context = Context { settings: &restored.settings, shown, topic, offsets, loss, validation };
        // A fit's has nothing of a trainer's, and gets nothing.
        let manifest = match restored.is_whole {
            true => publish(&restored.state, context)?,
            false => publish_with(&restored.state, context, &[])?,
        };
        Ok((manifest, restored.bound))
    });
    remove(&beside)?;
    migrated
}

/// A version of an older format.
struct Old {
    folder: PathBuf,
    version: u64,
    format: u64,
    manifest: Value,
}

impl Old {
    fn open(root: &Path, version: u64) -> Result<Self> {
        let folder = root.join(format!("v{version:08}"));
        let path = folder.join(MANIFEST);
        let bytes = plain::read(&path, MANIFEST_BYTES).map_err(|error| {
            let text = format!("version {version}: {} cannot be read ({error})", path.display());
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::Missing,
                _ => ErrorKind::Corrupt,
            };
            Error::caused(kind, text, error)
        })?;
        let manifest: Value = serde_json::from_slice(&bytes).map_err(|error| corrupt(&path, error))?;
        match format_of(&manifest) {
            Some(format @ 1..=5) => Ok(Self { folder, version, format, manifest }),
            Some(format) if format == u64::from(FORMAT_VERSION) => Err(Error::new(
                ErrorKind::Configuration,
                format!("version {version} is of format {format} already: there is nothing to migrate"),
            )),
            found => {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                let text =
                    format!("format_version is {found}, this build migrates 1 to 5: use a newer build");
                Err(corrupt(&path, text).into())
            }
        }
    }

    /// The same version in this format, in a folder of its own.
    fn translate(&self, beside: &Path) -> Result<Artifact> {
        let folder = beside.join(format!("v{:08}", self.version));
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let path = self.folder.join(MANIFEST);
        let items = match self.format {
            1..=3 => self.old_items()?,
            _ => self.json(CATALOGUE)?,
        };
        let catalogue = serde_json::to_vec(&items).map_err(|error| corrupt(&path, error))?;
        let put = |name: &str, bytes: &[u8]| {
            Ok::<_, Error>((name.to_owned(), write_new(&folder.join(name), bytes)?))
        };
        let mut files = BTreeMap::from([put(MODEL, &self.weights()?)?, put(CATALOGUE, &catalogue)?]);
        if self.has(COUNTS) {
            files.extend([put(COUNTS, &self.read(COUNTS)?)?]);
        }
        // A fit has nothing attached. Moments of a network that was another one would be bound to none of its
        // weights.
        let mut attached = BTreeMap::new();
        for name in [OPTIMIZER, SEEN, TRAINER] {
            if self.has(name) && !(name == OPTIMIZER && self.format < 3) {
                attached.extend([put(name, &self.read(name)?)?]);
            }
        }
        let model = self.model()?;
        let mut manifest = self.manifest.clone();
        let Some(fields) = manifest.as_object_mut() else {
            return Err(corrupt(&path, "it is no JSON object").into());
        };
        fields.remove("settings");
        if let Some(from) = fields.remove("diversity_from") {
            fields.insert("level_from".to_owned(), from);
        }
        fields.insert("format_version".to_owned(), json!(FORMAT_VERSION));
        fields.insert("model".to_owned(), json!(model));
        if self.format < 4 {
            fields.insert("stage".to_owned(), json!(Stage::All));
        }
        fields.insert("files".to_owned(), json!(files));
        fields.insert("attached".to_owned(), json!(attached));
        let bytes = serde_json::to_vec(&manifest).map_err(|error| corrupt(&path, error))?;
        write_new(&folder.join(MANIFEST), &bytes)?;
        Ok(Artifact::open(beside, Some(self.version))?)
    }

    /// The model's settings; those that no longer exist are left out.
    fn model(&self) -> Result<ModelSettings> {
        let path = self.folder.join(MANIFEST);
        let place = if self.format < 4 { "/settings/model" } else { "/model" };
        let mut found = self.manifest.pointer(place).cloned().unwrap_or_default();
        if self.format == 1
            && let Some(fields) = found.as_object_mut()
        {
            fields.insert("architecture".to_owned(), json!(Architecture::Sasrec));
        }
        let known = json!(ModelSettings::default());
        retain_known(&mut found, &known);
        let model: ModelSettings = serde_json::from_value(found).map_err(|error| corrupt(&path, error))?;
        Ok(model)
    }

    /// The weights, where the items' embeddings are called as they are now.
    fn weights(&self) -> Result<Vec<u8>> {
        let (path, bytes) = (self.folder.join(MODEL), self.read(MODEL)?);
        let loaded = Loaded::decode(&path, &bytes)?;
        if loaded.shape("items").is_none() {
            return Ok(bytes);
        }
        let mut renamed = Tensors::default();
        for (name, shape) in loaded.shapes() {
            let [rows, columns] = shape[..] else {
                return Err(corrupt(
                    &path,
                    format!("tensor `{name}` is of shape {shape:?}, expected a matrix"),
                )
                .into());
            };
            let now = if name == "items" { "items.weights" } else { &name };
            renamed.floats(now, [rows, columns], &loaded.floats(&name, [rows, columns])?);
        }
        Ok(renamed.encode(&path)?)
    }

    /// The items, which had one category.
    fn old_items(&self) -> Result<Vec<Item>> {
        let items: Vec<OldItem> = self.json(CATALOGUE)?;
        let item = |OldItem { id, category, count }| Item { id, categories: vec![category], count };
        Ok(items.into_iter().map(item).collect())
    }

    /// Length and checksum of a file, where the manifest names it.
    fn entry(&self, name: &str) -> Option<&Value> {
        let places = ["/files", "/attached"].map(|place| format!("{place}/{name}"));
        places.iter().find_map(|place| self.manifest.pointer(place))
    }

    fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let manifest = self.folder.join(MANIFEST);
        let expected = self.entry(name).cloned().unwrap_or_default();
        let expected: FileEntry = serde_json::from_value(expected)
            .map_err(|error| corrupt(&manifest, format!("`files` does not name {name} ({error})")))?;
        Ok(read_checked(&self.folder.join(name), &expected, MOST_BYTES)?)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.folder.join(name);
        Ok(serde_json::from_slice(&self.read(name)?).map_err(|error| corrupt(&path, error))?)
    }
}

/// Leaves out the fields of `found` that `known` does not have, at every depth.
fn retain_known(found: &mut Value, known: &Value) {
    if let (Value::Object(found), Value::Object(known)) = (found, known) {
        found.retain(|key, _| known.contains_key(key));
        for (key, value) in found {
            if let Some(known) = known.get(key) {
                retain_known(value, known);
            }
        }
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder, error)),
        _ => Ok(()),
    }
}
