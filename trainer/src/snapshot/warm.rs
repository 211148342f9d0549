//! Weights that go on in a network of other settings.

use hmisr_model::backend::{self, Inner};
use hmisr_model::settings::{Change, changes};
use hmisr_model::{ModelSettings, Network, Parameters};
use hmisr_recommend::artifact::{Artifact, Loaded};

use crate::{Error, ErrorKind, Result};

const ITEMS: &str = "items.weights";

/// What binding the weights of a version by their names came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Settings of the model that differ, as `path: before, now`.
    pub changed: Vec<String>,
    /// Weights that the version lacks, which begin fresh.
    pub fresh: Vec<String>,
    /// Weights of the version that the network has no use for.
    pub dropped: Vec<String>,
}

impl Bound {
    /// Whether the network is the version's own.
    pub fn is_same(&self) -> bool {
        *self == Self::default()
    }
}

/// The parameters of a network with `settings`, by name from the version, and the items' embeddings.
///
/// # Errors
/// [`ErrorKind::Configuration`] where a weight has another shape: what it means changed.
pub(super) fn bind(
    artifact: &Artifact,
    items: usize,
    settings: &ModelSettings,
) -> Result<(Parameters, Vec<f32>, Bound)> {
    let (path, bytes) = artifact.weights()?;
    let loaded = Loaded::decode(&path, &bytes)?;
    let mut parameters = Network::<Inner>::fresh(settings, &backend::device()?);
    parameters.step = artifact.manifest().step;
    let mut bound = Bound { changed: changed(&artifact.manifest().model, settings), ..Bound::default() };
    let refused = |name: &str, found: &[usize], wanted: [usize; 2]| {
        let version = artifact.manifest().version;
        Error::new(
            ErrorKind::Configuration,
            format!(
                "version {version} in {}: weight `{name}` is of shape {found:?}, the settings need {wanted:?} ({}); set \
                 `trainer.model` as it was, or give another `folder` to learn anew",
                artifact.folder().display(),
                match bound.changed.is_empty() {
                    true => "the network changed".to_owned(),
                    false => bound.changed.join("; "),
                }
            ),
        )
    };
    for parameter in &mut parameters.list {
        match loaded.shape(&parameter.name) {
            Some(shape) if shape == parameter.shape => {
                parameter.weights = loaded.finite(&parameter.name, parameter.shape)?;
            }
            Some(shape) => return Err(refused(&parameter.name, &shape, parameter.shape)),
            None => {}
        }
    }
    let wanted = [items, settings.width];
    match loaded.shape(ITEMS) {
        Some(shape) if shape.get(1) != Some(&settings.width) => return Err(refused(ITEMS, &shape, wanted)),
        _ => {}
    }
    let embeddings = loaded.finite(ITEMS, wanted)?;
    let names = parameters.list.iter().map(|parameter| parameter.name.clone());
    bound.fresh = names.filter(|name| loaded.shape(name).is_none()).collect();
    let known = |name: &String| name == ITEMS || parameters.list.iter().any(|known| known.name == *name);
    bound.dropped = loaded.shapes().map(|(name, _)| name).filter(|name| !known(name)).collect();
    bound.dropped.sort_unstable();
    Ok((parameters, embeddings, bound))
}

/// The settings that differ. Dropout and seed are none of the network's.
fn changed(before: &ModelSettings, now: &ModelSettings) -> Vec<String> {
    let json = |settings: &ModelSettings| serde_json::to_value(settings).unwrap_or_default();
    let (before, now) = (json(before), json(now));
    let others = changes(&before, &now).into_iter().filter(|it| !["dropout", "seed"].contains(&&it.path[..]));
    others.map(|Change { path, before, now }| format!("model.{path}: {before} before, {now} now")).collect()
}
