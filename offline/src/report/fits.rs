//! How networks were fitted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Report;
use crate::error::Result;
use crate::fit::{Evaluation, FitSettings, Run};

/// The fit of one network with one seed.
#[derive(Debug, Clone, Serialize)]
pub struct FitSummary {
    /// The model's name in the report.
    pub model: String,
    /// All settings.
    pub settings: FitSettings,
    /// Epochs done.
    pub epochs: usize,
    /// The epoch whose weights answer.
    pub best_epoch: usize,
    /// Steps done.
    pub steps: u64,
    /// Wall time of training and validation.
    pub seconds: f64,
    /// After each epoch.
    pub evaluations: Vec<Evaluation>,
}

impl FitSummary {
    /// Reads a run's folder; none where it holds no fit.
    ///
    /// # Errors
    /// Where a file of it is not whole.
    pub fn read(model: &str, folder: &Path) -> Result<Option<Self>> {
        let Some(run) = Run::find(folder)? else { return Ok(None) };
        let progress = run.progress()?;
        Ok(Some(Self {
            model: model.to_owned(),
            settings: run.settings().clone(),
            epochs: progress.epoch,
            best_epoch: progress.best_epoch,
            steps: progress.step,
            seconds: progress.seconds,
            evaluations: progress.evaluations,
        }))
    }

    /// Whether it is this model's with this seed.
    pub fn is_of(&self, model: &str, seed: u64) -> bool {
        (self.model.as_str(), self.settings.model.seed) == (model, seed)
    }

    /// Its settings by path, but architecture and seed, which the table shows.
    fn settings(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        flatten("", &self.settings.json(), &mut found);
        found.remove("model.architecture");
        found.remove("model.seed");
        found
    }
}

impl Report {
    /// Validation NDCG@10 by epoch, of each fitted model's first seed.
    pub fn learning(&self) -> Vec<(String, Vec<(f64, f64)>)> {
        let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for fit in &self.fits {
            if !curves.iter().any(|(name, _)| *name == fit.model) {
                let points = fit.evaluations.iter().map(|one| (one.epoch as f64, one.ndcg)).collect();
                curves.push((fit.model.clone(), points));
            }
        }
        curves
    }

    /// What was spent on every fit, and by which settings.
    pub(super) fn fits(&self, text: &mut String) {
        let Some(first) = self.fits.first() else { return };
        text.push_str(
            "\n## Fits\n\nThe epoch with the best NDCG@10 on the validation cases answers. Networks differ by \
             nothing but what is listed below the settings.\n\n\
             | model | seed | weights | epochs (of at most) | best epoch | its validation NDCG@10 | steps | seconds |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for fit in &self.fits {
            let best = fit.evaluations.iter().find(|one| one.epoch == fit.best_epoch);
            let parameters = self.models.iter().find(|model| model.name == fit.model);
            let parameters = parameters.and_then(|model| model.parameters);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} ({}) | {} | {:.4} | {} | {:.0} |",
                fit.model,
                fit.settings.model.seed,
                parameters.map_or_else(|| "–".to_owned(), |count| count.to_string()),
                fit.epochs,
                fit.settings.epochs(),
                fit.best_epoch,
                best.map_or(f64::NAN, |one| one.ndcg),
                fit.steps,
                fit.seconds,
            );
        }
        let common = first.settings();
        let list: Vec<String> = common.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let _ = writeln!(text, "\nSettings of {}:\n\n```text\n{}\n```", first.model, list.join("\n"));
        let mut told: Vec<&str> = Vec::new();
        for fit in &self.fits {
            let settings = fit.settings();
            let others = settings.iter().filter(|(path, value)| common.get(*path) != Some(value));
            let others: Vec<String> = others.map(|(path, value)| format!("`{path} = {value}`")).collect();
            if !others.is_empty() && !told.contains(&&fit.model[..]) {
                told.push(&fit.model);
                let _ = writeln!(text, "\n{} differs by {}.", fit.model, others.join(", "));
            }
        }
    }
}

fn flatten(prefix: &str, json: &Value, found: &mut BTreeMap<String, String>) {
    match json {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            flatten(&path, value, found);
        }),
        value => {
            found.insert(prefix.to_owned(), value.to_string());
        }
    }
}
