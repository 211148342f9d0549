//! All that learning changes.

use hmisr_model::backend::{self, Inner};
use hmisr_model::hmisr::Stage;
use hmisr_model::{Kind, Network, Parameters, Table, Weights};
use hmisr_recommend::artifact::{FittedTo, Lesson};
use hmisr_recommend::counts::{Counts, REACH};
use hmisr_recommend::{Actions, CHOICES, Catalogue, Foresight, Inputs, begins_session, variety};
use hmisr_stream::contract::TrainingExample;

use crate::Result;
use crate::batch::Events;
use crate::lesson::FirstLesson;
use crate::prequential::Prequential;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::waiting::{Waiting, Waits};

/// All that learning changes: what a version holds, and nothing else.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) actions: Actions,
    /// Of how various the users' next choices are.
    pub(crate) foresight: Foresight,
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
    /// Optimizer steps when the second level began.
    pub(crate) level_from: u64,
    /// The version that training was told to go on from.
    pub(crate) from: Option<u64>,
    pub(crate) fitted: Option<FittedTo>,
}

impl State {
    /// Counts a choice of `target` after `history`.
    pub(crate) fn count(&mut self, history: &Events, target: u32, max_bytes: usize) {
        self.catalogue.count(target);
        let Some(counts) = &mut self.counts else { return };
        let before: Vec<u32> = self.actions.chosen(&history.rows, &history.kinds).take(REACH).collect();
        counts.count(target, &before, self.catalogue.len(), max_bytes);
    }

    /// Learns how various a user's choices have been since an example that waited for it, and lets this one wait
    /// where none does any more and a session begins. `target` is its row, `history` what came before. Whether there
    /// was a label.
    pub(crate) fn foresee(&mut self, example: &TrainingExample, history: &Events, target: u32) -> bool {
        let Self { actions, catalogue, foresight, waiting, .. } = self;
        let kind = |at: usize| match history.kinds.get(at) {
            Some(kind) => *kind,
            None => Kind::new(actions.number(&example.action), Some(example.weight)),
        };
        // The user's events with this one, and the position of the first.
        let (count, position) = (history.len() + 1, example.position.max(history.len() as u64));
        let begin = position - history.len() as u64;
        let row = |at: usize| history.rows.get(at).copied().unwrap_or(target);
        let is_chosen = |at: &usize| actions.is_choice(kind(*at));
        if let Some(Waits { position: since, before }) = waiting.of(&example.user)
            && (begin..position).contains(&since)
        {
            let chosen = ((since - begin) as usize..count).filter(is_chosen).map(row);
            let chosen: Vec<u32> = chosen.take(CHOICES).collect();
            if chosen.len() < CHOICES {
                return false;
            }
            foresight.learn(&before, variety(catalogue, &chosen));
            // A choice is of one label alone.
            waiting.forget(&example.user);
            return true;
        }
        self.wait(example, history, position);
        false
    }

    /// Lets an example that begins a session wait for what its user chooses from then on.
    fn wait(&mut self, example: &TrainingExample, history: &Events, position: u64) {
        if !history.times.last().is_some_and(|last| begins_session(*last, example.ts)) {
            return self.waiting.forget(&example.user);
        }
        let chosen = self.actions.chosen(&history.rows, &history.kinds);
        let chosen: Vec<u32> = chosen.take(CHOICES).collect();
        let before = Inputs::of(&self.catalogue, &chosen, &example.features);
        self.waiting.keep(&example.user, Waits { position, before });
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
            foresight: Foresight::default(),
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
                level_from: 0,
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
