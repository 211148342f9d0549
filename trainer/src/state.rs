//! All that learning changes.

use hmisr_model::backend::{self, Inner};
use hmisr_model::hmisr::Stage;
use hmisr_model::{Network, Parameters, Table};
use hmisr_recommend::Catalogue;
use hmisr_recommend::artifact::{FittedTo, Lesson};

use crate::Result;
use crate::lesson::FirstLesson;
use crate::prequential::Prequential;
use crate::seen::Seen;
use crate::settings::Settings;

/// All that learning changes: what a version holds, and nothing else.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) table: Table,
    pub(crate) parameters: Parameters,
    pub(crate) seen: Seen,
    pub(crate) prequential: Prequential,
    pub(crate) lineage: Lineage,
    /// The first lesson, while it is under way.
    pub(crate) lesson: Option<FirstLesson>,
    /// Optimizer steps when its moments began anew: the rate rises from there.
    pub(crate) warm_from: u64,
    /// Examples learnt from, once each.
    pub(crate) examples: u64,
    /// Batches learnt from.
    pub(crate) batches: u64,
}

/// Where the weights come from.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) stage: Stage,
    pub(crate) lessons: Vec<Lesson>,
    /// Optimizer steps when the DiversityScore's weights began.
    pub(crate) diversity_from: u64,
    /// The version that training was told to go on from.
    pub(crate) from: Option<u64>,
    pub(crate) fitted: Option<FittedTo>,
}

impl State {
    /// The state before the first example.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the machine lacks what the backend needs.
    pub(crate) fn fresh(settings: &Settings) -> Result<Self> {
        let model = &settings.model;
        Ok(Self {
            catalogue: Catalogue::default(),
            table: Table::new(model.width, model.seed),
            parameters: Network::<Inner>::fresh(model, &backend::device()?),
            seen: Seen::default(),
            prequential: Prequential::default(),
            lineage: Lineage {
                stage: Stage::All,
                lessons: Vec::new(),
                diversity_from: 0,
                from: None,
                fitted: None,
            },
            lesson: None,
            warm_from: 0,
            examples: 0,
            batches: 0,
        })
    }
}
