//! From histories and targets to gradients: forward, the next-item loss by hand, backward.

use std::time::{Duration, Instant};

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData};

use crate::dot::squares;
use crate::dropout::Dropout;
use crate::fused::{Fused, hard_softmax, sampled_softmax, surrogate};
use crate::histories::Histories;
use crate::hmisr::{Plan, Samples, Training};
use crate::network::{Input, Network};
use crate::owners::{Groups, Owners, best};
use crate::parameters::{Builder, Parameters, add_gradients};
use crate::places::Places;
use crate::settings::ModelSettings;
use crate::softmax::{Asked, SampledRows, Scores, values};
use crate::table::Table;
use crate::{Error, ErrorKind, Result};

/// What is to be foretold in a pass: the item row after a flat position of the histories.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Flat positions (see [`Histories`]), ascending, each once.
    pub positions: Vec<usize>,
    /// Item rows.
    pub rows: Vec<u32>,
    /// How much each one's loss counts, 0 or more.
    pub weights: Vec<f32>,
}

impl Targets {
    /// Targets that count alike.
    pub fn new(positions: Vec<usize>, rows: Vec<u32>) -> Self {
        let weights = vec![1.0; rows.len()];
        Self { positions, rows, weights }
    }

    /// Adds one.
    pub fn push(&mut self, position: usize, row: u32, weight: f32) {
        self.positions.push(position);
        self.rows.push(row);
        self.weights.push(weight);
    }

    /// What the next item's loss asks for.
    fn asked(&self) -> Asked<'_> {
        Asked { rows: &self.rows, weights: &self.weights }
    }
}

/// Who observes scores before they are learnt from, for prequential evaluation.
pub struct Observer<'a> {
    /// Whether a target's scores are wanted.
    pub wants: &'a dyn Fn(usize) -> bool,
    /// Takes a target's number and the scores of the whole catalogue.
    pub show: &'a mut dyn FnMut(usize, &[f32]),
}

/// Gradients of a step, summed over its passes and targets in a fixed order.
#[derive(Debug)]
pub struct Gradients {
    /// Of the parameters, in their order.
    pub network: Vec<Vec<f32>>,
    /// Of the embedding rows.
    pub table: TableGradients,
    /// Summed cross-entropy of the next item, nats.
    pub loss: f64,
    /// Sums of the auxiliary losses, unweighted, each times the pass's targets.
    pub auxiliary: Vec<(&'static str, f64)>,
    /// Targets.
    pub targets: usize,
    /// Where the time went.
    pub times: PassTimes,
}

/// The table's part: `[items, d]` for the full softmax, or the rows touched.
#[derive(Debug)]
pub enum TableGradients {
    /// Of every row.
    All(Vec<f32>),
    /// Of rows in the order of their touch; one may stand twice.
    Touched(SampledRows),
}

/// Where a pass's time went.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassTimes {
    /// Gathering rows and binding parameters.
    pub prepare: Duration,
    /// The network's forward pass.
    pub forward: Duration,
    /// Logits, loss and its gradients.
    pub loss: Duration,
    /// The network's backward pass.
    pub backward: Duration,
}

impl TableGradients {
    fn add(&mut self, row: u32, gradient: &[f32]) {
        match self {
            Self::All(all) => {
                let start = row as usize * gradient.len();
                for (sum, value) in all[start..start + gradient.len()].iter_mut().zip(gradient) {
                    *sum += value;
                }
            }
            Self::Touched(touched) => {
                touched.rows.push(row);
                touched.gradients.extend_from_slice(gradient);
            }
        }
    }

    /// One gradient per row, rows ascending.
    pub fn into_rows(self, d: usize) -> SampledRows {
        match self {
            Self::All(gradients) => {
                SampledRows { rows: (0..(gradients.len() / d) as u32).collect(), gradients }
            }
            Self::Touched(touched) => {
                let mut order: Vec<usize> = (0..touched.rows.len()).collect();
                // Stable, so that equal rows are summed in the order of their touch.
                order.sort_by_key(|at| touched.rows[*at]);
                let mut merged = SampledRows::default();
                for at in order {
                    let gradient = &touched.gradients[at * d..(at + 1) * d];
                    if merged.rows.last() == Some(&touched.rows[at]) {
                        let start = merged.gradients.len() - d;
                        for (sum, value) in merged.gradients[start..].iter_mut().zip(gradient) {
                            *sum += value;
                        }
                    } else {
                        merged.rows.push(touched.rows[at]);
                        merged.gradients.extend_from_slice(gradient);
                    }
                }
                merged
            }
        }
    }
}

impl Gradients {
    /// No gradients yet; of all rows where the loss is over the whole catalogue.
    pub fn new(parameters: &Parameters, table: &Table, whole: bool) -> Self {
        Self {
            network: parameters.list.iter().map(|parameter| vec![0.0; parameter.weights.len()]).collect(),
            table: match whole {
                true => TableGradients::All(vec![0.0; table.len() * table.width()]),
                false => TableGradients::Touched(SampledRows::default()),
            },
            loss: 0.0,
            auxiliary: Vec::new(),
            targets: 0,
            times: PassTimes::default(),
        }
    }

    /// The squared norm of the network's gradients and of `rows`.
    pub fn squares(&self, rows: &SampledRows) -> f64 {
        self.network.iter().map(|values| squares(values)).sum::<f64>() + squares(&rows.gradients)
    }
}

/// What targets are scored by.
struct Shown<'a, B: Fused> {
    /// `[positions · interests, d]`.
    vectors: &'a Tensor<B, 2>,
    priors: Option<&'a Tensor<B, 2>>,
    interests: usize,
    /// The catalogue by interests, where one vector speaks for an item.
    groups: Option<&'a Groups>,
}

/// Computes gradients.
#[derive(Debug)]
pub struct Learner<'a, B: Fused> {
    /// The network's settings.
    pub settings: &'a ModelSettings,
    /// The network's parameters.
    pub parameters: &'a Parameters,
    /// The items' embeddings.
    pub table: &'a Table,
    /// The table's weights `[items, d]` on the device; none where negatives are sampled.
    pub catalogue: Option<Tensor<B, 2>>,
    /// Negatives that a pass shares where they are sampled.
    pub negatives: usize,
    /// Largest block of logits in memory, bytes.
    pub logits_bytes: usize,
    /// The device.
    pub device: &'a B::Device,
    /// Seed of this step's dropout and negatives.
    pub seed: u64,
}

impl<B: Fused> Learner<'_, B> {
    /// Adds a pass's gradients. `observer` is shown the scores of the whole catalogue for the targets
    /// that it wants, before anything is learnt from them.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] where the backend does not compute in f32.
    pub fn pass(
        &self,
        histories: &Histories,
        targets: &Targets,
        plan: &Plan,
        samples: Option<Samples>,
        gradients: &mut Gradients,
        observer: Option<Observer<'_>>,
    ) -> Result<()> {
        // All losses count by targets.
        if targets.rows.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let d = self.table.width();
        let mut builder = Builder::<Autodiff<B>>::new(&self.parameters.list, self.settings.seed, self.device);
        let network = Network::build(&mut builder, self.settings);
        let bound = builder.into_bound();
        let embeddings = histories.embeddings(d, |row| self.table.weights(row));
        let input = self.tracked(embeddings, [histories.count(), histories.len(), d]);
        let training = samples.map(|samples| {
            let rows: Vec<u32> = samples.targets.iter().chain(&samples.negatives).copied().collect();
            let candidates = self.tracked(self.table.gather(rows.iter().copied()), [rows.len(), d]);
            (rows, Training { plan: plan.clone(), candidates, samples })
        });
        gradients.times.prepare += begun.elapsed();

        let begun = Instant::now();
        let dropout = Dropout::new(self.settings.dropout, self.seed);
        let output = network.forward(Input {
            embeddings: input.clone(),
            histories,
            asked: Some(&targets.positions),
            dropout: &dropout,
            training: training.as_ref().map(|(_, training)| training),
        });
        let [positions, interests, _] = output.vectors.dims();
        if output.vectors.dtype() != DType::F32 {
            return Err(not_f32(output.vectors.dtype()));
        }
        let vectors = output.vectors.clone().inner().reshape([positions * interests, d]);
        let priors = output.priors.clone().map(Tensor::inner);
        gradients.times.forward += begun.elapsed();

        let begun = Instant::now();
        let owners = network.owners().filter(|_| interests > 1);
        // A sampled loss asks for the interests of a few items alone.
        let is_shown = |observer: &Observer<'_>| (0..targets.rows.len()).any(|nth| (observer.wants)(nth));
        let is_grouped = self.catalogue.is_some() || observer.as_ref().is_some_and(is_shown);
        let groups = owners
            .as_ref()
            .filter(|_| is_grouped)
            .map(|owners| owners.group(self.table.len(), |row| self.table.weights(row)));
        // Where each target's vectors are.
        let rows = match self.settings.recalls() {
            true => (0..positions).collect(),
            false => targets.positions.clone(),
        };
        if let Some(observer) = observer {
            self.show(
                &Shown { vectors: &vectors, priors: priors.as_ref(), interests, groups: groups.as_ref() },
                &rows,
                observer,
            )?;
        }
        let answering = self.answering(&vectors, interests, &rows, targets);
        let asked = Places::new(rows, positions);
        let scores = self.loss(
            answering.gather(vectors),
            priors.map(|priors| asked.gather(priors)),
            targets,
            (owners.as_ref(), groups.as_ref()),
            gradients,
        );
        let by_vectors = answering.scatter(scores.hidden).reshape([positions, interests, d]);
        gradients.times.loss += begun.elapsed();

        let begun = Instant::now();
        let mut total = surrogate(output.vectors, by_vectors);
        if let (Some(priors), Some(by)) = (output.priors, scores.priors) {
            total = total + surrogate(priors, asked.scatter(by));
        }
        for auxiliary in output.auxiliary {
            let value = auxiliary.value.clone().inner().into_data();
            let value = value.as_slice::<f32>().map_err(not_f32)?.first().copied().unwrap_or(0.0);
            gradients.note(auxiliary.name, f64::from(value) * targets.rows.len() as f64);
            if auxiliary.weight > 0.0 {
                // Means; the next item's loss is a sum.
                let weight = auxiliary.weight * targets.rows.len() as f32;
                total = total + auxiliary.value.mul_scalar(weight);
            }
        }
        let mut by = total.backward();
        add_gradients(&bound, &mut by, &mut gradients.network);
        if let Some(by_input) = input.grad_remove(&mut by) {
            let by_input = by_input.into_data();
            let by_input = by_input.as_slice::<f32>().map_err(not_f32)?;
            histories.scatter_gradients(by_input, d, |row, gradient| gradients.table.add(row, gradient));
        }
        if let Some((rows, training)) = training
            && let Some(by_candidates) = training.candidates.grad_remove(&mut by)
        {
            let by_candidates = by_candidates.into_data();
            let by_candidates = by_candidates.as_slice::<f32>().map_err(not_f32)?;
            for (row, gradient) in rows.iter().zip(by_candidates.chunks_exact(d)) {
                gradients.table.add(*row, gradient);
            }
        }
        gradients.targets += targets.rows.len();
        gradients.times.backward += begun.elapsed();
        Ok(())
    }

    /// Shows the whole catalogue's scores of the wanted targets' positions.
    fn show(&self, shown: &Shown<'_, B>, at: &[usize], observer: Observer<'_>) -> Result<()> {
        let wanted: Vec<usize> = (0..at.len()).filter(|nth| (observer.wants)(*nth)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let Shown { vectors, interests, groups, .. } = *shown;
        let (items, priors) = (self.table.len(), shown.priors.cloned().map(values));
        let catalogue = self.catalogue.clone().unwrap_or_else(|| self.table.tensor(self.device));
        let width = if groups.is_some() { items } else { items * interests };
        let block = (self.logits_bytes / 4 / width.max(1)).max(1);
        let mut whole = vec![0.0; items];
        for wanted in wanted.chunks(block) {
            // Of each of their vectors, the scores of the items that it speaks for.
            let of_vector = |k: usize| {
                let rows = wanted.iter().map(|nth| at[*nth] * interests + k).collect();
                Places::new(rows, vectors.dims()[0]).gather(vectors.clone())
            };
            let prior =
                |nth: usize, k: usize| priors.as_ref().map_or(0.0, |priors| priors[at[nth] * interests + k]);
            let scores = (0..interests).map(|k| {
                let items = match groups {
                    None => catalogue.clone(),
                    Some(groups) => groups.rows(k, &catalogue),
                };
                values(of_vector(k).matmul(items.transpose()))
            });
            let scores: Vec<Vec<f32>> = scores.collect();
            let mut logits = Vec::with_capacity(width);
            for (place, nth) in wanted.iter().enumerate() {
                logits.clear();
                for (k, scores) in scores.iter().enumerate() {
                    let each = scores.len() / wanted.len();
                    let own = &scores[place * each..(place + 1) * each];
                    logits.extend(own.iter().map(|score| score + prior(*nth, k)));
                }
                match groups {
                    None => {
                        let architecture = self.settings.architecture;
                        (observer.show)(*nth, architecture.logsumexp_or_max(&mut logits, &[], items));
                    }
                    Some(groups) => {
                        groups
                            .order
                            .iter()
                            .zip(&logits)
                            .for_each(|(row, logit)| whole[*row as usize] = *logit);
                        (observer.show)(*nth, &whole);
                    }
                }
            }
        }
        Ok(())
    }

    /// Embeddings whose gradient is kept.
    fn tracked<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<Autodiff<B>, D> {
        Tensor::from_data(TensorData::new(values, shape), self.device).require_grad()
    }

    /// The vectors that answer for the targets, of `vectors` `[positions · interests, d]`: all
    /// where they are joint, and else the best.
    fn answering(&self, vectors: &Tensor<B, 2>, interests: usize, at: &[usize], targets: &Targets) -> Places {
        let [rows, d] = vectors.dims();
        let first = at.iter().map(|row| row * interests);
        let places = match self.settings.architecture.is_joint() {
            true => first.flat_map(|first| first..first + interests).collect(),
            false if interests == 1 => first.collect(),
            false => {
                let vectors = values(vectors.clone());
                let of_user = |first: usize| &vectors[first * d..(first + interests) * d];
                let targets = first.zip(&targets.rows);
                targets.map(|(first, row)| first + best(of_user(first), self.table.weights(*row))).collect()
            }
        };
        Places::new(places, rows)
    }

    /// The next item's cross-entropy of the answering vectors `hidden` and their `priors`.
    fn loss(
        &self,
        hidden: Tensor<B, 2>,
        priors: Option<Tensor<B, 2>>,
        targets: &Targets,
        (owners, groups): (Option<&Owners>, Option<&Groups>),
        gradients: &mut Gradients,
    ) -> Scores<B> {
        let (targets, bytes) = (targets.asked(), self.logits_bytes);
        let hardness = self.settings.architecture.hardness();
        let scores = match (&mut gradients.table, &self.catalogue) {
            (TableGradients::All(rows), Some(catalogue)) => match hardness {
                Some(hardness) => hard_softmax(hidden, targets, catalogue, bytes, rows, hardness),
                None => match groups {
                    None => {
                        let interests = hidden.dims()[0] / targets.len();
                        let spans = vec![0..self.table.len(); interests];
                        B::full_softmax(hidden, priors, targets, catalogue, &spans, bytes, rows)
                    }
                    Some(groups) => groups.softmax(hidden, priors, targets, catalogue, bytes, rows),
                },
            },
            (table, _) => {
                let (scores, touched) = sampled_softmax(
                    hidden,
                    priors,
                    targets,
                    self.table,
                    self.negatives,
                    self.seed,
                    hardness,
                    owners,
                );
                let rows = touched.gradients.chunks_exact(self.table.width());
                touched.rows.iter().zip(rows).for_each(|(row, gradient)| table.add(*row, gradient));
                scores
            }
        };
        gradients.loss += scores.loss;
        scores
    }
}

impl Gradients {
    fn note(&mut self, name: &'static str, value: f64) {
        match self.auxiliary.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += value,
            None => self.auxiliary.push((name, value)),
        }
    }
}

pub(crate) fn not_f32(error: impl std::fmt::Debug) -> Error {
    Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
}
