//! The epochs of a fit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hmisr_model::adam::Adam;
use hmisr_model::backend::{self, Device, Inner};
use hmisr_model::hmisr::{Plan, SAMPLED, Samples, Stage};
use hmisr_model::random::SplitMix;
use hmisr_model::{Gradients, Histories, Kind, Learner, Network, Parameters, Reading, Table, Targets};
use hmisr_recommend::habits;

use super::learnt::Learnt;
use super::neural::{Neural, ScoresOnly};
use super::progress::{Evaluation, Progress};
use super::run::Run;
use super::settings::FitSettings;
use super::windows::{Window, batches};
use crate::error::{Error, Result};
use crate::evaluate::{EvaluateOptions, evaluate};
use crate::measures::{hit, ndcg};
use crate::split::{Case, Split};

/// Who watches a fit.
pub trait Watch {
    /// A step of `steps` in this epoch was done, at `loss` nats for each event.
    fn step(&mut self, _step: usize, _steps: usize, _loss: f64) {}

    /// An epoch was done and saved.
    fn epoch(&mut self, _progress: &Progress) {}
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs were done, or no stage got better any more.
    Done,
    /// It was asked to stop; what was done of the epoch is lost, and the next start goes on from
    /// the one before.
    Stopped,
}

/// Fits, or goes on where an earlier call stopped.
///
/// # Errors
/// [`Error::Model`] where a loss or gradient is not finite: it names the step and the users of the
/// batch; the folder keeps the last good weights.
pub fn fit(
    run: &Run,
    split: &Split,
    device: &Device,
    stop: &AtomicBool,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    if run.progress()?.done {
        return Ok(Outcome::Done);
    }
    backend::set_precision(run.settings().precision).map_err(|error| Error::Model {
        model: run.settings().model.architecture.to_string(),
        source: error.into(),
    })?;
    Fit::open(run, split, device)?.run(stop, watch)
}

struct Fit<'a> {
    run: &'a Run,
    split: &'a Split,
    device: &'a Device,
    settings: &'a FitSettings,
    adam: Adam,
    parameters: Parameters,
    table: Table,
    progress: Progress,
    learnt: Learnt,
    validation: Vec<Case>,
}

impl<'a> Fit<'a> {
    fn open(run: &'a Run, split: &'a Split, device: &'a Device) -> Result<Self> {
        let settings = run.settings();
        let model = &settings.model;
        if split.training().all(|(_, events)| events.len() < 2) {
            return Err(Error::Data {
                name: split.data.name.clone(),
                problem: "no user has two events in the training part, so no event foretells another"
                    .to_owned(),
                remedy: "give users with more events".to_owned(),
            });
        }
        let progress = run.progress()?;
        let mut parameters = Network::<Inner>::fresh(model, device);
        let table = match progress.epoch {
            0 => {
                let mut table = Table::new(model.width, model.seed);
                split.data.items.iter().for_each(|item| table.grow(&item.key()));
                table
            }
            _ => run.state(&progress, &mut parameters, split.data.items.len())?,
        };
        let every = split.validation.len().div_ceil(settings.validation_cases).max(1);
        Ok(Self {
            run,
            split,
            device,
            settings,
            adam: Adam::new(settings.betas, settings.weight_decay),
            parameters,
            table,
            progress,
            learnt: Learnt::of(split, settings),
            validation: split.validation.iter().step_by(every).copied().collect(),
        })
    }

    fn run(mut self, stop: &AtomicBool, watch: &mut dyn Watch) -> Result<Outcome> {
        let schedule = self.settings.schedule();
        while let Some((stage, epochs)) = schedule.get(self.progress.stage).copied()
            && !self.progress.done
        {
            let begun = Instant::now();
            let Some((loss, auxiliary)) = self.epoch(stage, stop, watch)? else {
                return Ok(Outcome::Stopped);
            };
            let (hr, ndcg) = self.validate(stage)?;
            // What the coarse stage reaches is the encoder's alone: the first epoch of both levels
            // takes its place.
            let is_best = self.progress.best().is_none_or(|best| {
                ndcg > best.ndcg || (best.stage == Stage::Coarse && stage != Stage::Coarse)
            });
            let progress = &mut self.progress;
            progress.epoch += 1;
            progress.stage_epoch += 1;
            progress.seconds += begun.elapsed().as_secs_f64();
            progress.step = self.parameters.step;
            progress.evaluations.push(Evaluation {
                epoch: progress.epoch,
                stage,
                loss,
                auxiliary,
                hr,
                ndcg,
                seconds: progress.seconds,
            });
            if is_best {
                progress.best_epoch = progress.epoch;
            }
            if progress.stage_epoch >= epochs || progress.stalled(self.settings.patience) {
                progress.stage += 1;
                progress.stage_epoch = 0;
                progress.done = progress.stage >= schedule.len();
            }
            self.run.save(&self.progress, &self.parameters, &self.table, is_best)?;
            watch.epoch(&self.progress);
        }
        Ok(Outcome::Done)
    }

    /// One epoch; none where it was asked to stop.
    #[allow(clippy::type_complexity)]
    fn epoch(
        &mut self,
        stage: Stage,
        stop: &AtomicBool,
        watch: &mut dyn Watch,
    ) -> Result<Option<(f64, Vec<(String, f64)>)>> {
        let (settings, model) = (self.settings, &self.settings.model);
        let seed = SplitMix::keyed(model.seed, &(self.progress.epoch as u64).to_be_bytes()).next();
        let batches = batches(self.split, model.run(), settings.batch_events, seed);
        let (count, mut targets) = (batches.len(), 0);
        let (mut loss, mut auxiliary): (f64, Vec<(String, f64, usize)>) = (0.0, Vec::new());
        let total = (count * settings.epochs()) as u64;
        for (nth, batch) in batches.into_iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let gradients =
                self.step(stage, &batch, seed ^ (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), total)?;
            loss += gradients.loss;
            targets += gradients.targets;
            for (name, value) in &gradients.auxiliary {
                let targets = gradients.targets;
                match auxiliary.iter_mut().find(|(known, ..)| known == name) {
                    Some((_, sum, count)) => {
                        *sum += value;
                        *count += targets;
                    }
                    None => auxiliary.push(((*name).to_owned(), *value, targets)),
                }
            }
            watch.step(nth + 1, count, gradients.loss / gradients.targets.max(1) as f64);
        }
        let targets = targets.max(1) as f64;
        // A batch may have nothing for a loss to look at.
        let mean = |(name, sum, targets): (String, f64, usize)| (name, sum / targets.max(1) as f64);
        Ok(Some((loss / targets, auxiliary.into_iter().map(mean).collect())))
    }

    fn step(&mut self, stage: Stage, batch: &[Window], seed: u64, steps: u64) -> Result<Summed> {
        let (settings, model) = (self.settings, &self.settings.model);
        let d = model.width;
        let read: Vec<Events> = batch.iter().map(|window| self.read(window)).collect();
        let reading = |(events, window)| {
            let (Events { rows, times, kinds }, window): (&Events, &Window) = (events, window);
            let now = self.split.train(window.user)[window.end].ts_ms;
            let recent = model.recent(window.start, window.end);
            Reading { rows, times, kinds, now, recent }
        };
        let readings: Vec<Reading<'_>> = read.iter().zip(batch).map(reading).collect();
        let histories = Histories::remembering(&readings, model.memory, |row| self.table.weights(row));
        let mut targets = Targets::default();
        for (nth, window) in batch.iter().enumerate() {
            let train = self.split.train(window.user);
            let first = window.end - model.recent(window.start, window.end);
            for at in window.start..window.end {
                let target = train[at + 1];
                if self.learnt.is_target(&target) {
                    let weight = self.learnt.weights.relative(target.weight.unwrap_or(1.0));
                    targets.push(histories.position(nth, at - first), target.item, weight);
                }
            }
        }
        let whole = self.table.len() <= settings.full_softmax_items;
        let plan = match model.architecture.is_staged() {
            true => Plan::new(stage, self.progress.stage_epoch, &model.hmisr.losses),
            false => Plan::next_item(),
        };
        let samples = model.architecture.ranks().then(|| self.samples(batch, &histories, seed));
        let mut gradients = Gradients::new(&self.parameters, &self.table, whole);
        let learner = Learner::<Inner> {
            settings: model,
            parameters: &self.parameters,
            table: &self.table,
            catalogue: whole.then(|| self.table.tensor::<Inner>(self.device)),
            negatives: settings.negatives,
            logits_bytes: settings.logits_bytes,
            device: self.device,
            seed,
        };
        learner
            .pass(&histories, &targets, &plan, samples, &mut gradients, None)
            .map_err(|error| self.failed(error))?;
        let summed = Summed {
            loss: gradients.loss,
            targets: gradients.targets,
            auxiliary: std::mem::take(&mut gradients.auxiliary),
        };
        let table = std::mem::replace(&mut gradients.table, hmisr_model::TableGradients::All(Vec::new()));
        let rows = table.into_rows(d);
        let weight = 1.0 / summed.targets.max(1) as f64;
        let norm = gradients.squares(&rows).sqrt() * weight;
        if !(norm.is_finite() && summed.loss.is_finite()) {
            return Err(self.diverged(batch, summed.loss, norm));
        }
        let clip = f64::from(settings.clip_norm);
        let scale = (if clip > 0.0 && norm > clip { weight * clip / norm } else { weight }) as f32;
        let rate = settings.rate_at(self.parameters.step, steps);
        let frozen = |name: &str| model.architecture.is_staged() && stage.freezes(name);
        self.parameters.update(&self.adam, rate, scale, &gradients.network, &frozen);
        for (row, gradient) in rows.rows.iter().zip(rows.gradients.chunks_exact(d)) {
            self.table.update(&self.adam, rate, *row, scale, gradient);
        }
        Ok(summed)
    }

    /// What a window reads.
    fn read(&self, window: &Window) -> Events {
        let model = &self.settings.model;
        let recent = window.end - model.recent(window.start, window.end);
        let first = window.end.saturating_sub(model.reach()).min(recent);
        let mut read = Events::default();
        for event in &self.split.train(window.user)[first..window.end] {
            let action = &self.split.data.actions[usize::from(event.action)];
            read.rows.push(event.item);
            read.times.push(event.ts_ms);
            read.kinds.push(self.learnt.actions.kind(action, event.weight));
        }
        read
    }

    /// What HMISR's ranking losses look at in a batch.
    fn samples(&self, batch: &[Window], histories: &Histories, seed: u64) -> Samples {
        let hmisr = &self.settings.model.hmisr;
        let mut random = SplitMix::new(seed ^ 0x5a5a);
        let items = self.split.data.items.len();
        let Learnt { catalogue, foresight, features, .. } = &self.learnt;
        let line = foresight.line();
        let mut samples = Samples {
            negatives: (0..hmisr.ranked_negatives).map(|_| random.below(items as u32)).collect(),
            items,
            back: 1 + random.below((histories.len() as u32 / 4).max(1)) as usize,
            seed: random.next(),
            ..Samples::default()
        };
        for (nth, window) in batch.iter().enumerate().take(SAMPLED / hmisr.ranked_positions) {
            let train = self.split.train(window.user);
            let first = window.end - self.settings.model.recent(window.start, window.end);
            for _ in 0..hmisr.ranked_positions {
                let at = window.start + random.below((window.end - window.start) as u32) as usize;
                if !self.learnt.is_target(&train[at + 1]) {
                    continue;
                }
                samples.positions.push(histories.position(nth, at - first));
                samples.targets.push(train[at + 1].item);
                let features = features.before(&self.split.data, window.user, at + 1);
                let newest = train[..=at].iter().rev();
                let chosen = || newest.filter(|event| self.learnt.is_choice(event)).map(|event| event.item);
                samples.habits.push(habits(catalogue, line.as_ref(), &features, chosen));
            }
        }
        samples
    }

    /// HR@10 and NDCG@10 of the validation cases.
    fn validate(&self, stage: Stage) -> Result<(f64, f64)> {
        let model = self.settings.model.clone();
        let (parameters, table) = (self.parameters.clone(), self.table.clone());
        let device = Device::clone(self.device);
        let neural = Neural::new(model, &parameters, table, self.split, device, stage, &self.learnt);
        let mut neural = ScoresOnly(neural);
        let options = EvaluateOptions { depth: 10, ..EvaluateOptions::default() };
        let answers = evaluate(self.split, &self.validation, &mut neural, options, |_, _| {})?;
        let count = answers.results.len().max(1) as f64;
        let mean = |measure: fn(Option<f64>, usize) -> f64| {
            answers.results.iter().map(|result| measure(result.rank, 10)).sum::<f64>() / count
        };
        Ok((mean(hit), mean(ndcg)))
    }

    fn failed(&self, error: hmisr_model::Error) -> Error {
        Error::Model { model: self.settings.model.architecture.to_string(), source: error.into() }
    }

    fn diverged(&self, batch: &[Window], loss: f64, norm: f64) -> Error {
        let users: Vec<String> = batch
            .iter()
            .take(5)
            .map(|window| self.split.data.users[window.user as usize].to_string())
            .collect();
        self.failed(hmisr_model::Error::new(
            hmisr_model::ErrorKind::Diverged,
            format!(
                "step {} (epoch {}): the loss is {loss} and the gradient's norm {norm}, in a batch of {} runs of users {}, \
                 …; the step was not applied, and {} keeps the weights of epoch {}; begin anew in another folder with a \
                 smaller rate",
                self.parameters.step + 1,
                self.progress.epoch + 1,
                batch.len(),
                users.join(", "),
                self.run.folder().display(),
                self.progress.epoch
            ),
        ))
    }
}

/// Events that are read, oldest first.
#[derive(Debug, Default)]
struct Events {
    rows: Vec<u32>,
    times: Vec<i64>,
    kinds: Vec<Kind>,
}

/// What a step gave.
struct Summed {
    loss: f64,
    targets: usize,
    auxiliary: Vec<(&'static str, f64)>,
}

impl Progress {
    /// Whether the stage's epochs have brought nothing better for `patience` of them.
    fn stalled(&self, patience: usize) -> bool {
        let since = self.epoch - self.best_epoch;
        since.min(self.stage_epoch) >= patience
    }
}
