//! A fit as a version that servers take and trainers go on from.

use std::collections::BTreeMap;
use std::path::Path;

use hmisr_model::backend::Device;
use hmisr_recommend::artifact::{
    self, Contents, FittedTo, FolderLock, Lesson, Manifest, Metrics, Validation,
};

use super::counted::counted;
use super::learnt::Learnt;
use super::run::Run;
use crate::error::{Error, Result};
use crate::split::Split;

/// Writes the best weights of a run as the next version below `root`. Versions that are there stay.
///
/// # Errors
/// [`Error::Input`] where the run has no weights, and [`Error::Model`] where another process publishes there or
/// the file system refuses.
pub fn publish(run: &Run, split: &Split, root: &Path, device: &Device) -> Result<Manifest> {
    let lock = FolderLock::take(root).map_err(|error| failed(run, error))?;
    publish_under(&lock, run, split, root, device)
}

/// The same under the right to write `root` that is held already.
///
/// # Errors
/// Those of [`publish`].
pub fn publish_under(
    _held: &FolderLock,
    run: &Run,
    split: &Split,
    root: &Path,
    device: &Device,
) -> Result<Manifest> {
    let settings = run.settings();
    let progress = run.progress()?;
    let (parameters, table, stage) = run.best_weights(split.data.items.len(), device)?;
    let mut lessons: Vec<Lesson> = Vec::new();
    // What came after the best epoch is not in its weights.
    for evaluation in progress.evaluations.iter().take(progress.best_epoch) {
        match lessons.last_mut() {
            Some(lesson) if lesson.stage == evaluation.stage => lesson.epochs += 1,
            _ => lessons.push(Lesson { stage: evaluation.stage, epochs: 1 }),
        }
    }
    let validation = progress.best().map(|best| Validation { hr: best.hr, ndcg: best.ndcg });
    let fitted = FittedTo {
        data: split.data.name.clone(),
        protocol: split.protocol.to_string(),
        split: split.fingerprint(),
    };
    let learnt = Learnt::of(split, settings);
    let counts = counted(run, split, &learnt)?;
    let Learnt { catalogue, actions, foresight, .. } = learnt;
    let contents = Contents {
        model: &settings.model,
        parameters: &parameters,
        table: &table,
        catalogue: &catalogue,
        counts: Some(&counts),
        actions,
        foresight,
        features: settings.features.clone(),
        stage,
        level_from: 0,
        lessons,
        from: None,
        fitted: Some(fitted),
        batches: 0,
        examples: 0,
        topic: None,
        offsets: BTreeMap::new(),
        metrics: Metrics { validation, ..Metrics::default() },
    };
    artifact::publish(root, contents, usize::MAX, &[]).map_err(|error| failed(run, error))
}

fn failed(run: &Run, error: hmisr_recommend::Error) -> Error {
    Error::Model { model: run.settings().model.architecture.to_string(), source: error.into() }
}
