//! A model's answers to every set of cases, stored beside its weights.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use hmisr_offline::measures::LIST;
use hmisr_offline::{Answers, Case, CaseSet, EvaluateOptions, PerCase, Scorer, Split, evaluate};

use crate::failure::Failure;
use crate::terminal;

/// Which cases a model is asked about.
#[derive(Debug, Args)]
pub struct CaseOptions {
    /// Of all events after the threshold (o2) ask for this many, evenly spaced; 0: for none.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub successive_cases: usize,
    /// Ask again even where answers are stored, such as after a change of the program.
    #[arg(long)]
    pub ask_again: bool,
}

/// A model that is ready to answer.
pub struct Built<'a> {
    /// It.
    pub scorer: Box<dyn Scorer + 'a>,
    /// Wall time of its fit.
    pub fit_seconds: f64,
    /// Its trainable weights.
    pub parameters: Option<usize>,
}

/// What one model with one seed is asked.
pub struct Questions<'a> {
    /// About which data.
    pub split: &'a Split,
    /// The model's name in reports.
    pub name: &'a str,
    /// Its seed.
    pub seed: u64,
    /// Where its answers are stored; none: they are not.
    pub folder: Option<&'a Path>,
    /// Which cases.
    pub options: &'a CaseOptions,
    /// Whether to end after the set of cases that is under way.
    pub stop: &'a AtomicBool,
}

impl<'a> Questions<'a> {
    /// The answers: those that are stored, and new ones for the rest, for which `build` gives the
    /// model. None where it was asked to stop.
    pub fn answers(
        &self,
        build: impl FnOnce() -> Result<Built<'a>, Failure>,
    ) -> Result<Option<Vec<Answers>>, Failure> {
        let (mut build, mut built) = (Some(build), None);
        let fingerprint = self.split.fingerprint();
        let mut all = Vec::new();
        for set in CaseSet::ALL {
            let cases = self.cases(set);
            if cases.is_empty() {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let path = self.folder.map(|folder| folder.join(format!("answers-{}.safetensors", set.as_str())));
            let found = path.as_deref().map(|path| self.found(path, &fingerprint, &cases)).transpose()?;
            if let Some(found) = found.flatten() {
                all.push(found);
                continue;
            }
            if let Some(build) = build.take() {
                built = Some(build()?);
            }
            let Some(model) = &mut built else { continue };
            let answers = Answers {
                set,
                seed: self.seed,
                split: fingerprint.clone(),
                fit_seconds: model.fit_seconds,
                parameters: model.parameters,
                per_case: self.ask(set, &cases, model.scorer.as_mut())?,
            };
            if let Some(path) = path {
                let folder = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(|error| {
                    Failure::user(format!("{}: cannot be made ({error})", folder.display()))
                })?;
                answers.save(&path)?;
            }
            all.push(answers);
        }
        Ok(Some(all))
    }

    fn cases(&self, set: CaseSet) -> Vec<Case> {
        let cases = self.split.cases(set);
        let most = if set == CaseSet::Successive { self.options.successive_cases } else { cases.len() };
        if most == 0 {
            return Vec::new();
        }
        cases.iter().step_by(cases.len().div_ceil(most).max(1)).copied().collect()
    }

    /// Stored answers of this model to just these questions.
    fn found(&self, path: &Path, fingerprint: &str, cases: &[Case]) -> Result<Option<Answers>, Failure> {
        if self.options.ask_again || !path.exists() {
            return Ok(None);
        }
        let found = Answers::load(path)?;
        let same = found.split == fingerprint
            && (found.per_case.model.as_str(), found.seed) == (self.name, self.seed)
            && found.per_case.results.iter().map(|result| result.case).eq(cases.iter().copied());
        Ok(same.then_some(found))
    }

    fn ask(&self, set: CaseSet, cases: &[Case], model: &mut dyn Scorer) -> Result<PerCase, Failure> {
        // What is re-ranked needs more candidates than a list has.
        let depth = if set == CaseSet::Successive { LIST } else { EvaluateOptions::default().depth };
        let options = EvaluateOptions { depth, ..Default::default() };
        let bar = terminal::bar(cases.len(), "{msg} {wide_bar} {human_pos}/{human_len} cases, {eta} left");
        bar.set_message(format!("{}, seed {}, {}", self.name, self.seed, set.as_str()));
        let asked = evaluate(self.split, cases, model, options, |done, _| bar.set_position(done as u64));
        bar.finish_and_clear();
        Ok(PerCase { model: self.name.to_owned(), ..asked? })
    }
}

/// All answers in a folder and below it with the folders that they lie in, in the order of the paths.
pub fn stored(folder: &Path) -> Result<Vec<(PathBuf, Answers)>, Failure> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    if found.is_empty() {
        return Err(Failure::user(format!(
            "--answers {}: no answers-*.safetensors in it; name a folder of hmisr fit or of --runs",
            folder.display()
        )));
    }
    found
        .into_iter()
        .map(|path| Ok((path.parent().map(Path::to_owned).unwrap_or_default(), Answers::load(&path)?)))
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let listing = |error| Failure::user(format!("--answers {}: cannot be read ({error})", folder.display()));
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(listing)?.collect();
    let mut paths: Vec<PathBuf> = entries.map_err(listing)?.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            collect(&path, found)?;
        } else if name.starts_with("answers-") && name.ends_with(".safetensors") {
            found.push(path);
        }
    }
    Ok(())
}
