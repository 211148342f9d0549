//! Reading a version, and refusing one that is not whole.

use std::path::{Path, PathBuf};

use hmisr_model::backend::{self, Inner};
use hmisr_model::{Network, Parameters};

use super::files::{
    CATALOGUE, COUNTS, MANIFEST, MANIFEST_BYTES, MODEL, corrupt, folder_name, read_checked, unreadable,
};
use super::manifest::{FORMAT_VERSION, Manifest, format_of};
use super::tensors::Loaded;
use super::versions::{latest_version, missing};
use crate::catalogue::{Catalogue, Item};
use crate::counts::Counts;
use crate::{Error, ErrorKind, Result, plain};

/// The longest file of a version that is read unless another bound is set, bytes.
const MOST_BYTES: u64 = 64 << 30;

/// A version's folder whose manifest was read and understood.
#[derive(Debug, Clone)]
pub struct Artifact {
    folder: PathBuf,
    manifest: Manifest,
    most_bytes: u64,
}

/// What answering needs.
#[derive(Debug)]
pub struct Published {
    /// The network's weights.
    pub parameters: Parameters,
    /// The items.
    pub catalogue: Catalogue,
    /// Their embeddings, `[items, d]`.
    pub items: Vec<f32>,
    /// What is counted beside the network; none where nothing is.
    pub counts: Option<Counts>,
}

impl Artifact {
    /// Opens a version below `root`, the newest where `version` is none.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] where there is none, [`ErrorKind::Corrupt`] where its manifest is
    /// not whole or of another format.
    pub fn open(root: &Path, version: Option<u64>) -> Result<Self> {
        let version = match version {
            Some(version) => version,
            None => latest_version(root)?.ok_or_else(|| {
                let text = format!(
                    "{}: holds no version yet; start the trainer, publish a fit (hmisr fit --publish), or give its folder",
                    root.display()
                );
                Error::new(ErrorKind::Missing, text)
            })?,
        };
        let folder = root.join(folder_name(version));
        if !folder.exists() {
            return Err(missing(root, version));
        }
        let path = folder.join(MANIFEST);
        let bytes = plain::read(&path, MANIFEST_BYTES).map_err(|error| unreadable(&path, &error))?;
        // The format first: fields of another format are none of this one's business.
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(&path, error))?;
        let found = format_of(&json);
        if found != Some(u64::from(FORMAT_VERSION)) {
            let remedy = match found {
                Some(older) if older < u64::from(FORMAT_VERSION) => {
                    "write it anew with hmisr model migrate, or use the build that wrote it"
                }
                _ => "use the build that wrote it",
            };
            let found = found.map_or("none".to_owned(), |found| found.to_string());
            let text = format!("format_version is {found}, this build reads {FORMAT_VERSION}: {remedy}");
            return Err(corrupt(&path, text));
        }
        let manifest: Manifest = serde_json::from_value(json).map_err(|error| corrupt(&path, error))?;
        if manifest.version != version {
            return Err(corrupt(&path, format!("it is of version {}, expected {version}", manifest.version)));
        }
        // They say how much memory the network takes.
        manifest.model.validate().map_err(|error| corrupt(&path, error))?;
        manifest.features.validate().map_err(|error| corrupt(&path, error))?;
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

    /// The version's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file that the writer attached; none where there is none of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names it where it is not what was written.
    pub fn attached(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(expected) = self.manifest.attached.get(name) else { return Ok(None) };
        read_checked(&self.folder.join(name), expected, self.most_bytes).map(Some)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let expected =
            self.manifest.files.get(name).ok_or_else(|| {
                corrupt(&self.folder.join(MANIFEST), format!("`files` does not name {name}"))
            })?;
        read_checked(&self.folder.join(name), expected, self.most_bytes)
    }

    /// The items.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names what is not whole.
    pub fn catalogue(&self) -> Result<Catalogue> {
        let path = self.folder.join(CATALOGUE);
        let items: Vec<Item> =
            serde_json::from_slice(&self.read(CATALOGUE)?).map_err(|error| corrupt(&path, error))?;
        if items.len() as u64 != self.manifest.items {
            let text = format!("{} items, the manifest says {}", items.len(), self.manifest.items);
            return Err(corrupt(&path, text));
        }
        Catalogue::from_items(items)
            .ok_or_else(|| corrupt(&path, "an item stands in it twice, or has no category"))
    }

    /// Weights and catalogue, whole and finite.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names the file and what is wrong with it.
    pub fn published(&self) -> Result<Published> {
        let settings = &self.manifest.model;
        let catalogue = self.catalogue()?;
        let path = self.folder.join(MODEL);
        let bytes = self.read(MODEL)?;
        let loaded = Loaded::decode(&path, &bytes)?;
        let mut parameters = Network::<Inner>::fresh(settings, &backend::device()?);
        parameters.step = self.manifest.step;
        for parameter in &mut parameters.list {
            parameter.weights = loaded.finite(&parameter.name, parameter.shape)?;
        }
        let items = loaded.finite("items.weights", [catalogue.len(), settings.width])?;
        let counts = self.counts(catalogue.len())?;
        Ok(Published { parameters, catalogue, items, counts })
    }

    /// The counts over a catalogue of `items`; none where it holds none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names the file and what is wrong with it.
    pub fn counts(&self, items: usize) -> Result<Option<Counts>> {
        if !self.manifest.files.contains_key(COUNTS) {
            return Ok(None);
        }
        let counts = Counts::decode(&self.read(COUNTS)?, items);
        let problem = || corrupt(&self.folder.join(COUNTS), "it does not hold counts of its catalogue");
        counts.map(Some).ok_or_else(problem)
    }

    /// Whether all that the manifest names is there as it was written, what the writer attached included.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names the file that is not.
    pub fn whole(&self) -> Result<()> {
        self.published()?;
        self.manifest.attached.keys().try_for_each(|name| self.attached(name).map(drop))
    }

    /// The file of the weights, for whoever binds them by name.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] names what is not whole.
    pub fn weights(&self) -> Result<(PathBuf, Vec<u8>)> {
        Ok((self.folder.join(MODEL), self.read(MODEL)?))
    }
}
