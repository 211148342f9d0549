//! One step: evaluate a batch, then learn from it, with one forward pass for both.

use std::time::Instant;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use hmisr_stream::contract::{Id, TrainingExample};

use crate::adam::Adam;
use crate::backend::Fused;
use crate::batch::{Chunk, chunks, passes};
use crate::dot::{dot, squares};
use crate::evaluation::Evaluation;
use crate::gradients::{Gradients, TableGradients};
use crate::model::{Encoder, SampledRows, full_softmax, pair_buckets, sampled_softmax};
use crate::prequential::{Marks, Means, Popularity, Prequential};
use crate::report::StepReport;
use crate::settings::Settings;
use crate::state::State;
use crate::table::Table;
use crate::{Error, ErrorKind, Result};

/// The model in training, on backend `B`.
#[derive(Debug)]
pub struct Trainer<B: Fused> {
    settings: Settings,
    adam: Adam,
    device: B::Device,
    state: State,
    marks: Marks,
}

impl<B: Fused> Trainer<B> {
    /// An untrained model.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] names the setting that is out of range.
    pub fn new(settings: Settings, device: B::Device) -> Result<Self> {
        settings.validate()?;
        let state = settings.fresh_state();
        Ok(Self::with_state(settings, state, device))
    }

    pub(crate) fn with_state(settings: Settings, state: State, device: B::Device) -> Self {
        let adam = Adam::new(&settings.learning);
        Self { settings, adam, device, state, marks: Marks::default() }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What has been learnt.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The evaluation so far.
    pub fn prequential(&self) -> &Prequential {
        &self.state.prequential
    }

    /// The evaluation over the newest examples.
    pub fn rolling(&self) -> Means {
        self.state.prequential.rolling()
    }

    /// Evaluates the batch, then learns from it. Examples of a user must stand in order.
    ///
    /// Every example weighs 1/`batch_examples`, however few came together: a quiet stream makes
    /// small steps, not noisy ones.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] where a loss or gradient is not finite; the step is not applied,
    /// and the trainer must not go on or publish.
    pub fn learn(&mut self, batch: &[TrainingExample]) -> Result<StepReport> {
        let begun = Instant::now();
        let longest = self.settings.model.max_len;
        let mut report = StepReport {
            examples: batch.len(),
            truncated: batch.iter().filter(|example| example.history_items.len() > longest).count(),
            ..StepReport::default()
        };
        let known = self.state.catalogue.len();
        let prepared = self.prepare(batch);
        let passes = passes(
            chunks(batch, &prepared.users, &prepared.histories, longest),
            self.settings.learning.pass_tokens,
        );
        let counts = self.state.catalogue.items()[..known].iter().map(|item| item.count).collect();
        let mut evaluation = Evaluation {
            popularity: Popularity::new(counts),
            known,
            ranked: vec![None; batch.len()],
            stride: self.stride(batch.len()),
        };
        report.passes = passes.len();
        report.times.prepare += begun.elapsed();
        let gradients = self.gradients(&passes, &prepared, &mut evaluation, &mut report)?;
        let begun = Instant::now();
        // Adam's momentum would move the weights where nothing was learnt.
        if report.passes > 0 {
            self.apply(gradients, &mut report)?;
        }
        for target in &prepared.targets {
            self.state.catalogue.count(*target);
        }
        let rolling = self.settings.evaluation.rolling_examples;
        report.ranked = evaluation.ranked.into_iter().flatten().collect();
        report.not_ranked = batch.len() - report.ranked.len();
        self.state.prequential.add(&report.ranked, report.not_ranked as u64, rolling);
        self.state.seen.settle(prepared.users.iter(), self.settings.evaluation.seen_entries);
        self.state.examples += batch.len() as u64;
        self.state.batches += 1;
        report.step = self.state.parameters.step;
        report.items = self.state.catalogue.len();
        report.times.update += begun.elapsed();
        Ok(report)
    }

    /// Forgets what a user has seen. What the weights learnt from the user stays.
    pub fn forget(&mut self, user: &Id) {
        self.state.seen.forget(user);
    }

    /// Gives rows to new items, in the order of their sight, and notes what was seen.
    fn prepare(&mut self, batch: &[TrainingExample]) -> Prepared {
        let mut prepared = Prepared::default();
        let State { catalogue, table, seen, .. } = &mut self.state;
        let mut admit = |id: Id, category: &dyn Fn() -> Id| {
            let row = catalogue.admit(&id, category);
            if row as usize == table.len() {
                table.grow(&id);
            }
            row
        };
        for example in batch {
            let history: Vec<u32> = (example.history_items.iter().zip(&example.history_categories))
                .map(|(item, category)| admit(item.id(), &|| category.id()))
                .collect();
            let target = admit(example.item.id(), &|| example.category.id());
            let user = example.user.id();
            let position = example.features.events.max(history.len() as u64);
            prepared.seen.push(match self.settings.evaluation.filter_seen {
                true => seen.note(&user, position, &history, target),
                false => 0..0,
            });
            prepared.users.push(user);
            prepared.targets.push(target);
            prepared.histories.push(history);
        }
        prepared
    }

    fn stride(&self, examples: usize) -> usize {
        let items = self.state.catalogue.len().max(1);
        if items <= self.settings.learning.full_softmax_items {
            return 1;
        }
        let ranked = (self.settings.evaluation.sampled_scores / items).max(1);
        examples.div_ceil(ranked).max(1)
    }

    fn gradients(
        &mut self,
        passes: &[Vec<Chunk>],
        prepared: &Prepared,
        evaluation: &mut Evaluation,
        report: &mut StepReport,
    ) -> Result<Gradients> {
        let (items, d) = (self.state.table.len(), self.settings.model.width);
        let full = items <= self.settings.learning.full_softmax_items;
        let mut gradients = Gradients {
            encoder: self.state.parameters.list.iter().map(|p| vec![0.0; p.weights.len()]).collect(),
            table: match full {
                true => TableGradients::All(vec![0.0; items * d]),
                false => TableGradients::Touched(SampledRows::default()),
            },
            loss: 0.0,
        };
        let all = full.then(|| self.state.table.tensor::<B>(&self.device));
        for (nth, pass) in passes.iter().enumerate() {
            let begun = Instant::now();
            let len = pass.iter().map(|chunk| chunk.rows.len()).max().unwrap_or(0);
            let embeddings = self.embeddings(pass, len);
            let tokens: usize = pass.iter().map(|chunk| chunk.rows.len()).sum();
            report.tokens += tokens;
            report.padding += pass.len() * len - tokens;
            let buckets = pair_buckets(pass.iter().map(|chunk| chunk.times.as_slice()), len);
            report.times.prepare += begun.elapsed();

            let begun = Instant::now();
            let bound = self.state.parameters.bind::<Autodiff<B>>(&self.device);
            let encoder = Encoder::new(&self.settings.model, bound).tracked();
            let input = Tensor::<Autodiff<B>, 3>::from_data(embeddings, &self.device).require_grad();
            let output = encoder.forward(input.clone(), buckets);
            let states = output.clone().inner().into_data();
            report.times.forward += begun.elapsed();

            let begun = Instant::now();
            let states = states.as_slice::<f32>().map_err(not_f32)?;
            let (mut hidden, mut targets, mut examples, mut at) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for (sequence, chunk) in pass.iter().enumerate() {
                for (token, example) in &chunk.targets {
                    let start = (sequence * len + token) * d;
                    hidden.extend_from_slice(&states[start..start + d]);
                    targets.push(prepared.targets[*example]);
                    examples.push(*example);
                    at.push(start);
                }
            }
            let by_hidden = self.loss(
                &hidden,
                &targets,
                &examples,
                all.as_ref(),
                prepared,
                evaluation,
                nth,
                &mut gradients,
            );
            let mut by_output = vec![0.0; pass.len() * len * d];
            for (gradient, start) in by_hidden.chunks_exact(d).zip(at) {
                by_output[start..start + d].copy_from_slice(gradient);
            }
            report.times.loss += begun.elapsed();

            let begun = Instant::now();
            // The gradient by the output is known: the sum of their product has it as derivative.
            let by_output = TensorData::new(by_output, [pass.len(), len, d]);
            let surrogate = output * Tensor::from_data(by_output, &self.device);
            let mut by = surrogate.sum().backward();
            encoder.add_gradients(&mut by, &mut gradients.encoder);
            if let Some(by_input) = input.grad_remove(&mut by) {
                let by_input = by_input.into_data();
                gradients.table.add_inputs(pass, len, d, by_input.as_slice::<f32>().map_err(not_f32)?);
            }
            report.times.backward += begun.elapsed();
        }
        Ok(gradients)
    }

    /// The rows of a pass, `[sequences, len, d]`, zeros where it is padded.
    fn embeddings(&self, pass: &[Chunk], len: usize) -> TensorData {
        let d = self.settings.model.width;
        let mut values = Vec::with_capacity(pass.len() * len * d);
        for chunk in pass {
            for row in &chunk.rows {
                values.extend_from_slice(self.state.table.weights(*row));
            }
            values.resize(values.len() + (len - chunk.rows.len()) * d, 0.0);
        }
        TensorData::new(values, [pass.len(), len, d])
    }

    /// Ranks the targets and returns the loss's gradient by their hidden states.
    #[allow(clippy::too_many_arguments)]
    fn loss(
        &mut self,
        hidden: &[f32],
        targets: &[u32],
        examples: &[usize],
        all: Option<&Tensor<B, 2>>,
        prepared: &Prepared,
        evaluation: &mut Evaluation,
        pass: usize,
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let learning = &self.settings.learning;
        let (seen, marks) = (&self.state.seen, &mut self.marks);
        let (known, stride) = (evaluation.known, evaluation.stride);
        let mut look = |nth: usize, scores: &[f32]| {
            let example = examples[nth];
            let seen = seen.rows(&prepared.users[example], prepared.seen[example].clone());
            evaluation.rank(example, targets[nth], scores, seen, marks);
        };
        let (scores, touched) = match (&mut gradients.table, all) {
            (TableGradients::All(rows), Some(all)) => {
                (full_softmax(hidden, targets, all, learning.logits_bytes, rows, look), None)
            }
            (_, _) => {
                let d = self.settings.model.width;
                for nth in (0..targets.len()).filter(|nth| examples[*nth].is_multiple_of(stride)) {
                    let state = &hidden[nth * d..(nth + 1) * d];
                    look(nth, &scores_of(&self.state.table, state, known));
                }
                let seed = self.settings.model.seed ^ (self.state.batches << 20) ^ pass as u64;
                let negatives = learning.negatives;
                let (scores, touched) =
                    sampled_softmax::<B>(hidden, targets, &self.state.table, negatives, seed, &self.device);
                (scores, Some(touched))
            }
        };
        gradients.loss += scores.loss;
        if let (TableGradients::Touched(rows), Some(touched)) = (&mut gradients.table, touched) {
            rows.rows.extend(touched.rows);
            rows.gradients.extend(touched.gradients);
        }
        scores.hidden
    }

    /// Checks, clips and applies the gradients.
    fn apply(&mut self, gradients: Gradients, report: &mut StepReport) -> Result<()> {
        let d = self.settings.model.width;
        let learning = &self.settings.learning;
        let step = self.state.parameters.step + 1;
        let weight = 1.0 / self.settings.batch_examples.max(report.examples) as f64;
        report.loss = gradients.loss / report.examples.max(1) as f64;
        let rows = gradients.table.into_rows(d);
        let squares: f64 =
            gradients.encoder.iter().map(|values| squares(values)).sum::<f64>() + squares(&rows.gradients);
        report.gradient_norm = squares.sqrt() * weight;
        if !(report.loss.is_finite() && report.gradient_norm.is_finite()) {
            return Err(Error::new(
                ErrorKind::Diverged,
                format!(
                    "step {step}, batch {}: the loss is {} and the gradient's norm {}; nothing was learnt from the \
                     batch and nothing will be published; start again from the last snapshot, with smaller \
                     learning.encoder_rate and learning.table_rate where it happens again",
                    self.state.batches + 1,
                    report.loss,
                    report.gradient_norm
                ),
            ));
        }
        let clip = f64::from(learning.clip_norm);
        let clipped =
            if clip > 0.0 && report.gradient_norm > clip { clip / report.gradient_norm } else { 1.0 };
        let scale = (weight * clipped) as f32;
        let warm = (step as f32 / learning.warmup_steps.max(1) as f32).min(1.0);
        let State { parameters, table, .. } = &mut self.state;
        parameters.update(&self.adam, learning.encoder_rate * warm, scale, &gradients.encoder);
        for (row, gradient) in rows.rows.iter().zip(rows.gradients.chunks_exact(d)) {
            table.update(&self.adam, learning.table_rate, *row, scale, gradient);
        }
        Ok(())
    }
}

/// Each example's rows, in the batch's order.
#[derive(Debug, Default)]
struct Prepared {
    users: Vec<Id>,
    histories: Vec<Vec<u32>>,
    targets: Vec<u32>,
    seen: Vec<std::ops::Range<usize>>,
}

/// Inner products of a hidden state with the first `rows` rows.
fn scores_of(table: &Table, state: &[f32], rows: usize) -> Vec<f32> {
    (0..rows as u32).map(|row| dot(table.weights(row), state)).collect()
}

fn not_f32(error: impl std::fmt::Debug) -> Error {
    Error::new(ErrorKind::Backend, format!("the backend does not compute in f32: {error:?}"))
}

#[cfg(test)]
mod tests {
    use hmisr_stream::contract::{FeatureVector, WireId};

    use super::*;
    use crate::backend::{self, Inner};

    fn example(user: u32, item: u32) -> TrainingExample {
        let id = |n: u32| WireId::from(&Id::from(n));
        TrainingExample {
            user: id(user),
            item: id(item),
            category: id(0),
            label: 1.0,
            weight: 1.0,
            ts: 2_000,
            history_items: vec![id(item + 1)],
            history_categories: vec![id(0)],
            history_ts_deltas: vec![-1_000],
            features: FeatureVector { events: 1, ..FeatureVector::default() },
        }
    }

    #[test]
    fn what_is_not_finite_is_not_learnt_and_names_the_step() {
        let mut trainer = Trainer::<Inner>::new(Settings::default(), backend::device().unwrap()).unwrap();
        trainer.learn(&[example(1, 10), example(2, 20)]).unwrap();
        trainer.state.parameters.list[0].weights[0] = f32::NAN;
        let before = trainer.state.table.part(0);
        let error = trainer.learn(&[example(3, 10)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged);
        assert!(error.to_string().contains("step 2, batch 2: the loss is NaN"), "{error}");
        assert_eq!(trainer.state.table.part(0), before);
        assert_eq!(trainer.state.parameters.step, 1);
    }

    #[test]
    fn an_empty_batch_moves_nothing() {
        let mut trainer = Trainer::<Inner>::new(Settings::default(), backend::device().unwrap()).unwrap();
        trainer.learn(&[example(1, 10)]).unwrap();
        let before = trainer.state.table.part(0);
        let report = trainer.learn(&[]).unwrap();
        assert_eq!((report.step, trainer.state.batches), (1, 2));
        assert_eq!(trainer.state.table.part(0), before);
    }
}
