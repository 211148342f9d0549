//! `hmisr train`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use hmisr_recommend::artifact::{FolderLock, latest_version};
use hmisr_serving::{Api, HttpServer, Listening, LookupError, Metrics, UserLookup};
use hmisr_stream::contract::{Id, UserView, topic};
use hmisr_stream::{Delivery, Transport};
use hmisr_trainer::online::{Progress, Summary, alone, has_lesson};
use hmisr_trainer::snapshot::resolved;
use prometheus::Registry;

use super::history::{Begun, HistoryArgs};
use super::serve::registry;
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::reading::ReadingArgs;

/// The trainer's consumer group, and its transactional id.
pub const GROUP: &str = "hmisr-trainer";

/// How much longer than a session another member of the group may have partitions before it is a second
/// trainer.
const ALONE_AFTER_SESSION: Duration = Duration::from_secs(20);

/// Arguments of `hmisr train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
    /// Folder of the snapshots, shared with the servers.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/snapshots")]
    pub snapshots: PathBuf,
    /// The version to go on from in the place of the newest; what came of it is gone on with, so that this may stay
    /// set.
    #[arg(long, value_name = "VERSION")]
    pub from: Option<u64>,
    /// Address of metrics and health.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8082")]
    pub listen: String,
    /// What is fitted first.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// How the history is written.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

pub fn run(mut config: Config, args: TrainArgs) -> Result<(), Failure> {
    let kafka = args.kafka.kafka(config.kafka.clone());
    kafka.accept_session()?;
    config.trainer.from = args.from.or(config.trainer.from);
    config.trainer.features = config.features.clone();
    let stop = crate::stop::on_signal()?;
    config.trainer.folder.clone_from(&args.snapshots);
    if args.history.history.is_none() && !args.reading.is_empty() {
        let text = "--history: options about the layout are given, but no file or folder that has it";
        return Err(Failure::user(text));
    }
    let settings = hmisr_serving::Settings { listen: args.listen, ..config.serving.clone() };
    // An address that is taken is told before a fit that may take hours; nobody waits at it meanwhile.
    drop(Listening::new(settings.clone())?);
    if args.history.begin(&args.reading, &config.trainer, &stop)? == Begun::Stopped {
        return Ok(());
    }
    config.trainer = resolved(&config.trainer)?;
    let (reach, history) = (config.trainer.model.reach(), config.pipeline.history);
    if config.trainer.model.memory > 0 && history < reach {
        tracing::warn!(
            "trainer.model.memory: the model reads {reach} events and the pipeline puts {history} into an example, by \
             these settings; the memory is not learnt until pipeline.history is {reach}"
        );
    }
    let registry = registry()?;
    let listening = Listening::new(settings.clone())?;
    let training = start(&config, &kafka, &args.snapshots, &registry, stop.clone(), &stop)?;
    let metrics = Arc::new(Metrics::new(&registry)?);
    let progress = training.progress.clone();
    let router = Api::new(settings, registry, metrics.clone(), Arc::new(NoState("trainer")))?
        .with_check("reading", move || progress.waits.check())
        .router();
    let server = HttpServer::start_on(listening, router, metrics, stop)?;
    println!(
        "training over {} into {}; metrics on {}/metrics",
        kafka.describe(),
        args.snapshots.display(),
        server.url()
    );
    let summary = training.join();
    server.join()?;
    let summary = summary?;
    println!("{} examples learnt from, version {} published", summary.examples, summary.version);
    Ok(())
}

/// A part that keeps no users, by its name.
pub struct NoState(pub &'static str);

impl UserLookup for NoState {
    fn user(&self, _: &Id) -> Result<Option<UserView>, LookupError> {
        let part = self.0;
        Err(LookupError::new(format!("a {part} answers no look-ups; ask a pipeline or a server")))
    }

    fn ready(&self) -> Result<(), LookupError> {
        Ok(())
    }
}

/// The trainer, running in a thread of its own.
pub struct Training {
    /// How far it is.
    pub progress: Arc<Progress>,
    thread: JoinHandle<Result<Summary, Failure>>,
}

impl Training {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, which comes after the stop flag is set, or with an error.
    pub fn join(self) -> Result<Summary, Failure> {
        self.thread.join().unwrap_or_else(|_| Err(Failure::panic("the trainer")))
    }
}

/// Starts the trainer over `transport`, with its snapshots in `folder`. It ends once `stop` is set, and at once
/// where `signal` is while it waits for a log that is out of reach.
pub fn start<T: Transport>(
    config: &Config,
    transport: &T,
    folder: &Path,
    registry: &Registry,
    stop: Arc<AtomicBool>,
    signal: &AtomicBool,
) -> Result<Training, Failure> {
    let mut settings = hmisr_trainer::Settings { folder: folder.to_owned(), ..config.trainer.clone() };
    let device = hmisr_trainer::backend::device()?;
    // Where it is refused it leaves no folder. It joins nothing before it is polled: a second trainer must disturb
    // nothing of the first, so the lock comes before that.
    let mut source = transport.dynamic_source(topic::TRAINING_EXAMPLES, GROUP)?;
    let lock = FolderLock::take(folder)?;
    let metrics = hmisr_trainer::Metrics::new(registry)?;
    // What the other parts of this process write from now on makes no lesson.
    if latest_version(folder)?.is_none() {
        match has_lesson(&settings, &mut source, signal)? {
            Some(has_lesson) => settings.is_without_lesson = !has_lesson,
            None => stop.store(true, Ordering::Relaxed),
        }
    }
    let patience = config.kafka.longest_session() + ALONE_AFTER_SESSION;
    let progress = Arc::new(Progress::default());
    let (shown, transport) = (progress.clone(), transport.clone());
    let thread = std::thread::Builder::new().name("trainer".into()).spawn(move || {
        let _lock = lock;
        let run = || -> Result<Summary, Failure> {
            let Some(source) = alone(source, patience, &metrics, &shown, &stop)? else {
                return Ok(Summary::default());
            };
            // It fences a predecessor, so only now: nobody else is in the group.
            let mut sink = transport.sink(GROUP, Delivery::ExactlyOnce)?;
            Ok(hmisr_trainer::online::run(
                &settings,
                device,
                source,
                Some(&mut sink),
                &metrics,
                &shown,
                &stop,
            )?)
        };
        let ended = run();
        // The rest of the process follows the trainer's end.
        stop.store(true, Ordering::Relaxed);
        ended
    })?;
    Ok(Training { progress, thread })
}
