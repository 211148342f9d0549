//! Fitting one network, and what is shown of it meanwhile.

use std::sync::atomic::AtomicBool;

use hmisr_model::backend;
use hmisr_offline::Split;
use hmisr_offline::fit::{Neural, Outcome, Progress, Run, Watch, fit};
use indicatif::ProgressBar;

use super::answers::Built;
use crate::failure::Failure;
use crate::terminal;

/// Who is told of every epoch, besides the terminal.
type Told<'a> = &'a mut dyn FnMut(&Progress) -> Result<(), Failure>;

/// Fits a network in its folder, or goes on where it was stopped.
pub fn train(
    run: &Run,
    split: &Split,
    name: &str,
    stop: &AtomicBool,
    told: Option<Told<'_>>,
) -> Result<Outcome, Failure> {
    let progress = run.progress()?;
    if progress.done {
        return Ok(Outcome::Done);
    }
    let settings = run.settings();
    let title = format!("{name}, seed {}", settings.model.seed);
    if progress.epoch > 0 {
        tracing::info!("{title}: goes on after epoch {} of {}", progress.epoch, run.folder().display());
    }
    let bar = terminal::bar(0, "{msg} {wide_bar} {percent}% of all steps, {eta} left");
    let device = backend::device()?;
    let mut watch = Shown {
        title,
        epochs: settings.epochs(),
        done: progress.epoch,
        best: best(&progress),
        bar,
        told,
        failed: None,
    };
    let outcome = fit(run, split, &device, stop, &mut watch);
    watch.bar.finish_and_clear();
    match watch.failed {
        Some(failure) => Err(failure),
        None => Ok(outcome?),
    }
}

/// The best weights of a run, ready to answer.
pub fn load<'a>(run: &Run, split: &'a Split, aggregates: bool) -> Result<Built<'a>, Failure> {
    let neural = Neural::load(run, split, backend::device()?)?;
    let neural = if aggregates { neural } else { neural.without_aggregation() };
    Ok(Built {
        parameters: Some(neural.parameters()),
        fit_seconds: run.progress()?.seconds,
        scorer: Box::new(neural),
    })
}

struct Shown<'a> {
    title: String,
    epochs: usize,
    /// Epochs done.
    done: usize,
    best: String,
    bar: ProgressBar,
    told: Option<Told<'a>>,
    failed: Option<Failure>,
}

impl Watch for Shown<'_> {
    fn step(&mut self, step: usize, steps: usize, loss: f64) {
        if self.bar.length() != Some((steps * self.epochs) as u64) {
            // What an earlier start did must not count as this one's speed.
            self.bar.set_length((steps * self.epochs) as u64);
            self.bar.set_position((steps * self.done) as u64);
            self.bar.reset_eta();
        }
        self.bar.set_position((steps * self.done + step) as u64);
        self.bar.set_message(format!(
            "{}: epoch {}/{}, step {step}/{steps}, loss {loss:.3}{}",
            self.title,
            self.done + 1,
            self.epochs,
            self.best
        ));
    }

    fn epoch(&mut self, progress: &Progress) {
        self.done = progress.epoch;
        self.best = best(progress);
        if let Some(last) = progress.evaluations.last() {
            tracing::info!(
                "{}: epoch {} of at most {}: loss {:.4}, validation HR@10 {:.4}, NDCG@10 {:.4}, {:.1} s",
                self.title,
                last.epoch,
                self.epochs,
                last.loss,
                last.hr,
                last.ndcg,
                last.seconds
            );
        }
        if let Some(told) = &mut self.told
            && let Err(failure) = told(progress)
        {
            self.failed.get_or_insert(failure);
        }
    }
}

fn best(progress: &Progress) -> String {
    progress.best().map_or_else(String::new, |best| {
        format!(", best validation HR@10 {:.4} NDCG@10 {:.4} (epoch {})", best.hr, best.ndcg, best.epoch)
    })
}
