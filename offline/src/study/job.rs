//! A model with a seed: fitted where it is not fitted, and asked what is not answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hmisr_model::backend;
use hmisr_recommend::artifact::Artifact;

use super::Study;
use super::counting::Counting;
use super::questions::{Built, Questions};
use super::watcher::Watcher;
use crate::error::{Error, Result};
use crate::evaluate::Answers;
use crate::fit::{FitSettings, Neural, Outcome, Run, fit};
use crate::rank::{Counts, Scorer};
use crate::split::Split;

/// A model with a seed.
#[derive(Debug)]
pub struct Job {
    name: String,
    seed: u64,
    /// Where its answers lie; none: they are not stored.
    folder: Option<PathBuf>,
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Counting(Counting),
    /// A version of a folder.
    Published(Box<Artifact>),
    Network {
        settings: Box<FitSettings>,
        run: PathBuf,
        ranked: Ranked,
    },
}

/// How a network's run ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranked {
    /// As a server does.
    AsServed,
    /// By the joint score of its vectors, without HMISR's aggregation.
    ByScore,
    /// By that score and counts, weighed together.
    BesideCounts,
}

impl Job {
    pub(super) fn new(name: &str, seed: u64, folder: Option<PathBuf>, kind: Kind) -> Self {
        Self { name: name.to_owned(), seed, folder, kind }
    }

    /// A version, with a word where it may have seen what it is asked about.
    pub(super) fn published(artifact: Artifact, split: &Split) -> Self {
        let manifest = artifact.manifest();
        let name = format!("{}@{}", manifest.model.architecture, manifest.version);
        match &manifest.fitted {
            _ if manifest.topic.is_some() => tracing::warn!(
                "{name} learnt from {} examples of a stream, which may hold the events that it is asked for: its figures are \
                 no measure of foresight where they do",
                manifest.examples
            ),
            Some(fitted) if fitted.split != split.fingerprint() => tracing::warn!(
                "{name} was fitted to {} by {}, cut otherwise than here: it may have seen the events that it is asked for",
                fitted.data,
                fitted.protocol
            ),
            _ => {}
        }
        let seed = manifest.model.seed;
        Self { name, seed, folder: None, kind: Kind::Published(artifact.into()) }
    }

    /// The model's name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The folder of its fit, where it was fitted.
    pub(super) fn run(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Network { run, ranked: Ranked::AsServed, .. } => Some(run),
            _ => None,
        }
    }

    /// Fits it where it is not fitted, and asks what is not answered. None where it was asked to stop.
    pub(super) fn answers(
        &self,
        study: &Study<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<Vec<Answers>>> {
        let Self { name, seed, folder, kind } = self;
        let Study { split, options, stop } = *study;
        let questions = Questions { split, name, seed: *seed, folder: folder.as_deref(), options, stop };
        match kind {
            Kind::Counting(counting) => questions.answers(watcher, || Ok(counting.fit(*seed, split))),
            Kind::Published(artifact) => questions.answers(watcher, || Built::of_version(artifact, split)),
            Kind::Network { settings, run, ranked } => {
                let run = Run::open(run, settings, split)?;
                match train(&run, split, name, stop, watcher)? {
                    Outcome::Stopped => Ok(None),
                    Outcome::Done => questions.answers(watcher, || Built::of_run(&run, split, *ranked)),
                }
            }
        }
    }
}

/// Fits a network in its folder, or goes on where it was stopped.
///
/// # Errors
/// As [`fit`], and [`Error::Backend`].
pub fn train(
    run: &Run,
    split: &Split,
    name: &str,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Outcome> {
    let progress = run.progress()?;
    if progress.done {
        return Ok(Outcome::Done);
    }
    let device = backend::device().map_err(Error::Backend)?;
    watcher.fit_begins(name, run, &progress);
    let outcome = fit(run, split, &device, stop, &mut *watcher);
    watcher.fit_ends();
    outcome
}

impl<'a> Built<'a> {
    /// The best weights of a run.
    ///
    /// # Errors
    /// [`Error::Input`] where the run has none or they are not whole, and [`Error::Backend`].
    pub fn of_run(run: &Run, split: &'a Split, ranked: Ranked) -> Result<Self> {
        let neural = Neural::load(run, split, backend::device().map_err(Error::Backend)?)?;
        let parameters = neural.parameters();
        let mut sources = BTreeMap::new();
        let scorer: Box<dyn Scorer + 'a> = match ranked {
            Ranked::AsServed => Box::new(neural),
            Ranked::ByScore => Box::new(neural.without_aggregation()),
            Ranked::BesideCounts => {
                let counts = Counts::beside(split, Box::new(neural.without_aggregation()))?;
                sources.extend(counts.weights());
                Box::new(counts)
            }
        };
        let parameters = Some(parameters + sources.len());
        Ok(Self { parameters, fit_seconds: run.progress()?.seconds, sources, scorer })
    }

    /// A version, ready to be asked.
    ///
    /// # Errors
    /// As [`Neural::published`].
    fn of_version(artifact: &Artifact, split: &'a Split) -> Result<Self> {
        let neural = Neural::published(artifact, split)?;
        let known = neural.known_items();
        if known < 1.0 {
            let name = neural.name();
            tracing::warn!(
                "{name} knows {:.1} % of the items; it never recommends the others",
                100.0 * known
            );
        }
        let sources = artifact.manifest().sources.iter();
        Ok(Self {
            fit_seconds: 0.0,
            parameters: Some(neural.parameters() + sources.len()),
            sources: sources.map(|(source, weight)| (source.clone(), *weight as f32)).collect(),
            scorer: Box::new(neural),
        })
    }
}
