//! Publishing a version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::files::{
    CATALOGUE, MANIFEST, MODEL, OPTIMIZER, POINTER, SEEN, TRAINER, corrupt, folder_name, latest_version,
    replace, sync, versions, write,
};
use super::manifest::{FORMAT_VERSION, Manifest, Metrics, Topic};
use super::seen;
use super::tensors::Tensors;
use crate::prequential::Prequential;
use crate::settings::Settings;
use crate::state::State;
use crate::{Error, Result, backend};

/// What a snapshot says beside the state itself.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) topic: Option<Topic>,
    pub(crate) offsets: BTreeMap<i32, i64>,
    /// Loss of the newest batch.
    pub(crate) loss: f64,
}

/// The file `trainer.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) step: u64,
    pub(super) examples: u64,
    pub(super) batches: u64,
    pub(super) seen_clock: u64,
    pub(super) seen_dropped: u64,
    pub(super) prequential: Prequential,
}

/// Writes `state` as the next version below the settings' folder, points to it, and removes
/// versions beyond those kept.
pub(crate) fn publish(state: &State, context: Context<'_>) -> Result<Manifest> {
    let root = context.settings.folder.as_path();
    fs::create_dir_all(root).map_err(|error| Error::io("create", root, error))?;
    let newest = versions(root)?.last().copied().max(latest_version(root)?).unwrap_or(0);
    let version = newest + 1;
    let beside = root.join(format!(".{}.tmp", folder_name(version)));
    let place = root.join(folder_name(version));
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|error| Error::io("remove", &beside, error))?;
    }
    fs::create_dir(&beside).map_err(|error| Error::io("create", &beside, error))?;
    let manifest = write_files(&beside, version, state, context)?;
    sync(&beside)?;
    fs::rename(&beside, &place).map_err(|error| Error::io("rename to", &place, error))?;
    sync(root)?;
    replace(&root.join(POINTER), format!("{}\n", folder_name(version)).as_bytes())?;
    sync(root)?;
    prune(root, version, manifest.settings.keep_snapshots);
    Ok(manifest)
}

fn write_files(folder: &Path, version: u64, state: &State, context: Context<'_>) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| corrupt(&path, error));
    let mut files = BTreeMap::new();
    let mut put = |name: &str, bytes: &[u8]| {
        files.insert(name.to_owned(), write(&folder.join(name), bytes)?);
        Ok::<_, Error>(())
    };
    put(MODEL, &model(state).encode(&folder.join(MODEL))?)?;
    put(OPTIMIZER, &optimizer(state).encode(&folder.join(OPTIMIZER))?)?;
    put(CATALOGUE, &json(serde_json::to_vec(state.catalogue.items()))?)?;
    put(SEEN, &seen::encode(&state.seen))?;
    let counters = Counters {
        step: state.parameters.step,
        examples: state.examples,
        batches: state.batches,
        seen_clock: state.seen.clock,
        seen_dropped: state.seen.dropped,
        prequential: state.prequential.clone(),
    };
    put(TRAINER, &json(serde_json::to_vec(&counters))?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        version,
        created_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        step: counters.step,
        batches: counters.batches,
        examples: counters.examples,
        items: state.catalogue.len() as u64,
        topic: context.topic,
        offsets: context.offsets,
        backend: backend::NAME.to_owned(),
        settings: context.settings.clone(),
        metrics: Metrics {
            loss: context.loss,
            overall: state.prequential.overall(),
            rolling: state.prequential.rolling(),
            last_tenth: state.prequential.last(0.1),
        },
        files,
    };
    write(&path, &json(serde_json::to_vec_pretty(&manifest))?)?;
    Ok(manifest)
}

fn model(state: &State) -> Tensors {
    let mut tensors = Tensors::default();
    for parameter in &state.parameters.list {
        tensors.floats(&parameter.name, parameter.shape, &parameter.weights);
    }
    tensors.floats("items.weights", [state.table.len(), state.table.width()], &state.table.part(0));
    tensors
}

fn optimizer(state: &State) -> Tensors {
    let mut tensors = Tensors::default();
    for parameter in &state.parameters.list {
        tensors.floats(format!("{}.first", parameter.name), parameter.shape, &parameter.first);
        tensors.floats(format!("{}.second", parameter.name), parameter.shape, &parameter.second);
    }
    let shape = [state.table.len(), state.table.width()];
    tensors.floats("items.first", shape, &state.table.part(1));
    tensors.floats("items.second", shape, &state.table.part(2));
    tensors.integers("items.steps", state.table.steps());
    tensors
}

/// Removes what is not kept. A folder that cannot go is only disk space: it is logged.
fn prune(root: &Path, newest: u64, keep: usize) {
    let versions = versions(root).unwrap_or_default();
    let old: Vec<u64> = versions.into_iter().filter(|version| *version <= newest).collect();
    for version in old.iter().rev().skip(keep) {
        let folder = root.join(folder_name(*version));
        if let Err(error) = fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "an old snapshot could not be removed");
        }
    }
}
