//! A network in training on generated histories.

use std::time::{Duration, Instant};

use hmisr_model::adam::Adam;
use hmisr_model::backend::{Device, Inner};
use hmisr_model::hmisr::{Habits, LossWeights, Plan, Samples, Stage};
use hmisr_model::random::SplitMix;
use hmisr_model::{
    Gradients, Histories, Learner, ModelSettings, Network, Parameters, PassTimes, Table, TableGradients,
    Targets,
};

use super::args::{BenchTrainArgs, Positions};
use crate::failure::Failure;

/// Batches that take turns, so that none is made while time is taken.
const BATCHES: usize = 4;
const LEARNING_RATE: f32 = 1e-3;
/// Largest block of logits: as the fits' on a CPU; a GPU has memory for a step's.
const LOGITS_BYTES: usize = if cfg!(feature = "cuda") { 1 << 30 } else { 16 << 20 };

struct Batch {
    histories: Vec<(Vec<u32>, Vec<i64>)>,
    targets: Targets,
    samples: Option<Samples>,
}

pub struct Trainee {
    settings: ModelSettings,
    parameters: Parameters,
    table: Table,
    adam: Adam,
    device: Device,
    batches: Vec<Batch>,
    steps: usize,
    loss: f64,
}

impl Trainee {
    pub fn new(settings: ModelSettings, args: &BenchTrainArgs, device: Device) -> Self {
        let mut table = Table::new(settings.width, settings.seed);
        (0..args.items).for_each(|item| table.grow(&item.to_be_bytes()));
        let parameters = Parameters::fresh::<Inner, _>(settings.seed, &device, |builder| {
            Network::build(builder, &settings)
        });
        let mut random = SplitMix::new(settings.seed);
        let batches = (0..BATCHES).map(|_| batch(&settings, args, &mut random)).collect();
        let adam = Adam::new([0.9, 0.999], 1e-5);
        Self { settings, parameters, table, adam, device, batches, steps: 0, loss: 0.0 }
    }

    /// One step; the times of its pass and of the update.
    pub fn step(&mut self) -> Result<(PassTimes, Duration), Failure> {
        let batch = &self.batches[self.steps % BATCHES];
        let pairs = batch.histories.iter().map(|(rows, times)| (rows.as_slice(), times.as_slice()));
        let plan = match self.settings.architecture.is_staged() {
            true => Plan::new(Stage::All, 0, &LossWeights::default()),
            false => Plan::next_item(),
        };
        let mut gradients = Gradients::new(&self.parameters, &self.table, true);
        let learner = Learner::<Inner> {
            settings: &self.settings,
            parameters: &self.parameters,
            table: &self.table,
            catalogue: Some(self.table.tensor(&self.device)),
            negatives: 0,
            logits_bytes: LOGITS_BYTES,
            device: &self.device,
            seed: self.steps as u64,
        };
        let (histories, samples) = (Histories::new(pairs), batch.samples.clone());
        learner.pass(&histories, &batch.targets, &plan, samples, &mut gradients, None)?;
        let begun = Instant::now();
        let count = batch.targets.rows.len();
        let scale = 1.0 / count as f32;
        let table = std::mem::replace(&mut gradients.table, TableGradients::All(Vec::new()));
        let rows = table.into_rows(self.settings.width);
        self.parameters.update(&self.adam, LEARNING_RATE, scale, &gradients.network, &|_| false);
        for (row, gradient) in rows.rows.iter().zip(rows.gradients.chunks_exact(self.settings.width)) {
            self.table.update(&self.adam, LEARNING_RATE, *row, scale, gradient);
        }
        self.steps += 1;
        self.loss = gradients.loss / count as f64;
        Ok((gradients.times, begun.elapsed()))
    }

    /// Mean cross-entropy of the last step, nats.
    pub fn loss(&self) -> f64 {
        self.loss
    }
}

fn batch(settings: &ModelSettings, args: &BenchTrainArgs, random: &mut SplitMix) -> Batch {
    let len = settings.max_len;
    let (mut histories, mut targets) = (Vec::new(), Targets::default());
    for nth in 0..args.batch {
        let mut rows: Vec<u32> = (0..=len).map(|_| random.below(args.items)).collect();
        // Up to a day between two events.
        let times = (0..len).scan(0, |at, _| {
            *at += i64::from(random.below(86_400_000));
            Some(*at)
        });
        let times = times.collect();
        let first = match args.positions {
            Positions::All => 0,
            Positions::Last => len - 1,
        };
        for at in first..len {
            targets.push(nth * len + at, rows[at + 1], 1.0);
        }
        rows.truncate(len);
        histories.push((rows, times));
    }
    let samples = settings.architecture.ranks().then(|| samples(settings, args, &targets, random));
    Batch { histories, targets, samples }
}

/// What HMISR's ranking losses look at: positions of each history, drawn from its targets.
fn samples(
    settings: &ModelSettings,
    args: &BenchTrainArgs,
    targets: &Targets,
    random: &mut SplitMix,
) -> Samples {
    let hmisr = &settings.hmisr;
    let each = targets.rows.len() / args.batch;
    let mut samples = Samples {
        negatives: (0..hmisr.ranked_negatives).map(|_| random.below(args.items)).collect(),
        items: args.items as usize,
        back: 1 + random.below((settings.max_len as u32 / 4).max(1)) as usize,
        seed: random.next(),
        ..Samples::default()
    };
    for nth in 0..args.batch {
        for _ in 0..hmisr.ranked_positions {
            let at = nth * each + random.below(each as u32) as usize;
            samples.positions.push(targets.positions[at]);
            samples.targets.push(targets.rows[at]);
            samples.habits.push(Habits {
                entropy: 0.5,
                tail: 0.3,
                switching: 0.6,
                recent: 0.4,
                score: Some(0.5),
            });
        }
    }
    samples
}
