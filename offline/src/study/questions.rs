//! A model's answers to every set of cases, stored beside its weights.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::watcher::Watcher;
use crate::error::{Error, Result};
use crate::evaluate::{Answers, EvaluateOptions, PerCase, evaluate};
use crate::measures::LIST;
use crate::rank::Scorer;
use crate::split::{Case, CaseSet, Split};

/// Which cases a model is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskOptions {
    /// Of the successive cases this many at most, evenly spaced; 0: none.
    pub successive_cases: usize,
    /// Whether to ask again what is answered already, such as after a change of the program.
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
    /// What its sources weigh, where it is a sum of some.
    pub sources: BTreeMap<String, f32>,
}

/// What one model with one seed is asked.
#[derive(Debug)]
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
    pub options: AskOptions,
    /// Whether to end after the set of cases that is under way.
    pub stop: &'a AtomicBool,
}

impl<'a> Questions<'a> {
    /// The answers: those that are stored, and new ones for the rest, for which `build` gives the
    /// model. None where it was asked to stop.
    ///
    /// # Errors
    /// The model's, those of `build`, and where answers can be neither read nor stored.
    pub fn answers(
        &self,
        watcher: &mut dyn Watcher,
        build: impl FnOnce() -> Result<Built<'a>>,
    ) -> Result<Option<Vec<Answers>>> {
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
                sources: model.sources.clone(),
                per_case: self.ask(set, &cases, model.scorer.as_mut(), watcher)?,
            };
            if let Some(path) = path {
                let folder = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).map_err(|error| {
                    Error::input(folder, format!("cannot be made ({error})"), "a folder that can be written")
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
    fn found(&self, path: &Path, fingerprint: &str, cases: &[Case]) -> Result<Option<Answers>> {
        if self.options.ask_again || !path.exists() {
            return Ok(None);
        }
        let found = Answers::load(path)?;
        let same = found.split == fingerprint
            && (found.per_case.model.as_str(), found.seed) == (self.name, self.seed)
            && found.per_case.results.iter().map(|result| result.case).eq(cases.iter().copied());
        Ok(same.then_some(found))
    }

    fn ask(
        &self,
        set: CaseSet,
        cases: &[Case],
        model: &mut dyn Scorer,
        watcher: &mut dyn Watcher,
    ) -> Result<PerCase> {
        // What is re-ranked needs more candidates than a list has.
        let depth = if set == CaseSet::Successive { LIST } else { EvaluateOptions::default().depth };
        let options = EvaluateOptions { depth, ..Default::default() };
        let mut asked = |done, cases| watcher.asked(self.name, self.seed, set, done, cases);
        asked(0, cases.len());
        let answers = evaluate(self.split, cases, model, options, asked)?;
        Ok(PerCase { model: self.name.to_owned(), ..answers })
    }
}
