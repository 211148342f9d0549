//! Reports: figures as JSON, tables as Markdown, curves as SVG.

mod assemble;
mod figures;
mod fits;
mod markdown;
mod plot;

use std::collections::BTreeMap;

use hmisr_datasets::Summary;
use serde::{Serialize, Serializer};

use crate::data::Notes;
use crate::measures::{Adaptation, Curve, RelatedSimilarity, UserTable, paired};
use crate::split::{Case, Protocol, Split};

pub use assemble::{AssembleOptions, LAMBDAS, assemble};
pub use figures::{Figures, Measured, Measures};
pub use fits::FitSummary;
pub use plot::{learning_curves, pareto_curves};

/// The seed of every bootstrap, so that all models meet the same resamples.
const BOOTSTRAP_SEED: u64 = 1;

/// What an experiment found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The command that makes it again.
    pub command: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The data.
    pub data: DataSummary,
    /// The models, in the order of the tables; in JSON an object with their names as keys.
    #[serde(serialize_with = "by_name")]
    pub models: Vec<ModelReport>,
    /// How its networks were fitted.
    pub fits: Vec<FitSummary>,
}

/// The data of a report.
#[derive(Debug, Clone, Serialize)]
pub struct DataSummary {
    /// Its name.
    pub name: String,
    /// Users after filters.
    pub users: usize,
    /// Items after filters: the catalogue.
    pub items: usize,
    /// Events after filters.
    pub events: usize,
    /// Categories.
    pub categories: usize,
    /// Events of the training part.
    pub train_events: usize,
    /// Validation cases.
    pub validation_cases: usize,
    /// Test cases.
    pub test_cases: usize,
    /// Successive test cases.
    pub successive_cases: usize,
    /// Cases of diversity adaptation.
    pub adaptation_cases: usize,
    /// Share of the test cases whose item is not in the training part.
    pub cold_share: f64,
    /// The same of the successive cases.
    pub successive_cold_share: f64,
    /// Users with a test event but no history before it.
    pub without_history: usize,
    /// Whether items of the history are no candidates.
    pub filter_seen: bool,
    /// Beginnings of validation and test, in epoch milliseconds.
    pub thresholds_ms: Option<[i64; 2]>,
    /// What was found in the files.
    pub notes: Notes,
    /// How the files were understood, and which of their rows are no events.
    pub reading: Summary,
}

impl DataSummary {
    /// Of a split.
    pub fn new(split: &Split) -> Self {
        let cold = |cases: &[Case]| split.cold_share(cases);
        Self {
            name: split.data.name.clone(),
            users: split.data.users.len(),
            items: split.data.items.len(),
            events: split.data.len(),
            categories: split.data.categories.len(),
            train_events: split.training().map(|(_, events)| events.len()).sum(),
            validation_cases: split.validation.len(),
            test_cases: split.test.len(),
            successive_cases: split.successive.len(),
            adaptation_cases: split.adaptation.len(),
            cold_share: cold(&split.test),
            successive_cold_share: cold(&split.successive),
            without_history: split.without_history,
            filter_seen: split.filter_seen,
            thresholds_ms: split.thresholds_ms,
            notes: split.data.notes,
            reading: split.data.reading.clone(),
        }
    }
}

/// One model of a report.
#[derive(Debug, Clone, Serialize)]
pub struct ModelReport {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// On the test cases; in JSON its figures stand directly in the model's object.
    #[serde(flatten)]
    pub test: Measured,
    /// On the successive cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successive: Option<Measured>,
    /// Diversity adaptation, of the first seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<Adaptation>,
    /// Similarity of related and of distinct interests, of the first seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<RelatedSimilarity>,
    /// Accuracy against diversity, re-ranked in each way, of the first seed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pareto: Vec<Curve>,
    /// λ by seed where the model is re-ranked, or what multiplies its diversity score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<BTreeMap<u64, f32>>,
    /// Trainable parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<usize>,
    /// What its sources weigh, of the first seed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, f32>,
    /// Wall time of fitting, mean over seeds.
    pub fit_seconds: f64,
}

fn by_name<S: Serializer>(models: &[ModelReport], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(models.iter().map(|model| (&model.name, model)))
}

/// A model against a reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Compared {
    /// The mean difference, its interval and p-value.
    #[serde(flatten)]
    pub paired: crate::measures::Paired,
    /// The difference over the reference's mean.
    pub relative: f64,
}

/// Compares one measure of two models by the paired bootstrap; none where the measure or the cases
/// differ.
pub fn compare(model: &UserTable, reference: &UserTable, measure: &str) -> Option<Compared> {
    let column = model.column(measure)?;
    let paired = paired(model, reference, column, BOOTSTRAP_SEED)?;
    Some(Compared { paired, relative: paired.difference / reference.mean(column) })
}
