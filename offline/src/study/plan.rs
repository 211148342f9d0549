//! Which models a study is about, and the jobs that come of it.

use std::path::Path;

use hmisr_model::Architecture;
use hmisr_recommend::artifact::Artifact;

use super::ablation::ablations;
use super::counting::Counting;
use super::job::{Job, Kind, Ranked};
use crate::error::Error;
use crate::fit::FitSettings;
use crate::split::Split;

/// A model that a study fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// It counts.
    Counting(Counting),
    /// It is a network.
    Network(Architecture),
}

impl Subject {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counting(counting) => counting.name(),
            Self::Network(architecture) => architecture.name(),
        }
    }
}

/// What a study is about.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The models that it fits, each once.
    pub subjects: Vec<Subject>,
    /// Published versions that are asked as they are.
    pub published: Vec<Artifact>,
    /// Seeds of what is random in a model; each is fitted anew. One at least.
    pub seeds: &'a [u64],
    /// Where fits and answers lie, `runs/DATA-PROTOCOL/MODEL/seed-N`. None: answers are not stored, and no network
    /// can be fitted.
    pub runs: Option<&'a Path>,
    /// Whether each network is also asked with counts weighed beside its scores, as NAME+counts.
    pub with_counts: bool,
    /// Whether HMISR is fitted with each part and each loss switched off in turn, and whole.
    pub ablate: bool,
}

impl Plan<'_> {
    /// The jobs, all seeds of a model one after the other; `settings` are those of a network's fit with a seed.
    ///
    /// # Errors
    /// [`Error::Setting`] where a network has no folder, and those of `settings`.
    pub fn jobs<E: From<Error>>(
        self,
        split: &Split,
        settings: impl Fn(Architecture, u64) -> Result<FitSettings, E>,
    ) -> Result<Vec<Job>, E> {
        let root = self.runs.map(|runs| runs.join(format!("{}-{}", split.data.name, split.protocol)));
        let place =
            |name: &str, seed: u64| root.as_ref().map(|root| root.join(name).join(format!("seed-{seed}")));
        let whole = Subject::Network(Architecture::Hmisr);
        let mut subjects = self.subjects;
        if self.ablate && !subjects.contains(&whole) {
            subjects.push(whole);
        }
        let mut jobs = Vec::new();
        for subject in subjects {
            let name = subject.name();
            // What is not random is counted once.
            let seeds = match subject {
                Subject::Counting(counting) if !counting.is_random() => &self.seeds[..1],
                _ => self.seeds,
            };
            for &seed in seeds {
                let folder = place(name, seed);
                let kind = match (subject, &folder) {
                    (Subject::Counting(counting), _) => Kind::Counting(counting),
                    (Subject::Network(architecture), Some(run)) => Kind::Network {
                        settings: settings(architecture, seed)?.into(),
                        run: run.clone(),
                        ranked: Ranked::AsServed,
                    },
                    (Subject::Network(_), None) => return Err(without_folder(name).into()),
                };
                jobs.push(Job::new(name, seed, folder, kind));
            }
            if let (Subject::Network(architecture), true) = (subject, self.with_counts) {
                let name = format!("{name}+counts");
                for &seed in self.seeds {
                    let run = place(architecture.name(), seed).ok_or_else(|| without_folder(&name))?;
                    let (settings, ranked) = (settings(architecture, seed)?.into(), Ranked::BesideCounts);
                    // In the run, so that answers go with the weights that gave them.
                    let folder = run.join("with-counts");
                    jobs.push(Job::new(&name, seed, Some(folder), Kind::Network { settings, run, ranked }));
                }
            }
        }
        jobs.extend(self.published.into_iter().map(|artifact| Job::published(artifact, split)));
        let seeds = if self.ablate { self.seeds } else { &[] };
        for &seed in seeds {
            let whole = settings(Architecture::Hmisr, seed)?;
            for ablation in ablations(&whole) {
                let folder = place(&ablation.name, seed);
                // What is only asked otherwise has the weights of the whole.
                let run = match ablation.settings {
                    Some(_) => folder.clone(),
                    None => place(Architecture::Hmisr.name(), seed),
                };
                let Some(run) = run else { return Err(without_folder(&ablation.name).into()) };
                let ranked = if ablation.settings.is_some() { Ranked::AsServed } else { Ranked::ByScore };
                let settings = ablation.settings.unwrap_or_else(|| whole.clone()).into();
                jobs.push(Job::new(&ablation.name, seed, folder, Kind::Network { settings, run, ranked }));
            }
        }
        Ok(jobs)
    }
}

fn without_folder(name: &str) -> Error {
    Error::Setting {
        field: "runs",
        value: "none".to_owned(),
        expected: format!("expected a folder: {name} is a network, which is fitted in one"),
    }
}
