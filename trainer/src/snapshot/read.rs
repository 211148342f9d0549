//! Reading a version, and refusing one that is not whole.

use std::path::{Path, PathBuf};

use hmisr_model::backend::{self, Inner};
use hmisr_model::{Network, Parameters, Table};
use serde::de::DeserializeOwned;

use super::files::{
    CATALOGUE, MANIFEST, MANIFEST_BYTES, MODEL, OPTIMIZER, SEEN, TRAINER, corrupt, entry_of, folder_name,
    latest_version,
};
use super::manifest::{FORMAT_VERSION, Manifest};
use super::seen;
use super::tensors::Loaded;
use super::write::Counters;
use crate::catalogue::{Catalogue, Item};
use crate::settings::Settings;
use crate::state::State;
use crate::{Error, ErrorKind, Result, plain};

/// The longest file of a snapshot that is read unless another bound is set, bytes.
const MOST_BYTES: u64 = 64 << 30;

/// A version's folder whose manifest was read and understood.
#[derive(Debug, Clone)]
pub struct Snapshot {
    folder: PathBuf,
    manifest: Manifest,
    most_bytes: u64,
}

/// What inference needs.
pub(crate) struct Model {
    pub(crate) parameters: Parameters,
    pub(crate) catalogue: Catalogue,
    /// `[items, d]`.
    pub(crate) items: Vec<f32>,
}

impl Snapshot {
    /// Opens a version below `root`, the newest where `version` is none.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] where there is none, [`ErrorKind::Corrupt`] where its manifest is
    /// not whole or of another format.
    pub fn open(root: &Path, version: Option<u64>) -> Result<Self> {
        let version = match version {
            Some(version) => version,
            None => latest_version(root)?.ok_or_else(|| {
                let text =
                    format!("no snapshot in {}; start the trainer, or give its folder", root.display());
                Error::new(ErrorKind::Missing, text)
            })?,
        };
        let folder = root.join(folder_name(version));
        let path = folder.join(MANIFEST);
        let bytes = plain::read(&path, MANIFEST_BYTES).map_err(|error| missing(&path, &error))?;
        // The format first: fields of another format are none of this one's business.
        let format: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(&path, error))?;
        let found = format.get("format_version").and_then(serde_json::Value::as_u64);
        if found != Some(u64::from(FORMAT_VERSION)) {
            let found = found.map_or("none".to_owned(), |found| found.to_string());
            let text = format!(
                "format_version is {found}, this build reads {FORMAT_VERSION}: use the build that wrote it"
            );
            return Err(corrupt(&path, text));
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| corrupt(&path, error))?;
        if manifest.version != version {
            return Err(corrupt(&path, format!("it is of version {}, expected {version}", manifest.version)));
        }
        // They say how much memory the network takes.
        manifest.settings.model.validate().map_err(|error| corrupt(&path, error))?;
        Ok(Self { folder, manifest, most_bytes: MOST_BYTES })
    }

    /// The same, of whose files none longer than `most_bytes` is read.
    #[must_use]
    pub fn within(self, most_bytes: u64) -> Self {
        Self { most_bytes, ..self }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of all its files but the manifest.
    pub fn bytes(&self) -> u64 {
        self.manifest.files.values().map(|file| file.bytes).sum()
    }

    /// Reads a file whose length and checksum are the manifest's.
    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        let expected =
            self.manifest.files.get(name).ok_or_else(|| {
                corrupt(&self.folder.join(MANIFEST), format!("`files` does not name {name}"))
            })?;
        let other_length = |found: u64| corrupt(&path, format!("{found} bytes, expected {}", expected.bytes));
        // By its length alone, before any of it is read.
        let length = plain::open(&path)
            .and_then(|file| file.metadata())
            .map_err(|error| missing(&path, &error))?
            .len();
        if length != expected.bytes {
            return Err(other_length(length));
        }
        let bytes =
            plain::read(&path, self.most_bytes.min(length)).map_err(|error| missing(&path, &error))?;
        let found = entry_of(&bytes);
        if found.bytes != expected.bytes {
            return Err(other_length(found.bytes));
        }
        if found.sha256 != expected.sha256 {
            return Err(corrupt(&path, format!("SHA-256 {}, expected {}", found.sha256, expected.sha256)));
        }
        Ok(bytes)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.read(name)?).map_err(|error| corrupt(&self.folder.join(name), error))
    }

    /// Weights and catalogue, without what only training needs.
    pub(crate) fn model(&self) -> Result<Model> {
        let settings = &self.manifest.settings.model;
        let path = self.folder.join(CATALOGUE);
        let items: Vec<Item> = self.json(CATALOGUE)?;
        let count = items.len();
        let catalogue =
            Catalogue::from_items(items).ok_or_else(|| corrupt(&path, "an item stands in it twice"))?;
        let path = self.folder.join(MODEL);
        let bytes = self.read(MODEL)?;
        let loaded = Loaded::decode(&path, &bytes)?;
        let mut parameters = Network::<Inner>::fresh(settings, &backend::device()?);
        for parameter in &mut parameters.list {
            parameter.weights = loaded.floats(&parameter.name, parameter.shape)?;
        }
        let items = loaded.floats("items.weights", [count, settings.width])?;
        Ok(Model { parameters, catalogue, items })
    }

    /// Everything, to go on training under `settings`.
    pub(crate) fn state(&self, settings: &Settings) -> Result<State> {
        let (found, wanted) = (&self.manifest.settings.model, &settings.model);
        if found != wanted {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "snapshot {}: its model is {found:?}, the settings say {wanted:?}; set `model` as it was, or give \
                     another `folder` to learn anew",
                    self.folder.display()
                ),
            ));
        }
        let Model { mut parameters, catalogue, items } = self.model()?;
        let path = self.folder.join(OPTIMIZER);
        let bytes = self.read(OPTIMIZER)?;
        let loaded = Loaded::decode(&path, &bytes)?;
        for parameter in &mut parameters.list {
            parameter.first = loaded.floats(&format!("{}.first", parameter.name), parameter.shape)?;
            parameter.second = loaded.floats(&format!("{}.second", parameter.name), parameter.shape)?;
        }
        let shape = [catalogue.len(), wanted.width];
        let (first, second) = (loaded.floats("items.first", shape)?, loaded.floats("items.second", shape)?);
        let steps = loaded.integers("items.steps", catalogue.len())?;
        let table = Table::from_parts(wanted.width, wanted.seed, &items, &first, &second, steps)
            .ok_or_else(|| corrupt(&path, "tensors of different lengths"))?;
        let counters: Counters = self.json(TRAINER)?;
        parameters.step = counters.step;
        let path = self.folder.join(SEEN);
        let mut seen = seen::decode(&self.read(SEEN)?).map_err(|problem| corrupt(&path, problem))?;
        seen.clock = counters.seen_clock;
        seen.dropped = counters.seen_dropped;
        Ok(State {
            catalogue,
            table,
            parameters,
            seen,
            prequential: counters.prequential,
            examples: counters.examples,
            batches: counters.batches,
        })
    }
}

fn missing(path: &Path, error: &std::io::Error) -> Error {
    corrupt(path, format!("it cannot be read ({error}), expected a file"))
}
