//! One step: evaluate a batch, then learn from it, with one forward pass for both.

use std::time::Instant;

use hmisr_model::adam::Adam;
use hmisr_model::backend::{Device, Inner};
use hmisr_model::hmisr::{Plan, SAMPLED, Samples};
use hmisr_model::random::SplitMix;
use hmisr_model::{Gradients, Histories, Kind, Learner, Observer, Reading, TableGradients, Targets};
use hmisr_recommend::artifact::Artifact;
use hmisr_recommend::{UNLEARNED_STEPS, habits};
use hmisr_stream::contract::{Id, TrainingExample};

use crate::batch::{Chunk, Events, chunks, is_target, passes};
use crate::evaluation::Evaluation;
use crate::lesson::Phase;
use crate::prequential::{Marks, Means, Popularity, Prequential};
use crate::report::StepReport;
use crate::served::{Answers, Question, served};
use crate::settings::Settings;
use crate::snapshot::restore;
use crate::state::State;
use crate::{Error, ErrorKind, Result};

/// The model in training. It computes on the one backend that the build chose: compiled here once,
/// and not anew wherever a trainer is used.
#[derive(Debug)]
pub struct Trainer {
    settings: Settings,
    adam: Adam,
    device: Device,
    state: State,
    marks: Marks,
}

impl Trainer {
    /// An untrained model.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] names the setting that is out of range.
    pub fn new(settings: Settings, device: Device) -> Result<Self> {
        settings.validate()?;
        let state = State::fresh(&settings)?;
        Ok(Self::with_state(settings, state, device))
    }

    /// A trainer that goes on from a published version, under `settings`.
    ///
    /// # Errors
    /// As [`restore`](crate::snapshot::restore).
    pub fn from_version(artifact: &Artifact, settings: &Settings, device: Device) -> Result<Self> {
        let restored = restore(artifact, settings)?;
        Ok(Self::with_state(restored.settings, restored.state, device))
    }

    pub(crate) fn with_state(settings: Settings, state: State, device: Device) -> Self {
        let learning = &settings.learning;
        let adam = Adam::new([learning.beta1, learning.beta2], learning.weight_decay);
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

    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
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
    /// A usual example weighs 1/`batch_examples`, however few came together: a quiet stream makes
    /// small steps, not noisy ones. In a later pass of a first lesson nothing is evaluated or counted again.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] where a loss or gradient is not finite; the step is not applied,
    /// and the trainer must not go on or publish.
    pub fn learn(&mut self, batch: &[TrainingExample]) -> Result<StepReport> {
        self.learn_and_serve(batch, &[])
    }

    /// The same, where the examples at `asked` are also ranked as they would have been served.
    ///
    /// # Errors
    /// As [`Trainer::learn`].
    pub fn learn_and_serve(&mut self, batch: &[TrainingExample], asked: &[usize]) -> Result<StepReport> {
        let begun = Instant::now();
        let longest = self.settings.model.reach();
        let is_first = self.state.phase().is_first;
        let mut report = StepReport { examples: batch.len(), ..StepReport::default() };
        let known = self.state.catalogue.len();
        let prepared = self.prepare(batch);
        report.truncated = prepared.histories.iter().filter(|history| history.len() > longest).count();
        let passes = passes(
            chunks(batch, &prepared.histories, &self.settings.model),
            self.settings.model.memory,
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
        let begun = Instant::now();
        // Of a catalogue too large to rank each, those that are ranked.
        let asked: Vec<usize> =
            asked.iter().copied().filter(|at| is_first && at.is_multiple_of(evaluation.stride)).collect();
        let Answers { served, worth } = self.served(batch, &prepared, &evaluation, &asked)?;
        report.times.served += begun.elapsed();
        let gradients = self.gradients(batch, &passes, &prepared, &mut evaluation, &mut report)?;
        let begun = Instant::now();
        // Adam's momentum would move the weights where nothing was learnt.
        if report.passes > 0 {
            self.apply(gradients, &mut report)?;
        }
        if let Some(counts) = &mut self.state.counts {
            worth.iter().for_each(|example| counts.learn(example));
        }
        for ((example, target), history) in batch.iter().zip(&prepared.targets).zip(&prepared.histories) {
            if is_first && is_target(example) {
                self.state.count(history, *target, self.settings.sources.max_bytes);
                self.state.actions.count(&example.action);
            }
            if is_first {
                report.labels += usize::from(self.state.foresee(example, history, *target));
            }
        }
        for (example, served) in asked.iter().zip(served) {
            if let Some(Some(ranked)) = evaluation.ranked.get_mut(*example) {
                ranked.served = Some(served);
            }
        }
        let rolling = self.settings.evaluation.rolling_examples;
        report.ranked = evaluation.ranked.into_iter().flatten().collect();
        report.not_ranked = if is_first { batch.len() - report.ranked.len() } else { 0 };
        self.state.prequential.add(&report.ranked, report.not_ranked as u64, rolling);
        self.state
            .seen
            .settle(batch.iter().map(|example| &example.user), self.settings.evaluation.seen_entries);
        self.state.examples += if is_first { batch.len() as u64 } else { 0 };
        self.state.batches += 1;
        report.step = self.state.parameters.step;
        report.items = self.state.catalogue.len();
        report.counts = self.state.counts.as_ref().map(|counts| (counts.bytes(), counts.weights()));
        report.times.update += begun.elapsed();
        Ok(report)
    }

    /// The examples at `asked` as they would have been served, by the model as it is.
    fn served(
        &self,
        batch: &[TrainingExample],
        prepared: &Prepared,
        evaluation: &Evaluation,
        asked: &[usize],
    ) -> Result<Answers> {
        let question = |at: &usize| {
            let example = &batch[*at];
            let seen = self.state.seen.rows(&example.user, prepared.seen[*at].clone());
            Question { example, events: &prepared.histories[*at], target: prepared.targets[*at], seen }
        };
        let questions: Vec<Question<'_>> = asked.iter().map(question).collect();
        served(&self.state, &self.settings, evaluation.known, &self.device, &questions)
    }

    /// Forgets what a user has seen, and what waits of the user. What the weights learnt from the user stays.
    pub fn forget(&mut self, user: &Id) {
        self.state.seen.forget(user);
        self.state.waiting.forget(user);
    }

    /// Gives rows to new items and numbers to new actions, in the order of their sight, and notes what was seen.
    fn prepare(&mut self, batch: &[TrainingExample]) -> Prepared {
        let mut prepared = Prepared::default();
        let is_first = self.state.phase().is_first;
        let notes = self.settings.evaluation.filter_seen && is_first;
        let State { catalogue, actions, weights, table, seen, .. } = &mut self.state;
        let mut admit = |id: &Id, categories: &dyn Fn() -> Vec<Id>| {
            let row = catalogue.admit(id, categories);
            if row as usize == table.len() {
                table.grow(&id.key());
            }
            row
        };
        for example in batch {
            let mut history = Events::default();
            for visit in example.history.open().visits() {
                let all = || std::iter::once(visit.category).chain(visit.more_categories.iter().copied());
                let row = admit(&visit.item, &|| all().cloned().collect());
                history.push(row, visit.ts, Kind::new(actions.admit(visit.action), visit.weight));
            }
            let target = admit(&example.item, &|| example.categories.clone());
            actions.admit_target(&example.action);
            if is_first {
                weights.add(example.weight);
            }
            let position = example.position.max(history.len() as u64);
            prepared.seen.push(match notes {
                true => seen.note(&example.user, position, &history.rows, target),
                false => 0..0,
            });
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
        batch: &[TrainingExample],
        passes: &[Vec<Chunk>],
        prepared: &Prepared,
        evaluation: &mut Evaluation,
        report: &mut StepReport,
    ) -> Result<Gradients> {
        let learning = &self.settings.learning;
        let whole = self.state.table.len() <= learning.full_softmax_items;
        let hmisr = &self.settings.model.hmisr;
        let Phase { stage, epoch, is_first } = self.state.phase();
        let plan = match self.settings.model.architecture.is_staged() {
            true => Plan::new(stage, epoch, &hmisr.losses),
            false => Plan::next_item(),
        };
        let State { parameters, table, seen, weights, batches, .. } = &self.state;
        let mut gradients = Gradients::new(parameters, table, whole);
        let all = whole.then(|| table.tensor::<Inner>(&self.device));
        for (nth, pass) in passes.iter().enumerate() {
            let begun = Instant::now();
            let readings: Vec<Reading<'_>> = pass.iter().map(Chunk::reading).collect();
            let memory = self.settings.model.memory;
            let histories = Histories::remembering(&readings, memory, |row| table.weights(row));
            report.tokens += histories.lengths().iter().sum::<usize>();
            report.padding += histories.count() * histories.len() - histories.lengths().iter().sum::<usize>();
            let (mut targets, mut examples) = (Targets::default(), Vec::new());
            for (sequence, chunk) in pass.iter().enumerate() {
                for (token, example) in &chunk.targets {
                    let position = histories.position(sequence, *token);
                    targets.push(
                        position,
                        prepared.targets[*example],
                        weights.relative(batch[*example].weight),
                    );
                    examples.push(*example);
                }
            }
            let seed = self.settings.model.seed ^ (batches << 20) ^ nth as u64;
            let samples = self.settings.model.architecture.ranks().then(|| {
                samples(pass, &histories, batch, prepared, &self.state, hmisr.ranked_negatives, seed)
            });
            report.times.prepare += begun.elapsed();
            let learner = Learner::<Inner> {
                settings: &self.settings.model,
                parameters,
                table,
                catalogue: all.clone(),
                negatives: learning.negatives,
                logits_bytes: learning.logits_bytes,
                device: &self.device,
                seed,
            };
            let (stride, marks) = (evaluation.stride, &mut self.marks);
            let mut show = |nth: usize, scores: &[f32]| {
                let example = examples[nth];
                let seen = seen.rows(&batch[example].user, prepared.seen[example].clone());
                evaluation.rank(example, targets.rows[nth], scores, seen, marks);
            };
            let wants = |nth: usize| is_first && examples[nth].is_multiple_of(stride);
            let observer = Observer { wants: &wants, show: &mut show };
            learner.pass(&histories, &targets, &plan, samples, &mut gradients, Some(observer))?;
        }
        report.times.prepare += gradients.times.prepare;
        report.times.forward += gradients.times.forward;
        report.times.loss += gradients.times.loss;
        report.times.backward += gradients.times.backward;
        Ok(gradients)
    }

    /// Checks, clips and applies the gradients.
    fn apply(&mut self, mut gradients: Gradients, report: &mut StepReport) -> Result<()> {
        let d = self.settings.model.width;
        let learning = &self.settings.learning;
        let step = self.state.parameters.step + 1;
        let weight = 1.0 / self.settings.batch_examples.max(report.examples) as f64;
        report.loss = gradients.loss / report.examples.max(1) as f64;
        let table = std::mem::replace(&mut gradients.table, TableGradients::All(Vec::new()));
        let rows = table.into_rows(d);
        report.gradient_norm = gradients.squares(&rows).sqrt() * weight;
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
        let stage = self.state.phase().stage;
        let State { parameters, table, warm_from, lineage, .. } = &mut self.state;
        // Moments that began anew are as unsure as a new model's.
        let since = step.saturating_sub(*warm_from);
        let warm = (since as f32 / learning.warmup_steps.max(1) as f32).min(1.0);
        // A second level that began on the way has nothing to say at first.
        let began = lineage.level_from.max(*warm_from);
        if step.saturating_sub(began) >= UNLEARNED_STEPS {
            lineage.stage = stage;
        }
        let is_staged = self.settings.model.architecture.is_staged();
        let frozen = |name: &str| is_staged && stage.freezes(name);
        parameters.update(&self.adam, learning.encoder_rate * warm, scale, &gradients.network, &frozen);
        for (row, gradient) in rows.rows.iter().zip(rows.gradients.chunks_exact(d)) {
            table.update(&self.adam, learning.table_rate, *row, scale, gradient);
        }
        Ok(())
    }
}

/// Each example's rows, in the batch's order.
#[derive(Debug, Default)]
struct Prepared {
    histories: Vec<Events>,
    targets: Vec<u32>,
    seen: Vec<std::ops::Range<usize>>,
}

/// What HMISR's ranking losses look at in a pass: of each chunk one of its targets.
fn samples(
    pass: &[Chunk],
    histories: &Histories,
    batch: &[TrainingExample],
    prepared: &Prepared,
    state: &State,
    negatives: usize,
    seed: u64,
) -> Samples {
    let mut random = SplitMix::keyed(seed, b"samples");
    let items = state.table.len();
    let mut samples = Samples {
        negatives: (0..negatives).map(|_| random.below(items as u32)).collect(),
        items,
        back: 1 + random.below((histories.len() as u32 / 4).max(1)) as usize,
        seed: random.next(),
        ..Samples::default()
    };
    let line = state.foresight.line();
    for (nth, chunk) in pass.iter().enumerate().take(SAMPLED) {
        let drawn = chunk.targets.get(random.below(chunk.targets.len() as u32) as usize);
        let Some((token, example)) = drawn else { continue };
        samples.positions.push(histories.position(nth, *token));
        samples.targets.push(prepared.targets[*example]);
        let (history, features) = (&prepared.histories[*example], &batch[*example].features);
        let chosen = || state.actions.chosen(&history.rows, &history.kinds);
        samples.habits.push(habits(&state.catalogue, line.as_ref(), features, chosen));
    }
    samples
}

#[cfg(test)]
mod tests {
    use hmisr_testkit::messages;

    use super::*;
    use crate::backend;

    fn example(user: u32, item: u32) -> TrainingExample {
        let visit = |item: u32, ts: i64| (Id::from(item), Id::from(0), ts);
        messages::example(user, &[visit(item + 1, 1_000)], visit(item, 2_000))
    }

    #[test]
    fn what_is_not_finite_is_not_learnt_and_names_the_step() {
        let mut trainer = Trainer::new(Settings::default(), backend::device().unwrap()).unwrap();
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
    fn a_weight_scales_what_is_learnt_and_none_teaches_nothing() {
        let learnt = |weights: [f32; 2]| {
            let mut trainer = Trainer::new(Settings::default(), backend::device().unwrap()).unwrap();
            // What is usual is known.
            (0..998).for_each(|_| trainer.state.weights.add(1.0));
            let mut batch = [example(1, 10), example(2, 20)];
            batch[0].weight = weights[0];
            batch[1].weight = weights[1];
            let report = trainer.learn(&batch).unwrap();
            (trainer.state.table.part(0), report.step, report.loss)
        };
        let (fresh, step, _) = learnt([0.0, -3.0]);
        assert_eq!(step, 0);
        assert_ne!(learnt([1.0, 0.0]).0, fresh);
        assert_ne!(learnt([1.0, 0.0]).0, learnt([1.0, 1.0]).0);
        // Twice the first one's loss more each time.
        let [one, three, five] = [1.0, 3.0, 5.0].map(|weight| learnt([weight, 1.0]).2);
        let (more, again) = (three - one, five - three);
        assert!(more > 0.5 * one && (again / more - 1.0).abs() < 0.05, "{one}, {three} and {five}");
        // One huge sum is bounded.
        let (huge, bound) = (learnt([3e38, 1.0]).2, learnt([8.0, 1.0]).2);
        assert!((huge / bound - 1.0).abs() < 0.2, "{huge} and {bound}");
    }

    #[test]
    fn an_empty_batch_moves_nothing() {
        let mut trainer = Trainer::new(Settings::default(), backend::device().unwrap()).unwrap();
        trainer.learn(&[example(1, 10)]).unwrap();
        let before = trainer.state.table.part(0);
        let report = trainer.learn(&[]).unwrap();
        assert_eq!((report.step, trainer.state.batches), (1, 2));
        assert_eq!(trainer.state.table.part(0), before);
    }
}
