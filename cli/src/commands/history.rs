//! `--history`: the fit that a trainer goes on from, where it has nothing else to go on from.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use hmisr_features::FeatureSettings;
use hmisr_model::ModelSettings;
use hmisr_recommend::artifact::{FolderLock, latest_version};
use hmisr_trainer::Settings;

use super::experiment::pairs;
use super::fit::{FitArgs, fit};
use crate::failure::Failure;
use crate::reading::ReadingArgs;

/// The fit's run, in the folder of the snapshots.
const RUN: &str = "history";

/// What is fitted first.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Data set, or file or folder of events, to which a network is fitted first, where there is no version to
    /// go on from: as hmisr fit --data PATH --publish does with its defaults, and with trainer.model where that
    /// is set. A fit that was stopped goes on with the same command.
    #[arg(long, value_name = "PATH")]
    pub history: Option<PathBuf>,
}

/// What there is to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// What there was before.
    AsBefore,
    /// A fit, just published.
    Fitted,
    /// Nothing yet: the fit was asked to stop.
    Stopped,
}

impl HistoryArgs {
    /// Fits what is named and publishes it into the trainer's folder, unless a version is there.
    pub fn begin(
        &self,
        reading: &ReadingArgs,
        trainer: &Settings,
        stop: &AtomicBool,
    ) -> Result<Begun, Failure> {
        let Some(history) = &self.history else { return Ok(Begun::AsBefore) };
        let (shown, snapshots) = (history.display(), &trainer.folder);
        // Before a fit that may take hours: nobody else is to publish here meanwhile.
        let lock = FolderLock::take(snapshots)?;
        if let Some(version) = latest_version(snapshots)? {
            tracing::info!(
                "--history {shown} is left alone: version {version} is in {} to go on from",
                snapshots.display()
            );
            return Ok(Begun::AsBefore);
        }
        let mut args = FitArgs::of(history, &snapshots.join(RUN))?;
        args.data.reading = reading.clone();
        (args.model, args.seed) = (trainer.model.architecture, trainer.model.seed);
        args.publish = Some(snapshots.clone());
        args.no_eval = true;
        let set = [network(&trainer.model), features(&trainer.features)].concat();
        let ended = fit(&args, &set, Some(&lock), stop)?;
        let Some(version) = ended.published else {
            tracing::info!("the fit to {shown} was stopped; the same command goes on from there");
            return Ok(Begun::Stopped);
        };
        tracing::info!("fitted to {shown}, published as version {version}: the trainer goes on from it");
        Ok(Begun::Fitted)
    }
}

/// What a fit is told of its network: nothing where the trainer takes the version's own.
fn network(model: &ModelSettings) -> Vec<String> {
    let ModelSettings { dropout, seed, .. } = *model;
    let is_unset = *model == ModelSettings { dropout, seed, ..Settings::default().model };
    if is_unset { Vec::new() } else { pairs(model) }
}

/// The job's own: what the stream tells of users must be what the fit was told.
fn features(features: &FeatureSettings) -> Vec<String> {
    let fields = serde_json::to_value(features).unwrap_or_default();
    let pair = |(name, value): (&String, &serde_json::Value)| format!("features.{name}={value}");
    fields.as_object().into_iter().flatten().map(pair).collect()
}
