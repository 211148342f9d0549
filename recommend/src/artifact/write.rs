//! Publishing a version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hmisr_features::FeatureSettings;
use hmisr_model::hmisr::Stage;
use hmisr_model::{ModelSettings, Parameters, Table, backend};

use super::files::{
    CATALOGUE, COUNTS, MANIFEST, MODEL, POINTER, corrupt, folder_name, replace, sync, write_new,
};
use super::manifest::{FORMAT_VERSION, FittedTo, Lesson, Manifest, Metrics, Topic};
use super::promoted::promoted;
use super::tensors::Tensors;
use super::versions::{next_version, versions};
use crate::catalogue::Catalogue;
use crate::counts::{Counts, SOURCES};
use crate::{Actions, Error, Foresight, Result};

/// What is published; see [`Manifest`] for what is said of it.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The model's settings.
    pub model: &'a ModelSettings,
    /// The network's weights.
    pub parameters: &'a Parameters,
    /// The items' embeddings.
    pub table: &'a Table,
    /// The items.
    pub catalogue: &'a Catalogue,
    /// What is counted beside the network.
    pub counts: Option<&'a Counts>,
    /// The actions that it tells apart.
    pub actions: Actions,
    /// What it learnt of how various the next choices are.
    pub foresight: Foresight,
    /// How the features were computed that it learnt from.
    pub features: FeatureSettings,
    /// The stage of the weights.
    pub stage: Stage,
    /// Optimizer steps when a second level began.
    pub level_from: u64,
    /// What was taught.
    pub lessons: Vec<Lesson>,
    /// The version that training was told to go on from.
    pub from: Option<u64>,
    /// The data of its fit.
    pub fitted: Option<FittedTo>,
    /// Micro-batches of the stream.
    pub batches: u64,
    /// Examples of the stream.
    pub examples: u64,
    /// The stream.
    pub topic: Option<Topic>,
    /// Next offsets.
    pub offsets: BTreeMap<i32, i64>,
    /// What was measured.
    pub metrics: Metrics,
}

/// Writes the next version below `root`, points to it, and removes versions beyond the newest `keep`, but for
/// the promoted one. `attached` are files of the caller's own.
///
/// # Errors
/// Those of the file system.
pub fn publish(
    root: &Path,
    contents: Contents<'_>,
    keep: usize,
    attached: &[(&str, Vec<u8>)],
) -> Result<Manifest> {
    fs::create_dir_all(root).map_err(|error| Error::io("create", root, error))?;
    let version = next_version(root)?;
    let beside = root.join(format!(".{}.tmp", folder_name(version)));
    let place = root.join(folder_name(version));
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|error| Error::io("remove", &beside, error))?;
    }
    fs::create_dir(&beside).map_err(|error| Error::io("create", &beside, error))?;
    let manifest = write_files(&beside, version, contents, attached)?;
    sync(&beside)?;
    fs::rename(&beside, &place).map_err(|error| Error::io("rename to", &place, error))?;
    sync(root)?;
    replace(&root.join(POINTER), format!("{}\n", folder_name(version)).as_bytes())?;
    sync(root)?;
    // What was published stands, whatever becomes of older ones.
    if let Err(error) = prune(root, version, keep) {
        tracing::warn!(%error, "old snapshots are not removed");
    }
    Ok(manifest)
}

fn write_files(
    folder: &Path,
    version: u64,
    contents: Contents<'_>,
    attached: &[(&str, Vec<u8>)],
) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| corrupt(&path, error));
    let put =
        |name: &str, bytes: &[u8]| Ok::<_, Error>((name.to_owned(), write_new(&folder.join(name), bytes)?));
    let weights = weights(contents.parameters, contents.table).encode(&folder.join(MODEL))?;
    let catalogue = json(serde_json::to_vec(contents.catalogue.items()))?;
    let mut files = BTreeMap::from([put(MODEL, &weights)?, put(CATALOGUE, &catalogue)?]);
    if let Some(counts) = contents.counts {
        files.extend([put(COUNTS, &counts.encode())?]);
    }
    let weighed = |counts: &Counts| SOURCES.map(str::to_owned).into_iter().zip(counts.weights()).collect();
    let attached: Result<_> = attached.iter().map(|(name, bytes)| put(name, bytes)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        version,
        created_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        from: contents.from,
        fitted: contents.fitted,
        step: contents.parameters.step,
        batches: contents.batches,
        examples: contents.examples,
        items: contents.catalogue.len() as u64,
        topic: contents.topic,
        offsets: contents.offsets,
        backend: backend::NAME.to_owned(),
        model: contents.model.clone(),
        level_from: contents.level_from,
        sources: contents.counts.map(weighed).unwrap_or_default(),
        actions: contents.actions,
        foresight: contents.foresight,
        features: contents.features,
        stage: contents.stage,
        lessons: contents.lessons,
        metrics: contents.metrics,
        files,
        attached: attached?,
    };
    write_new(&path, &json(serde_json::to_vec_pretty(&manifest))?)?;
    Ok(manifest)
}

fn weights(parameters: &Parameters, table: &Table) -> Tensors {
    let mut tensors = Tensors::default();
    for parameter in &parameters.list {
        tensors.floats(&parameter.name, parameter.shape, &parameter.weights);
    }
    tensors.floats("items.weights", [table.len(), table.width()], &table.part(0));
    tensors
}

/// Removes what is not kept. A folder that cannot go is only disk space: it is logged.
fn prune(root: &Path, newest: u64, keep: usize) -> Result<()> {
    let old: Vec<u64> = versions(root)?.into_iter().filter(|version| *version <= newest).collect();
    for version in old.iter().rev().skip(keep) {
        // Asked before each: it may be promoted now.
        if promoted(root)? == Some(*version) {
            continue;
        }
        let folder = root.join(folder_name(*version));
        if let Err(error) = fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "an old snapshot could not be removed");
        }
    }
    Ok(())
}
