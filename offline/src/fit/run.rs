//! The folder of a fit: what was set, how far it has come, and the weights.
//!
//! | file | what |
//! |---|---|
//! | `run.json` | settings, protocol, and what tells the data from others |
//! | `items.json` | the items' ids, in row order |
//! | `progress.json` | [`Progress`] after the newest whole epoch |
//! | `state-N.safetensors` | weights and optimizer after epoch N, the one that the progress names |
//! | `best.safetensors` | weights of the best epoch |
//!
//! Each is replaced whole, the progress last: after a crash the epoch before is in force.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use hmisr_features::Id;
use hmisr_model::backend::{Device, Inner};
use hmisr_model::hmisr::{HmisrSettings, Stage};
use hmisr_model::settings::{Change, changes};
use hmisr_model::{Network, Parameters, Table};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::settings::FitSettings;
use super::weights::{Parts, decode, encode};
use crate::error::{Error, Result};
use crate::split::{NOT_ASKED, Protocol, Split};

/// What a run folder belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    settings: FitSettings,
    protocol: Protocol,
    data: String,
    /// SHA-256 over the training part: users, items, times, actions and weights.
    training_sha256: String,
}

impl Header {
    /// Without what has no say in the fit: the settings of HMISR, in that of a network without its stages.
    fn decisive(mut self) -> Self {
        if !self.settings.model.architecture.is_staged() {
            self.settings.model.hmisr = HmisrSettings::default();
        }
        self
    }
}

/// A run folder.
#[derive(Debug, Clone)]
pub struct Run {
    folder: PathBuf,
    settings: FitSettings,
}

impl Run {
    /// Opens the folder for this fit, and makes it where it is not there.
    ///
    /// # Errors
    /// [`Error::Input`] where it belongs to other settings, another protocol or other data.
    pub fn open(folder: &Path, settings: &FitSettings, split: &Split) -> Result<Self> {
        settings.validate()?;
        let header = Header {
            settings: settings.clone(),
            protocol: split.protocol,
            data: split.data.name.clone(),
            training_sha256: fingerprint(split),
        };
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, "creating it", error))?;
        let run = Self { folder: folder.to_owned(), settings: settings.clone() };
        let path = run.path("run.json");
        match read_json::<Header>(&path)? {
            Some(found) => {
                let (found, wanted) = (found.decisive(), header.decisive());
                if found != wanted {
                    return Err(Error::input(&path, difference(&found, &wanted), EXPECTED));
                }
            }
            None => {
                write_json(&run.path("items.json"), &split.data.items)?;
                write_json(&path, &header)?;
            }
        }
        Ok(run)
    }

    /// Opens a folder that holds a fit already, of whatever settings and data; none where it holds
    /// none.
    ///
    /// # Errors
    /// [`Error::Input`] where its header is not whole.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let header = read_json::<Header>(&folder.join("run.json"))?;
        Ok(header.map(|header| Self { folder: folder.to_owned(), settings: header.settings }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings.
    pub fn settings(&self) -> &FitSettings {
        &self.settings
    }

    /// How far the fit has come.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is not whole.
    pub fn progress(&self) -> Result<Progress> {
        Ok(read_json(&self.path("progress.json"))?.unwrap_or_default())
    }

    /// The ids of the items, in row order.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is not whole.
    pub fn items(&self) -> Result<Vec<Id>> {
        Ok(read_json(&self.path("items.json"))?.unwrap_or_default())
    }

    /// The best weights, and the stage that they come from.
    pub(super) fn best_weights(&self, items: usize, device: &Device) -> Result<(Parameters, Table, Stage)> {
        let progress = self.progress()?;
        let Some(best) = progress.best() else {
            return Err(Error::input(self.folder(), "no epoch was done yet", "a run of at least one epoch"));
        };
        let mut parameters = Network::<Inner>::fresh(&self.settings.model, device);
        let table = self.best(&mut parameters, items)?;
        parameters.step = progress.step;
        Ok((parameters, table, best.stage))
    }

    pub(super) fn save(
        &self,
        progress: &Progress,
        parameters: &Parameters,
        table: &Table,
        is_best: bool,
    ) -> Result<()> {
        if is_best {
            let path = self.path("best.safetensors");
            write(&path, &encode(&path, parameters, table, Parts::Weights)?)?;
        }
        // Under a name of its own: until the progress names it, the one before is whole and in force.
        let path = self.path(&state_name(progress.epoch));
        write(&path, &encode(&path, parameters, table, Parts::WithOptimizer)?)?;
        write_json(&self.path("progress.json"), progress)?;
        let before = self.path(&state_name(progress.epoch - 1));
        match fs::remove_file(&before) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(&before, "removing it", error))
            }
            _ => Ok(()),
        }
    }

    /// Reads the newest state into `parameters`.
    pub(super) fn state(
        &self,
        progress: &Progress,
        parameters: &mut Parameters,
        items: usize,
    ) -> Result<Table> {
        let table = self.read(&state_name(progress.epoch), parameters, items, Parts::WithOptimizer)?;
        parameters.step = progress.step;
        Ok(table)
    }

    /// Reads the best weights into `parameters`.
    pub(super) fn best(&self, parameters: &mut Parameters, items: usize) -> Result<Table> {
        self.read("best.safetensors", parameters, items, Parts::Weights)
    }

    fn read(&self, name: &str, parameters: &mut Parameters, items: usize, parts: Parts) -> Result<Table> {
        let path = self.path(name);
        let bytes = fs::read(&path).map_err(|error| Error::io(&path, "reading it", error))?;
        let model = &self.settings.model;
        decode(&path, &bytes, parameters, [items, model.width], model.seed, parts)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn state_name(epoch: usize) -> String {
    format!("state-{epoch}.safetensors")
}

const EXPECTED: &str =
    "a folder of the same fit; give another folder, or the same settings and data to resume";

fn difference(found: &Header, wanted: &Header) -> String {
    if found.settings.model.architecture != wanted.settings.model.architecture {
        return format!(
            "it holds a fit of {}, not of {}",
            found.settings.model.architecture, wanted.settings.model.architecture
        );
    }
    if found.settings != wanted.settings {
        return format!("it was fitted with other settings: {}", changed(&found.settings, &wanted.settings));
    }
    if found.protocol != wanted.protocol {
        return format!("it was fitted under protocol {}, not {}", found.protocol, wanted.protocol);
    }
    format!("it was fitted to other data ({})", found.data)
}

/// The first setting that differs, by its path.
fn changed(found: &FitSettings, wanted: &FitSettings) -> String {
    let (found, wanted) = (found.json(), wanted.json());
    let first = changes(&found, &wanted).into_iter().next();
    first.map_or_else(String::new, |Change { path, before, now }| format!("{path} = {before}, now {now}"))
}

fn fingerprint(split: &Split) -> String {
    let mut hash = Sha256::new();
    for (user, events) in split.training() {
        hash.update(user.to_le_bytes());
        for event in events {
            hash.update(event.item.to_le_bytes());
            hash.update(event.ts_ms.to_le_bytes());
            hash.update(event.action.to_le_bytes());
            hash.update(event.weight.map_or([0xff; 4], f32::to_le_bytes));
            if !split.data.is_choice(event) {
                hash.update(NOT_ASKED);
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, "reading it", error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::input(path, error.to_string(), EXPECTED))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::input(path, error.to_string(), "values that JSON can hold"))?;
    write(path, &bytes)
}

/// Replaces a file whole, or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("tmp");
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).map_err(|error| Error::io(path, "writing it", error))
}
