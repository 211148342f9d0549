//! All that learning changes.

use hmisr_model::backend::{self, Inner};
use hmisr_model::hmisr::Stage;
use hmisr_model::{Network, Parameters, Table, Weights};
use hmisr_recommend::artifact::{FittedTo, Lesson};
use hmisr_recommend::counts::{Counts, REACH};
use hmisr_recommend::{Actions, Catalogue, Standard};

use crate::Result;
use crate::batch::Events;
use crate::lesson::FirstLesson;
use crate::prequential::Prequential;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::waiting::Waiting;

/// All that learning changes: what a version holds, and nothing else.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) actions: Actions,
    /// Of the users' habits.
    pub(crate) standard: Standard,
    /// Of the examples.
    pub(crate) weights: Weights,
    /// What is counted beside the network; none where nothing is.
    pub(crate) counts: Option<Counts>,
    pub(crate) table: Table,
    pub(crate) parameters: Parameters,
    pub(crate) seen: Seen,
    pub(crate) waiting: Waiting,
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
    /// Steps since then in which no label was known.
    pub(crate) diversity_idle: u64,
    /// The version that training was told to go on from.
    pub(crate) from: Option<u64>,
    pub(crate) fitted: Option<FittedTo>,
}

impl Lineage {
    /// Of so many optimizer steps those in which the DiversityScore learnt.
    pub(crate) fn diversity_steps(&self, step: u64) -> u64 {
        step.saturating_sub(self.diversity_from).saturating_sub(self.diversity_idle)
    }
}

impl State {
    /// Counts a choice of `target` after `history`.
    pub(crate) fn count(&mut self, history: &Events, target: u32, max_bytes: usize) {
        self.catalogue.count(target);
        let Some(counts) = &mut self.counts else { return };
        let newest = history.rows.iter().zip(&history.kinds).rev();
        let chosen = newest.filter(|(_, kind)| self.actions.is_choice(**kind)).map(|(row, _)| *row);
        let before: Vec<u32> = chosen.take(REACH).collect();
        counts.count(target, &before, self.catalogue.len(), max_bytes);
    }

    /// The state before the first example.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`](crate::ErrorKind::Backend) where the machine lacks what the backend needs.
    pub(crate) fn fresh(settings: &Settings) -> Result<Self> {
        let model = &settings.model;
        Ok(Self {
            catalogue: Catalogue::default(),
            actions: Actions::default(),
            standard: Standard::default(),
            weights: Weights::default(),
            counts: settings.counts(),
            table: Table::new(model.width, model.seed),
            parameters: Network::<Inner>::fresh(model, &backend::device()?),
            seen: Seen::default(),
            waiting: Waiting::default(),
            prequential: Prequential::default(),
            lineage: Lineage {
                stage: Stage::All,
                lessons: Vec::new(),
                diversity_from: 0,
                diversity_idle: 0,
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
