//! Publishing what was learnt, with what only the trainer needs beside it.

use std::collections::BTreeMap;

use hmisr_model::Weights;
use hmisr_recommend::artifact::{self, Contents, Manifest, Metrics, Tensors, Topic, Validation, corrupt};
use serde::{Deserialize, Serialize};

use super::{seen, waiting};
use crate::Result;
use crate::lesson::FirstLesson;
use crate::prequential::Prequential;
use crate::settings::Settings;
use crate::state::State;

pub(super) const TRAINER: &str = "trainer.json";
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";
pub(super) const SEEN: &str = "seen.bin";
pub(super) const WAITING: &str = "waiting.bin";

/// What a version says beside the state itself.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    /// Settings to tell people of, in the place of these.
    pub(crate) shown: Option<serde_json::Value>,
    pub(crate) topic: Option<Topic>,
    pub(crate) offsets: BTreeMap<i32, i64>,
    /// Loss of the newest batch.
    pub(crate) loss: f64,
    /// What a fit measured.
    pub(crate) validation: Option<Validation>,
}

/// The file `trainer.json`. Unknown fields are passed over: a newer trainer may keep more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The settings in force, for people.
    #[serde(default)]
    pub(super) settings: serde_json::Value,
    pub(super) seen_clock: u64,
    pub(super) seen_dropped: u64,
    /// Optimizer steps when its moments began anew.
    #[serde(default)]
    pub(super) warm_from: u64,
    #[serde(default)]
    pub(super) weights: Weights,
    /// The first lesson, while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lesson: Option<FirstLesson>,
    pub(super) prequential: Prequential,
}

/// Writes `state` as the next version below the settings' folder.
pub(crate) fn publish(state: &State, context: Context<'_>) -> Result<Manifest> {
    let attached = attached(state, &context)?;
    publish_with(state, context, &attached)
}

/// The same with these files beside it.
pub(super) fn publish_with(
    state: &State,
    context: Context<'_>,
    attached: &[(&str, Vec<u8>)],
) -> Result<Manifest> {
    let Context { settings, topic, offsets, loss, validation, .. } = context;
    let contents = Contents {
        model: &settings.model,
        parameters: &state.parameters,
        table: &state.table,
        catalogue: &state.catalogue,
        counts: state.counts.as_ref(),
        actions: state.actions.clone(),
        foresight: state.foresight,
        features: settings.features.clone(),
        stage: state.lineage.stage,
        level_from: state.lineage.level_from,
        lessons: state.lineage.lessons.clone(),
        from: state.lineage.from,
        fitted: state.lineage.fitted.clone(),
        batches: state.batches,
        examples: state.examples,
        topic,
        offsets,
        metrics: Metrics {
            loss,
            overall: state.prequential.overall(),
            rolling: state.prequential.rolling(),
            last_tenth: state.prequential.last(0.1),
            validation,
        },
    };
    Ok(artifact::publish(&settings.folder, contents, settings.keep_snapshots, attached)?)
}

/// What only a trainer reads.
fn attached(state: &State, context: &Context<'_>) -> Result<[(&'static str, Vec<u8>); 4]> {
    let Context { settings, shown, .. } = context;
    let folder = settings.folder.as_path();
    let json = |value| serde_json::to_vec(value).map_err(|error| corrupt(&folder.join(TRAINER), error));
    let mut shown = shown.clone().unwrap_or_else(|| serde_json::to_value(settings).unwrap_or_default());
    // Where it lies is no part of it: folders are copied and mounted elsewhere.
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("folder");
    }
    let kept = Kept {
        settings: shown,
        seen_clock: state.seen.clock,
        seen_dropped: state.seen.dropped,
        warm_from: state.warm_from,
        weights: state.weights,
        lesson: state.lesson.clone(),
        prequential: state.prequential.clone(),
    };
    Ok([
        (OPTIMIZER, optimizer(state).encode(&folder.join(OPTIMIZER))?),
        (SEEN, seen::encode(&state.seen)),
        (WAITING, waiting::encode(&state.waiting)),
        (TRAINER, json(&kept)?),
    ])
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
