//! The status view: one block that is redrawn on a terminal, log lines elsewhere.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmisr_feed::FeedProgress;
use hmisr_pipeline::PipelineProgress;
use hmisr_serving::ModelSlot;
use hmisr_trainer::online::{Progress, View};

use super::layout::{Row, layout};
use crate::terminal::Block;

/// How often a line is logged where there is no terminal.
const LINE: Duration = Duration::from_secs(5);
/// Over how long rates are averaged, about.
const AVERAGE: Duration = Duration::from_secs(2);

/// The view, and what its rates are computed from.
pub struct Status {
    block: Option<Block>,
    address: String,
    logged: Instant,
    events: Rate,
    examples: Rate,
}

impl Status {
    /// Starts the view.
    pub fn start(address: String) -> Self {
        let block = Block::new();
        Self { block, address, logged: Instant::now(), events: Rate::default(), examples: Rate::default() }
    }

    /// Shows where the parts are.
    pub fn show(
        &mut self,
        feed: &FeedProgress,
        job: &PipelineProgress,
        training: &Progress,
        slot: &ModelSlot,
    ) {
        let view = training.view();
        let events = self.events.per_second(job.applied());
        let examples = self.examples.per_second(view.taken);
        let lines = Lines { feed, job, view: &view, serving: slot.version(), events, examples };
        match &self.block {
            Some(block) => block.show(layout(&lines.rows(&self.address), block.size())),
            None if self.logged.elapsed() >= LINE => {
                self.logged = Instant::now();
                tracing::info!("{}", lines.line());
            }
            None => {}
        }
    }

    /// Takes the block away: the summary follows.
    pub fn end(&self) {
        if let Some(block) = &self.block {
            block.clear();
        }
    }
}

struct Lines<'a> {
    feed: &'a FeedProgress,
    job: &'a PipelineProgress,
    view: &'a View,
    serving: Option<u64>,
    events: f64,
    examples: f64,
}

impl Lines<'_> {
    fn fed(&self) -> String {
        let fed = self.feed.fed() + self.feed.skipped();
        match (self.feed.total(), self.feed.share_read()) {
            (Some(total), _) => format!("{fed} of {total}"),
            (None, Some(share)) => format!("{fed}, {:.0} %", share * 100.0),
            (None, None) => fed.to_string(),
        }
    }

    fn snapshot(&self) -> String {
        match self.view.snapshot_version {
            0 => "none yet".to_owned(),
            version => format!("v{version}, {} s old", age_s(self.view.snapshot_ms)),
        }
    }

    fn serving(&self) -> String {
        self.serving.map_or_else(|| "nothing yet".to_owned(), |version| format!("v{version}"))
    }

    fn lag(&self) -> String {
        self.view.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string())
    }

    /// What the trainer does beside following the stream.
    fn lesson(&self) -> String {
        self.view.lesson.map_or_else(String::new, |pass| format!("{pass}; "))
    }

    fn rows(&self, address: &str) -> Vec<Row> {
        let Self { job, view, events, examples, .. } = self;
        let row = |label, text| Row { label, text };
        vec![
            row("events", format!("{events:>8.0}/s   fed {}", self.fed())),
            row(
                "features",
                format!(
                    "{:>8} written   lag {}, commit {:.1} ms, {} dead letters",
                    job.features(),
                    job.lag(),
                    job.commit_time().as_secs_f64() * 1e3,
                    job.dead_letters(),
                ),
            ),
            row(
                "training",
                format!(
                    "{examples:>8.0}/s   {}lag {}, loss {:.3}, {} items",
                    self.lesson(),
                    self.lag(),
                    view.loss,
                    view.items
                ),
            ),
            row(
                "HR@10",
                format!(
                    "{:>8.4}     popularity {:.4}, over the newest {} examples, each ranked before it is learnt; \
                     as served {:.4}",
                    view.rolling.model_hr,
                    view.rolling.popularity_hr,
                    view.rolling.examples,
                    view.rolling.served_hr,
                ),
            ),
            row("snapshot", format!("{}; serving {}", self.snapshot(), self.serving())),
            row("open", format!("{address}   Ctrl-C ends")),
        ]
    }

    fn line(&self) -> String {
        let Self { job, view, events, examples, .. } = self;
        format!(
            "events {events:.0}/s (fed {}), lag {}, commit {:.1} ms, dead letters {}; examples {examples:.0}/s, \
             {}lag {}, loss {:.3}, HR@10 {:.4} (popularity {:.4}); snapshot {}, serving {}",
            self.fed(),
            job.lag(),
            job.commit_time().as_secs_f64() * 1e3,
            job.dead_letters(),
            self.lesson(),
            self.lag(),
            view.loss,
            view.rolling.model_hr,
            view.rolling.popularity_hr,
            self.snapshot(),
            self.serving(),
        )
    }
}

/// A counter's speed, as an exponential average.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, u64)>,
    average: f64,
}

impl Rate {
    fn per_second(&mut self, count: u64) -> f64 {
        let now = Instant::now();
        let Some((then, before)) = self.last.replace((now, count)) else { return 0.0 };
        let seconds = (now - then).as_secs_f64().max(1e-3);
        let keep = (-seconds / AVERAGE.as_secs_f64()).exp();
        self.average = keep * self.average + (1.0 - keep) * count.saturating_sub(before) as f64 / seconds;
        self.average
    }
}

fn age_s(since_ms: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    (i64::try_from(now).unwrap_or(i64::MAX) - since_ms).max(0) / 1_000
}
