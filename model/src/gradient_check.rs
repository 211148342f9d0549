//! Gradients of every network against central differences of the loss that the learner reports.

use std::sync::LazyLock;

use crate::architecture::Architecture;
use crate::backend::{self, Inner};
use crate::baselines::ROUTING;
use crate::histories::{Histories, Reading};
use crate::hmisr::{EncoderKind, Habits, LossWeights, Plan, Samples, Stage};
use crate::kind::Kind;
use crate::learner::{Gradients, Learner, Targets};
use crate::network::Network;
use crate::parameters::{Builder, Parameters};
use crate::random::SplitMix;
use crate::settings::ModelSettings;
use crate::stop::held;
use crate::table::Table;

const ITEMS: usize = 12;
/// How far the weights move to either side, in their own norm. The shorter ones are for a place where
/// the first crosses a kink or a jump (a rectifier, a membership, the best interest).
const STEPS: [f32; 3] = [4e-3, 1e-3, 2.5e-4];

const HOUR: i64 = 3_600_000;
/// Item rows, and their times.
const HISTORIES: [(&[u32], &[i64]); 3] = [
    (&[1, 4, 2, 4, 7, 3], &[0, HOUR, HOUR + 5_000, 30 * HOUR, 31 * HOUR, 200 * HOUR]),
    (&[5, 1, 0, 11], &[0, 60_000, 120_000, 90 * HOUR]),
    (&[9, 10, 9, 8, 6], &[0, 0, 9 * HOUR, 9 * HOUR + 1_000, 10 * HOUR]),
];

/// Their kinds, as many as the longest has.
static KINDS: LazyLock<[Kind; 6]> = LazyLock::new(|| {
    let weights = [None, Some(-1.0), Some(4.5), Some(0.5), None, Some(1.0)];
    std::array::from_fn(|at| Kind::new(at % 4, weights[at]))
});

/// A model, and a pass over it.
struct Case {
    name: String,
    settings: ModelSettings,
    parameters: Parameters,
    table: Table,
    histories: Histories,
    targets: Targets,
    plan: Plan,
    samples: Option<Samples>,
    /// Negatives that the next item's loss samples; 0: it is over the whole catalogue.
    negatives: usize,
}

fn settings(architecture: Architecture) -> ModelSettings {
    ModelSettings {
        architecture,
        width: 8,
        heads: 2,
        layers: 1,
        feed_forward: 12,
        max_len: 6,
        interests: 3,
        dropout: 0.1,
        ..ModelSettings::default()
    }
}

impl Case {
    fn new(architecture: Architecture, stage: Option<Stage>) -> Self {
        Self::of(settings(architecture), stage)
    }

    fn of(settings: ModelSettings, stage: Option<Stage>) -> Self {
        let device = backend::device().unwrap();
        let mut parameters =
            Parameters::fresh::<Inner, _>(1, &device, |builder| Network::build(builder, &settings));
        // Off their neutral beginning, so that every part has a say.
        let mut random = SplitMix::new(2);
        for parameter in &mut parameters.list {
            parameter.weights.iter_mut().for_each(|weight| *weight += random.symmetric(0.2));
        }
        let weights: Vec<f32> = (0..ITEMS * settings.width).map(|_| random.symmetric(0.5)).collect();
        let table = table(&weights, settings.width);
        let readings = HISTORIES
            .map(|(rows, times)| Reading { kinds: &KINDS[..], ..Reading::new(rows, times, rows.len()) });
        let histories = Histories::remembering(&readings, 0, |_| &[]);
        let targets = Targets {
            positions: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 16],
            rows: vec![4, 2, 4, 7, 3, 8, 1, 0, 11, 2, 10, 8, 5],
            weights: vec![1.0, 0.5, 2.0, 1.0, 1.0, 0.0, 1.5, 1.0, 1.0, 0.3, 1.0, 1.0, 1.2],
        };
        let plan = match stage {
            Some(stage) => Plan::new(stage, 5, &LossWeights { balance: 0.3, ..LossWeights::default() }),
            None => Plan::next_item(),
        };
        let habits = Habits { entropy: 0.4, tail: 0.3, switching: 0.6, recent: 0.5, score: Some(0.7) };
        let samples = stage.map(|_| Samples {
            // The second is none of the targets' positions.
            positions: vec![4, 13, 16],
            targets: vec![3, 11, 3],
            negatives: vec![0, 5, 6, 11, 2],
            items: ITEMS,
            habits: vec![habits; 3],
            back: 2,
            seed: 9,
        });
        let name = format!("{} {:?} {stage:?}", settings.architecture, settings.hmisr.encoder);
        Self { name, settings, parameters, table, histories, targets, plan, samples, negatives: 0 }
    }

    /// The same where the first two of each history's events are remembered as one token.
    fn remembering(architecture: Architecture, stage: Option<Stage>) -> Self {
        let mut case = Self::new(architecture, stage);
        case.settings.memory = 1;
        case.name = format!("{} with a memory", case.name);
        let device = backend::device().unwrap();
        let build = |builder: &mut Builder<'_, Inner>| Network::build(builder, &case.settings);
        let fresh = Parameters::fresh::<Inner, _>(1, &device, build);
        let known: Vec<_> = case.parameters.list.drain(..).collect();
        case.parameters.list = fresh.list;
        for parameter in &mut case.parameters.list {
            if let Some(known) = known.iter().find(|known| known.name == parameter.name) {
                parameter.weights.clone_from(&known.weights);
            }
        }
        let readings = HISTORIES.map(|(rows, times)| Reading::new(rows, times, rows.len() - 2));
        case.histories = Histories::remembering(&readings, 1, |row| case.table.weights(row));
        // A token and four, two and three events; five are as many as the longest history has.
        case.targets = Targets::new(vec![1, 2, 4, 6, 7, 12, 13], vec![4, 7, 8, 11, 3, 8, 6]);
        if let Some(samples) = &mut case.samples {
            samples.positions = vec![3, 7, 13];
        }
        case
    }

    /// The pass's gradients, and its loss with all auxiliary losses.
    fn pass(&self) -> (Gradients, f64) {
        let device = backend::device().unwrap();
        let learner = Learner::<Inner> {
            settings: &self.settings,
            parameters: &self.parameters,
            table: &self.table,
            catalogue: (self.negatives == 0).then(|| self.table.tensor(&device)),
            negatives: self.negatives,
            logits_bytes: 1 << 20,
            device: &device,
            seed: 3,
        };
        let mut gradients = Gradients::new(&self.parameters, &self.table, self.negatives == 0);
        learner
            .pass(&self.histories, &self.targets, &self.plan, self.samples.clone(), &mut gradients, None)
            .unwrap();
        let auxiliary: f64 =
            gradients.auxiliary.iter().map(|(name, sum)| f64::from(self.weight(name)) * sum).sum();
        let loss = gradients.loss + auxiliary;
        (gradients, loss)
    }

    fn weight(&self, name: &str) -> f32 {
        let weights = &self.plan.weights;
        match name {
            "reconstruction" => weights.reconstruction,
            "soft_orthogonality" => weights.soft_orthogonality,
            "balance" => weights.balance,
            "contrast" => weights.contrast,
            "consistency" => weights.consistency,
            "stability" => weights.stability,
            "ranking" => weights.ranking,
            "routing" => ROUTING,
            _ => panic!("unknown loss {name}"),
        }
    }

    /// The loss's slope where `place`'s weights move along `direction`, a unit vector.
    fn slope(&mut self, place: Place, direction: &[f32], step: f32) -> f32 {
        let original = self.weights(place);
        let mut at = |step: f32| {
            let moved = original.iter().zip(direction).map(|(weight, along)| weight + step * along).collect();
            self.set(place, moved);
            held::play();
            self.pass().1
        };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        self.set(place, original);
        slope as f32
    }

    fn weights(&self, place: Place) -> Vec<f32> {
        match place {
            Place::Parameter(nth) => self.parameters.list[nth].weights.clone(),
            Place::Table => self.table.gather(0..ITEMS as u32),
        }
    }

    fn set(&mut self, place: Place, weights: Vec<f32>) {
        match place {
            Place::Parameter(nth) => self.parameters.list[nth].weights = weights,
            Place::Table => self.table = table(&weights, self.settings.width),
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Parameter(usize),
    Table,
}

fn table(weights: &[f32], width: usize) -> Table {
    let zeros = vec![0.0; weights.len()];
    Table::from_parts(width, 1, weights, &zeros, &zeros, vec![0; weights.len() / width]).unwrap()
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// Along each parameter's own gradient, where a wrong factor shows most, and along random
/// directions, where a missing or a crooked part does.
fn check(mut case: Case) {
    held::record();
    let (gradients, _) = case.pass();
    let touched = gradients.table.into_rows(case.settings.width);
    let mut rows = vec![0.0; ITEMS * case.settings.width];
    for (row, by) in touched.rows.iter().zip(touched.gradients.chunks_exact(case.settings.width)) {
        rows[*row as usize * by.len()..][..by.len()].copy_from_slice(by);
    }
    let mut places: Vec<(String, Place, Vec<f32>)> = gradients
        .network
        .into_iter()
        .enumerate()
        .map(|(nth, by)| (case.parameters.list[nth].name.clone(), Place::Parameter(nth), by))
        .collect();
    places.push(("table".to_owned(), Place::Table, rows));
    let mut random = SplitMix::new(7);
    let mut wrong = Vec::new();
    for (name, place, gradient) in places {
        let length = norm(&gradient);
        let mut directions: Vec<Vec<f32>> =
            (0..2).map(|_| gradient.iter().map(|_| random.symmetric(1.0)).collect()).collect();
        if length > 0.0 {
            directions.push(gradient.clone());
        }
        for direction in directions {
            let scale = 1.0 / norm(&direction);
            let direction: Vec<f32> = direction.iter().map(|along| along * scale).collect();
            let expected: f32 = direction.iter().zip(&gradient).map(|(along, by)| along * by).sum();
            let found = STEPS.map(|step| case.slope(place, &direction, step));
            if found.iter().all(|found| (found - expected).abs() > 0.01 + 0.01 * length) {
                wrong.push(format!("{name}: gradient {expected}, differences {found:?}, of length {length}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", case.name, wrong.join("\n"));
}

#[test]
fn networks_without_stages_have_the_gradients_of_their_losses() {
    for architecture in Architecture::ALL.into_iter().filter(|architecture| !architecture.is_staged()) {
        check(Case::new(architecture, None));
    }
}

#[test]
fn memories_have_the_gradients_of_what_they_hold() {
    for architecture in
        Architecture::ALL.into_iter().filter(|architecture| settings(*architecture).has_memory())
    {
        check(Case::remembering(architecture, architecture.is_staged().then_some(Stage::All)));
    }
}

#[test]
fn sampled_losses_have_their_gradients() {
    for architecture in [Architecture::Sasrec, Architecture::Remi] {
        check(Case { negatives: 7, ..Case::new(architecture, None) });
    }
}

#[test]
fn networks_in_stages_have_the_gradients_of_their_losses_in_each() {
    for architecture in Architecture::ALL.into_iter().filter(|architecture| architecture.is_staged()) {
        for stage in Stage::ALL {
            check(Case::new(architecture, Some(stage)));
        }
    }
}

#[test]
fn hmisr_over_the_recurrence_has_the_gradients_of_its_losses() {
    for stage in Stage::ALL {
        let mut settings = settings(Architecture::Hmisr);
        settings.hmisr.encoder = EncoderKind::Recurrence;
        check(Case { negatives: 7, ..Case::of(settings.clone(), Some(stage)) });
        check(Case::of(settings, Some(stage)));
    }
}
