//! Going on from a version.

use std::path::Path;

use hmisr_features::FeatureSettings;
use hmisr_model::hmisr::Stage;
use hmisr_model::settings::{Change, changes};
use hmisr_model::{ModelSettings, Table};
use hmisr_recommend::Foresight;
use hmisr_recommend::artifact::{Artifact, Loaded, corrupt, latest_version};

use super::warm::{Bound, bind};
use super::write::{Kept, OPTIMIZER, SEEN, TRAINER, WAITING};
use super::{seen, waiting};
use crate::settings::Settings;
use crate::state::{Lineage, State};
use crate::waiting::Waiting;
use crate::{Error, ErrorKind, Result};

/// How a setting of the features begins among what differs.
const FEATURES: &str = "features.";

/// What a version gave to go on with.
#[derive(Debug)]
pub struct Restored {
    /// All that learning changes.
    pub state: State,
    /// The settings, with the version's model where none was set.
    pub settings: Settings,
    /// How the weights were bound.
    pub bound: Bound,
    /// Whether the trainer's own files stood beside it, so that training goes on as if it had never stopped.
    pub is_whole: bool,
}

/// Goes on from `artifact` under `settings`. A model that was left at its default is the version's own.
///
/// # Errors
/// [`ErrorKind::Configuration`] where a weight has another shape under these settings,
/// [`ErrorKind::Corrupt`] where a file is not whole.
pub fn restore(artifact: &Artifact, settings: &Settings) -> Result<Restored> {
    let settings = adopted(settings, artifact);
    let manifest = artifact.manifest();
    settings.validate()?;
    let model = &settings.model;
    let catalogue = artifact.catalogue()?;
    let (mut parameters, items, mut bound) = bind(artifact, catalogue.len(), model)?;
    let json = |features: &FeatureSettings| serde_json::to_value(features).unwrap_or_default();
    let (before, now) = (json(&manifest.features), json(&settings.features));
    let differs = |change: Change<'_>| {
        format!("{FEATURES}{}: {} before, {} now", change.path, change.before, change.now)
    };
    bound.changed.extend(changes(&before, &now).into_iter().map(differs));
    let kept = kept(artifact)?;
    let is_whole = kept.is_some();
    let (rows, width) = (catalogue.len(), model.width);
    let zeros = || vec![0.0; rows * width];
    let mut table = (zeros(), zeros(), vec![0; rows]);
    let mut state = State::fresh(&settings)?;
    state.warm_from = manifest.step;
    if let Some(kept) = kept {
        let path = artifact.folder().join(OPTIMIZER);
        if let Some(bytes) = artifact.attached(OPTIMIZER)? {
            let loaded = Loaded::decode(&path, &bytes)?;
            for parameter in &mut parameters.list {
                // A weight that begins fresh has no moments yet.
                if bound.fresh.contains(&parameter.name) {
                    continue;
                }
                parameter.first = loaded.finite(&format!("{}.first", parameter.name), parameter.shape)?;
                parameter.second = loaded.finite(&format!("{}.second", parameter.name), parameter.shape)?;
            }
            table = (
                loaded.finite("items.first", [rows, width])?,
                loaded.finite("items.second", [rows, width])?,
                loaded.integers("items.steps", rows)?,
            );
            state.warm_from = kept.warm_from;
        }
        state.weights = kept.weights;
        let path = artifact.folder().join(SEEN);
        let bytes =
            artifact.attached(SEEN)?.ok_or_else(|| corrupt(&path, "the manifest does not name it"))?;
        state.seen = seen::decode(&bytes).map_err(|problem| corrupt(&path, problem))?;
        state.seen.clock = kept.seen_clock;
        state.seen.dropped = kept.seen_dropped;
        if let Some(bytes) = artifact.attached(WAITING)? {
            let path = artifact.folder().join(WAITING);
            state.waiting = waiting::decode(&bytes).map_err(|problem| corrupt(&path, problem))?;
        }
        state.prequential = kept.prequential;
        state.lesson = kept.lesson;
    }
    let (first, second, steps) = table;
    let table = Table::from_parts(width, model.seed, &items, &first, &second, steps);
    let table = table.ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            format!("{}: tensors of different lengths", artifact.folder().display()),
        )
    })?;
    // A second level that the version does not have begins now, and so does that of a fit that ended in its coarse
    // stage. Once: a restart must not move it.
    let begins = is_new_level(&bound) || (manifest.stage == Stage::Coarse && !is_whole);
    let lineage = Lineage {
        // A second level that begins now has nothing to say yet.
        stage: if is_new_level(&bound) { Stage::Coarse } else { manifest.stage },
        level_from: if begins { manifest.step } else { manifest.level_from },
        lessons: manifest.lessons.clone(),
        from: manifest.from,
        fitted: manifest.fitted.clone(),
    };
    let (examples, batches) = (manifest.examples, manifest.batches);
    let actions = manifest.actions.clone();
    // What was learnt from features that were computed otherwise begins anew, and so does what waits.
    let foresight = match bound.changed.iter().any(|change| change.starts_with(FEATURES)) {
        true => {
            state.waiting = Waiting::default();
            Foresight::default()
        }
        false => manifest.foresight,
    };
    // A version that counted nothing gives counts that begin here.
    let counts = match settings.counts() {
        Some(fresh) => Some(artifact.counts(catalogue.len())?.unwrap_or(fresh)),
        None => None,
    };
    let state = State {
        catalogue,
        actions,
        foresight,
        counts,
        table,
        parameters,
        lineage,
        examples,
        batches,
        ..state
    };
    Ok(Restored { state, settings, bound, is_whole })
}

/// The settings with the model of the version that a run under them goes on from, where none was set and there
/// is a version; with its encoder in any case.
///
/// # Errors
/// Those of reading the version's manifest.
pub fn resolved(settings: &Settings) -> Result<Settings> {
    Ok(match start(&settings.folder, settings.from)? {
        Some(Start { artifact, .. }) => adopted(settings, &artifact),
        None => settings.clone(),
    })
}

fn adopted(settings: &Settings, artifact: &Artifact) -> Settings {
    let mut settings = settings.clone();
    let ModelSettings { dropout, seed, .. } = settings.model;
    // These are none of the network's, and may be set without setting one.
    if settings.model == (ModelSettings { dropout, seed, ..Settings::default().model }) {
        settings.model = ModelSettings { dropout, seed, ..artifact.manifest().model.clone() };
    }
    // Weights of the same names mean other things over another encoder.
    let (own, of_version) = (settings.model.hmisr.encoder, artifact.manifest().model.hmisr.encoder);
    if own != of_version && artifact.manifest().model.architecture == settings.model.architecture {
        tracing::warn!(
            version = artifact.manifest().version,
            "model.hmisr.encoder is that of the version that training goes on from, {of_version}, and not {own}; another begins in a folder of its own"
        );
        settings.model.hmisr.encoder = of_version;
    }
    settings
}

/// The version that training goes on from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) artifact: Artifact,
    /// Whether nothing was published after it: what comes of an older one carries its number.
    pub(crate) is_newest: bool,
}

/// The newest version, or `from` where the newest did not come of it.
pub(crate) fn start(folder: &Path, from: Option<u64>) -> Result<Option<Start>> {
    let newest = latest_version(folder)?;
    let open = |version| Artifact::open(folder, Some(version));
    let Some(from) = from.filter(|from| newest != Some(*from)) else {
        let Some(newest) = newest else { return Ok(None) };
        return Ok(Some(Start { artifact: open(newest)?, is_newest: true }));
    };
    // A newest one that cannot be read may be why an older one is named.
    if let Some(Ok(artifact)) = newest.map(open)
        && artifact.manifest().from == Some(from)
    {
        return Ok(Some(Start { artifact, is_newest: true }));
    }
    Ok(Some(Start { artifact: open(from)?, is_newest: false }))
}

/// Whether HMISR's interests are none of the version's.
fn is_new_level(bound: &Bound) -> bool {
    bound.fresh.iter().any(|name| name.starts_with("interest.") || name.starts_with("coarse."))
}

/// The trainer's own part of a version; none where another published it.
fn kept(artifact: &Artifact) -> Result<Option<Kept>> {
    let path = artifact.folder().join(TRAINER);
    match artifact.attached(TRAINER)? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| corrupt(&path, error))?)),
        None => Ok(None),
    }
}
