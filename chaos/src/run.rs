//! The loop: run, kill, run again; now and then drain and compare.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hmisr_pipeline::engine::Point;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{PointsArgs, RunArgs};
use crate::check::Check;
use crate::embedded::Embedded;
use crate::events::rng;
use crate::failure::{Failure, Result};
use crate::job::Job;
use crate::kafka::Kafka;
use crate::report::Progress;

/// `hmisr-chaos run`.
pub fn run(args: &RunArgs) -> Result<()> {
    if !(args.rate().is_finite() && args.rate() >= 1.0) {
        return Err(Failure::user(format!("--rate {}: expected 1 or more events per second", args.rate())));
    }
    let over_kafka = args.over_kafka();
    let transport = if over_kafka { "kafka" } else { "log" };
    if args.instances > 1 && !over_kafka {
        return Err(Failure::user(
            "--instances 2: one process owns the embedded log; use --kafka or --brokers",
        ));
    }
    let data = Data::new(args.data.as_deref())?;
    let progress = match Progress::load(&data.path)? {
        None => Progress::new(args.seed, transport, args.instances),
        Some(found) if !args.resume => {
            let text = format!(
                "--data {} holds a run at kill {}: add --resume, or name an empty folder",
                data.path.display(),
                found.kills
            );
            return Err(Failure::user(text));
        }
        Some(found)
            if (found.seed, found.transport.as_str(), found.instances)
                != (args.seed, transport, args.instances) =>
        {
            return Err(Failure::user(format!(
                "--resume: {} holds a run over {} with --seed {} --instances {}: say the same",
                data.path.display(),
                found.transport,
                found.seed,
                found.instances
            )));
        }
        Some(found) => found,
    };
    let Progress { seed, instances, .. } = progress;
    let swap = if args.swap { " --swap" } else { "" };
    let again = format!(
        "hmisr-chaos run --{transport} --seed {seed} --instances {instances} --kills {}{swap} --membership {}",
        args.kills,
        args.membership.name()
    );
    data.kept_on_failure(&again, |path| {
        let mut job: Box<dyn Job> = if over_kafka {
            Box::new(Kafka::start(args, path)?)
        } else {
            Box::new(Embedded::new(
                path,
                args.seed,
                args.rate(),
                args.swap,
                progress.kills + progress.comparisons,
            ))
        };
        kill_again_and_again(args, path, job.as_mut(), progress)
    })
}

fn kill_again_and_again(
    args: &RunArgs,
    data: &Path,
    job: &mut dyn Job,
    mut progress: Progress,
) -> Result<()> {
    let mut check = Check::new();
    let bar = bar(args);
    bar.set_position(progress.kills);
    let mut since = Instant::now();
    let mut compared = None;
    while compared != Some(args.kills.max(progress.kills)) {
        let kill = progress.kills;
        if kill < args.kills {
            let killed = job
                .kill(&mut rng(args.seed, u64::MAX - kill))
                .map_err(|failure| failure.with(format!("before kill {}", kill + 1)))?;
            progress.add(&killed);
            bar.set_position(progress.kills);
        }
        let compare = progress.kills >= args.kills || progress.kills.is_multiple_of(args.compare_every);
        if compare {
            job.drain()
                .and_then(|()| check.compare(job))
                .map_err(|failure| failure.with(format!("after kill {}", progress.kills)))?;
            progress.comparisons += 1;
            compared = Some(progress.kills);
        }
        progress.seconds += since.elapsed().as_secs_f64();
        since = Instant::now();
        progress.save(data)?;
        if compare {
            let events = check.model.counts.events;
            let rate = events as f64 / progress.seconds;
            bar.set_message(format!("{events} events, {rate:.0}/s"));
            if !args.json && bar.is_hidden() {
                eprintln!(
                    "seed {}: {} of {} kills, {events} events, {rate:.0}/s: equal",
                    args.seed, progress.kills, args.kills
                );
            }
        }
    }
    bar.finish_and_clear();
    progress.report(&check).print(args.json)
}

fn bar(args: &RunArgs) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{pos} of {len} kills {bar:30} {elapsed} (ends in {eta}) {msg}");
    let bar = ProgressBar::new(args.kills);
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}

/// In which turns of a point a process is killed.
const TURNS: [u32; 3] = [1, 2, 7];

/// `hmisr-chaos points`.
pub fn points(args: &PointsArgs) -> Result<()> {
    let data = Data::new(args.data.as_deref())?;
    data.kept_on_failure(&format!("hmisr-chaos points --seed {}", args.seed), |path| {
        let mut job = Embedded::new(path, args.seed, 2_000.0, false, 0);
        let (mut progress, mut check) = (Progress::new(args.seed, "log", 1), Check::new());
        let began = Instant::now();
        for point in Point::ALL {
            let failed = |failure: Failure| failure.with(format!("killed at {}", point.name()));
            for turn in TURNS {
                progress.add(&job.kill_at(point, turn).map_err(failed)?);
            }
            job.drain().and_then(|()| check.compare(&mut job)).map_err(failed)?;
            progress.comparisons += 1;
        }
        progress.seconds = began.elapsed().as_secs_f64();
        progress.report(&check).print(args.json)
    })
}

/// The folder of a run.
pub struct Data {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Data {
    /// That folder, or a temporary one.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            let temporary = tempfile::Builder::new().prefix("hmisr-chaos-").tempdir()?;
            return Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary) });
        };
        std::fs::create_dir_all(path)
            .map_err(|error| Failure::user(format!("--data {}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), temporary: None })
    }

    /// Runs `body` there; where it fails the folder stays, and the error says how to do it again.
    pub fn kept_on_failure(self, again: &str, body: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        body(&self.path).map_err(|failure| {
            let path = self.path.display().to_string();
            if let Some(temporary) = self.temporary {
                // Not removed at the end.
                let _kept = temporary.keep();
            }
            failure.with(format!("again: {again}; the data folder is kept: {path}"))
        })
    }
}
