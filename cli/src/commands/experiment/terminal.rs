//! What the terminal shows of fits and of questions.

use hmisr_offline::CaseSet;
use hmisr_offline::fit::{Progress, Run, Watch};
use hmisr_offline::study::Watcher;
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::terminal;

/// Who is told of every epoch, besides the terminal.
type Told<'a> = &'a mut dyn FnMut(&Progress) -> Result<(), Failure>;

/// A bar and log lines.
#[derive(Default)]
pub struct Terminal<'a> {
    title: String,
    epochs: usize,
    /// Epochs done.
    done: usize,
    best: String,
    /// Of the fit or the set of cases that is under way.
    bar: Option<ProgressBar>,
    told: Option<Told<'a>>,
    failed: Option<Failure>,
}

impl<'a> Terminal<'a> {
    /// One that also calls `told` after every epoch.
    pub fn telling(told: Told<'a>) -> Self {
        Self { told: Some(told), ..Self::default() }
    }

    /// # Errors
    /// The first of whoever was told of the epochs.
    pub fn checked(&mut self) -> Result<(), Failure> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Terminal<'_> {
    fn fit_begins(&mut self, model: &str, run: &Run, progress: &Progress) {
        let settings = run.settings();
        self.title = format!("{model}, seed {}", settings.model.seed);
        if progress.epoch > 0 {
            let (title, epoch) = (&self.title, progress.epoch);
            tracing::info!("{title}: goes on after epoch {epoch} of {}", run.folder().display());
        }
        (self.epochs, self.done, self.best) = (settings.epochs(), progress.epoch, best(progress));
        self.bar = Some(terminal::bar(0, "{msg} {wide_bar} {percent}% of all steps, {eta} left"));
    }

    fn fit_ends(&mut self) {
        self.clear();
    }

    fn asked(&mut self, model: &str, seed: u64, set: CaseSet, done: usize, cases: usize) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = terminal::bar(cases, "{msg} {wide_bar} {human_pos}/{human_len} cases, {eta} left");
            bar.set_message(format!("{model}, seed {seed}, {}", set.as_str()));
            bar
        });
        bar.set_position(done as u64);
        if done == cases {
            self.clear();
        }
    }

    fn stopped(&mut self, model: &str, seed: u64) {
        self.clear();
        eprintln!("stopped at {model}, seed {seed}; the same command goes on from there");
    }
}

impl Watch for Terminal<'_> {
    fn step(&mut self, step: usize, steps: usize, loss: f64) {
        let Some(bar) = &self.bar else { return };
        if bar.length() != Some((steps * self.epochs) as u64) {
            // What an earlier start did must not count as this one's speed.
            bar.set_length((steps * self.epochs) as u64);
            bar.set_position((steps * self.done) as u64);
            bar.reset_eta();
        }
        bar.set_position((steps * self.done + step) as u64);
        bar.set_message(format!(
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
