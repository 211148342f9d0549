//! `hmisr up`: the whole loop in one process.
//!
//! Feeder, job, trainer and server are the very parts that run alone in production; here they
//! share a process, a data folder and a status view. Each has a stop flag of its own, so that a
//! stop goes down the stream: the feeder first, then the job, the trainer, the server. Each then
//! finishes what it has read; what lies in the log beyond that waits for the next start.

pub mod args;
mod backlog;
mod identity;
mod layout;
mod plot;
mod report;
mod status;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hmisr_features::VISITS;
use hmisr_feed::{EventLog, EventSource, Fed, FeedIdentity, FeedMetrics, FeedProgress, Feeder};
use hmisr_serving::Listening;
use hmisr_stream::contract::topic;
use hmisr_stream::log::Log;
use hmisr_trainer::snapshot::resolved;

use self::args::UpArgs;
use self::backlog::Backlog;
use self::report::Report;
use self::status::Status;
use crate::commands::history::Begun;
use crate::commands::{OwnState, pipeline, serve, topics, train};
use crate::config::Config;
use crate::failure::Failure;
use crate::outcome::Least;

/// How often the parts are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often the embedded log drops what nobody needs.
const RETAIN: Duration = Duration::from_secs(5);
/// How often it is said that most events are rejected.
const ALARM: Duration = Duration::from_secs(60);
/// Events after which it is said.
const ALARM_AFTER: u64 = 100;
/// How long the server may take to swap in the last snapshot.
const LAST_SWAP: Duration = Duration::from_secs(30);

/// Runs until Ctrl-C, or until all input is through.
pub fn run(mut config: Config, args: UpArgs) -> Result<(), Failure> {
    apply(&mut config, &args)?;
    if args.until_drained && config.feed.events.is_none() && config.feed.generator.events.is_none() {
        let text = "--until-drained: the generator has no end; say how many events with --generate N, or name --events";
        return Err(Failure::user(text));
    }
    // Whatever is wrong with input, address or brokers is told before a folder is made or claimed.
    let source = config.feed.open_source()?;
    let reading = source.summary();
    crate::reading::accept(reading.as_ref(), args.least)?;
    crate::reading::tell_of_actions(reading.as_ref(), &config.pipeline.positive_actions);
    if args.filter_seen.is_none() && config.feed.events.is_some() {
        // Only films are rated once; generated and shop data repeat.
        let is_films = reading.is_some_and(|summary| summary.layout == "movielens");
        config.trainer.evaluation.filter_seen = is_films;
        config.serving.filter_seen = is_films;
    }
    let listening = Listening::new(config.serving.clone())?;
    let folder = Folder(args.data.clone());
    let make_folder = || {
        std::fs::create_dir_all(&folder.0)
            .map_err(|error| Failure::user(format!("--data {}: {error}", folder.0.display())))
    };
    let signal = crate::stop::on_signal()?;
    match &args.kafka.brokers {
        Some(_) => {
            let kafka = args.kafka.kafka(config.kafka.clone());
            kafka.accept_session()?;
            topics::create(&kafka, &config.topics)?;
            make_folder()?;
            identity::claim(&folder.0, args.kafka.brokers.as_deref())?;
            let Some(listening) = begin(&mut config, &args, listening, &signal)? else { return Ok(()) };
            Up::start(&config, &args, &folder, signal, source, listening, kafka, None)?.run()
        }
        None => {
            make_folder()?;
            identity::claim(&folder.0, None)?;
            let Some(listening) = begin(&mut config, &args, listening, &signal)? else { return Ok(()) };
            let log = Log::open(&folder.log(), config.log.clone())?;
            log.create_topics(&config.topics)?;
            Up::start(&config, &args, &folder, signal, source, listening, log.clone(), Some(log))?.run()
        }
    }
}

/// The command line over the configuration, and what one part must know of another.
fn apply(config: &mut Config, args: &UpArgs) -> Result<(), Failure> {
    args.feed.apply(&mut config.feed, args.until_drained, args.history.history.is_some())?;
    let filter_seen = args.filter_seen.unwrap_or(false);
    config.trainer.evaluation.filter_seen = filter_seen;
    config.serving.filter_seen = filter_seen;
    config.trainer.evaluation.lambda_max = config.serving.lambda_max;
    config.trainer.from = args.from.or(config.trainer.from);
    config.trainer.features = config.features.clone();
    config.trainer.folder = Folder(args.data.clone()).snapshots();
    take_model(config)?;
    if let Some(listen) = &args.listen {
        config.serving.listen.clone_from(listen);
    }
    Ok(())
}

/// Fits what `--history` names, where there is nothing to go on from; none where it was asked to stop. Nobody
/// listens meanwhile: whoever asked would wait for hours.
fn begin(
    config: &mut Config,
    args: &UpArgs,
    listening: Listening,
    stop: &AtomicBool,
) -> Result<Option<Listening>, Failure> {
    if args.history.history.is_none() {
        return Ok(Some(listening));
    }
    drop(listening);
    match args.history.begin(&args.feed.reading, &config.trainer, stop)? {
        Begun::Stopped => return Ok(None),
        Begun::Fitted => take_model(config)?,
        Begun::AsBefore => {}
    }
    Ok(Some(Listening::new(config.serving.clone())?))
}

/// The model that training goes on with, and events of history in an example as it reads them.
fn take_model(config: &mut Config) -> Result<(), Failure> {
    let set = config.trainer.model.clone();
    config.trainer = resolved(&config.trainer)?;
    let reach = config.trainer.model.reach();
    // A version's own model may reach further back than the state keeps visits, and a state that keeps more is
    // another one: it would have to be built anew.
    config.pipeline.history = if config.trainer.model == set { reach } else { reach.min(VISITS) };
    Ok(())
}

/// What lies where in a data folder.
struct Folder(PathBuf);

impl Folder {
    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    fn feed(&self) -> PathBuf {
        self.0.join("feed.json")
    }

    fn truth(&self) -> PathBuf {
        self.0.join("ground-truth.json")
    }

    fn report(&self) -> PathBuf {
        self.0.join("report")
    }
}

/// The loop, running.
struct Up<T> {
    transport: T,
    retained: Option<Log>,
    folder: PathBuf,
    report: PathBuf,
    truth: PathBuf,
    until_drained: bool,
    json: bool,
    least: Least,
    positive_actions: Vec<String>,
    /// How a data set was understood.
    reading: Option<hmisr_datasets::Summary>,
    /// The command that shows dead letters.
    letters: String,
    began: Instant,
    signal: Arc<AtomicBool>,
    feeding: Feeding,
    job: pipeline::Job,
    training: train::Training,
    serving: serve::Serving,
    stops: Stops,
    /// Where the job stands, and since when.
    stood: RefCell<Option<(BTreeMap<i32, i64>, Instant)>>,
}

/// A stop flag for each part.
#[derive(Default)]
struct Stops {
    feed: Arc<AtomicBool>,
    job: Arc<AtomicBool>,
    training: Arc<AtomicBool>,
    serving: Arc<AtomicBool>,
}

/// The feeder, running.
struct Feeding {
    progress: Arc<FeedProgress>,
    thread: JoinHandle<Result<Fed, Failure>>,
    /// Whether nothing is fed here, and the topic is read to where it ends.
    others_feed: bool,
}

impl<T: EventLog> Up<T> {
    #[expect(clippy::too_many_arguments, reason = "one of each part, used once")]
    fn start(
        config: &Config,
        args: &UpArgs,
        folder: &Folder,
        signal: Arc<AtomicBool>,
        mut source: Box<dyn EventSource>,
        listening: Listening,
        transport: T,
        retained: Option<Log>,
    ) -> Result<Self, Failure> {
        let reading = source.summary();
        let registry = serve::registry()?;
        let mut writer = transport.writer()?;
        let ends = writer.ends()?;
        let partitioner = config.topics.partitioner;
        let others_feed =
            args.kafka.brokers.is_some() && args.feed.events.is_none() && source.total() == Some(0);
        if !others_feed {
            FeedIdentity::of(source.as_ref(), ends.len() as i32)
                .with_partitioner(partitioner)
                .claim(&folder.feed(), &ends)?;
        }
        let mut feeder = Feeder::new(&config.feed, FeedMetrics::new(&registry)?)?
            .with_partitioner(partitioner)
            .with_truth_file(folder.truth());

        let stops = Stops::default();
        let state = pipeline::State::new(config);
        let serving = serve::start(
            listening,
            &registry,
            &folder.snapshots(),
            OwnState::shared(state.directory.clone()),
            config.features.min_ts_ms,
            Some(state.progress.clone()),
            stops.serving.clone(),
        )?;
        let job = pipeline::start(config, &transport, &folder.state(), &registry, state, stops.job.clone())?;
        let training = match train::start(
            config,
            &transport,
            &folder.snapshots(),
            &registry,
            stops.training.clone(),
            &signal,
        ) {
            Ok(training) => training,
            Err(failure) => {
                stops.job.store(true, Ordering::Relaxed);
                job.join()?;
                return Err(failure);
            }
        };
        let progress = feeder.progress();
        let backlog = Backlog {
            most: config.up.max_backlog,
            fed: progress.clone(),
            job: job.progress.clone(),
            training: training.progress.clone(),
        };
        let stop = stops.feed.clone();
        let thread = std::thread::Builder::new().name("feeder".into()).spawn(move || {
            if others_feed {
                return Ok(feeder.run_empty());
            }
            let mut may_send = || backlog.may_send();
            Ok(feeder.run(source.as_mut(), writer.as_mut(), &mut may_send, &stop)?)
        })?;
        let letters = match &args.kafka.brokers {
            Some(brokers) => format!("hmisr dlq list --brokers {brokers}"),
            None => format!("hmisr dlq list --data {}", folder.0.display()),
        };
        Ok(Self {
            transport,
            retained,
            folder: folder.0.clone(),
            report: folder.report(),
            truth: folder.truth(),
            until_drained: args.until_drained,
            json: args.json,
            least: args.least,
            positive_actions: config.pipeline.positive_actions.clone(),
            reading,
            letters,
            began: Instant::now(),
            signal,
            feeding: Feeding { progress, thread, others_feed },
            job,
            training,
            serving,
            stops,
            stood: RefCell::default(),
        })
    }

    fn run(self) -> Result<(), Failure> {
        let url = self.serving.server.url();
        tracing::info!(
            "over {}, data in {}; open {url}/ , {url}/v1/recommend?user_id=1 , {url}/metrics",
            self.transport.describe(),
            self.folder.display()
        );
        let mut status = Status::start(format!("{url}/"));
        let mut retained_at = Instant::now();
        let mut alarmed: Option<Instant> = None;
        let watched = loop {
            match self.should_end() {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(failure) => break Err(failure),
            }
            let Self { feeding, job, training, serving, .. } = &self;
            status.show(&feeding.progress, &job.progress, &training.progress, &serving.slot);
            if let Some(log) = self.retained.as_ref().filter(|_| retained_at.elapsed() >= RETAIN) {
                if let Err(error) = log.retain() {
                    break Err(error.into());
                }
                retained_at = Instant::now();
            }
            if alarmed.is_none_or(|at| at.elapsed() >= ALARM)
                && job.progress.dead_letters() >= ALARM_AFTER
                && let Some(text) = report::outcome(&job.progress).alarm(self.least)
            {
                alarmed = Some(Instant::now());
                tracing::warn!("{text}\n  `{}` shows them all", self.letters);
            }
            std::thread::sleep(LOOK);
        };
        status.end();
        // What failed here is told after the parts have come to their orderly end.
        self.end().and(watched)
    }

    /// Whether a stop was asked for, a part has ended, or all input is through.
    fn should_end(&self) -> Result<bool, Failure> {
        let part_ended = self.job.is_finished() || self.training.is_finished() || self.serving.is_finished();
        if self.signal.load(Ordering::Relaxed) || part_ended {
            return Ok(true);
        }
        if !self.feeding.thread.is_finished() {
            return Ok(false);
        }
        // A feeder that ended early did so with an error, which `end` tells.
        Ok(!self.feeding.progress.is_done() || (self.until_drained && self.is_drained()?))
    }

    fn is_drained(&self) -> Result<bool, Failure> {
        let replayed: i64 = self.transport.replayed()?.unwrap_or_default().iter().sum();
        let fed = self.feeding.progress.fed() + self.feeding.progress.skipped() + replayed.unsigned_abs();
        let processed: i64 = self.job.progress.next_offsets().values().sum();
        if processed.unsigned_abs() < fed {
            return Ok(false);
        }
        if self.feeding.others_feed && !self.has_read_others()? {
            return Ok(false);
        }
        let trained = self.training.progress.view();
        if trained.lag.is_some_and(|lag| lag > 0) || trained.replaying || trained.lesson.is_some() {
            return Ok(false);
        }
        Ok(self.transport.is_read(topic::TRAINING_EXAMPLES, &trained.positions)?)
    }

    /// Whether the job has read all that others wrote. To ask the brokers takes a reader of its own, so that is done once
    /// the job has stood still for a moment.
    fn has_read_others(&self) -> Result<bool, Failure> {
        const STILL: Duration = Duration::from_secs(1);
        let offsets = self.job.progress.next_offsets();
        let mut stood = self.stood.borrow_mut();
        if stood.as_ref().is_none_or(|(then, _)| *then != offsets) {
            *stood = Some((offsets, Instant::now()));
            return Ok(false);
        }
        let Some((offsets, since)) = stood.as_mut().filter(|(_, since)| since.elapsed() >= STILL) else {
            return Ok(false);
        };
        let is_read = self.transport.is_read(topic::EVENTS, offsets)?;
        *since = Instant::now();
        Ok(is_read)
    }

    /// Stops the parts down the stream; the first error is the command's.
    fn end(self) -> Result<(), Failure> {
        let stop = |flag: &AtomicBool| flag.store(true, Ordering::Relaxed);
        stop(&self.stops.feed);
        let fed = self.feeding.thread.join().unwrap_or_else(|_| Err(Failure::panic("the feeder")));
        stop(&self.stops.job);
        let progress = self.job.progress.clone();
        let directory = self.job.directory.clone();
        let processed = self.job.join();
        stop(&self.stops.training);
        let training = self.training.progress.clone();
        let trained = self.training.join();
        let swapped = trained.as_ref().is_ok_and(|summary| wait_for(&self.serving.slot, summary.version));
        let report = match (&fed, &processed, &trained) {
            (Ok(fed), Ok(()), Ok(trained)) => Some(Report::new(
                self.began.elapsed(),
                fed,
                &progress,
                training.view().lag,
                trained,
                &self.serving,
                &directory,
                &self.truth,
                swapped,
                self.reading.clone(),
            )),
            _ => None,
        };
        stop(&self.stops.serving);
        let served = self.serving.join();
        fed?;
        processed?;
        let trained = trained?;
        served?;
        let (applied, choices) = (progress.applied(), progress.applied() - progress.neutral());
        crate::reading::tell_of_choices(applied, choices, self.reading.as_ref(), &self.positive_actions);
        let Some(report) = report else { return Ok(()) };
        report.write(&self.report, &trained.curve)?;
        report.end(self.json, &self.report, self.least, &self.letters)
    }
}

/// Waits until the server answers with `version`.
fn wait_for(slot: &hmisr_serving::ModelSlot, version: u64) -> bool {
    let deadline = Instant::now() + LAST_SWAP;
    while version > 0 && slot.version() != Some(version) {
        if Instant::now() > deadline {
            tracing::warn!(version, "the server has not swapped in the last snapshot");
            return false;
        }
        std::thread::sleep(LOOK);
    }
    version > 0
}

/// The path, as one that a person would type.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
