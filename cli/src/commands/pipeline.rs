//! `hmisr pipeline`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use hmisr_pipeline::engine::{Engine, Setup, SystemWorld};
use hmisr_pipeline::{PipelineMetrics, PipelineProgress, StateDirectory};
use hmisr_serving::{Activity, Api, HttpServer, Metrics};
use hmisr_state::StateMetrics;
use hmisr_stream::contract::topic;
use hmisr_stream::{SkipBatch, Transport};
use prometheus::Registry;

use super::serve::{caught_up, registry};
use super::{OwnState, owners};
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;

/// How often RocksDB's figures are read.
const FIGURES: Duration = Duration::from_millis(500);

/// Arguments of `hmisr pipeline`.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
    /// Folder of the stores.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
    pub state: PathBuf,
    /// Address of look-ups, metrics and health.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    pub listen: String,
    /// Base URL under which servers reach these look-ups, such as http://10.0.0.7:8081; by default
    /// the address listened on.
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Go on at the store's offset where the group has none, as after the group was deleted.
    #[arg(long)]
    pub adopt_store_offset: bool,
    /// Skip a batch that cannot be read, as the log and /readyz name it, such as 3:1234; repeatable.
    #[arg(long, value_name = "PARTITION:OFFSET")]
    pub skip_unreadable: Vec<SkipBatch>,
}

pub fn run(mut config: Config, args: PipelineArgs) -> Result<(), Failure> {
    config.pipeline.adopt_store_offset |= args.adopt_store_offset;
    config.pipeline.skip_unreadable.extend(&args.skip_unreadable);
    let kafka = args.kafka.kafka(config.kafka.clone());
    kafka.accept_session()?;
    let stop = crate::stop::on_signal()?;
    let registry = registry()?;
    let state = State::new(&config);
    let (progress, directory) = (state.progress.clone(), state.directory.clone());
    let advertised = args.advertise.unwrap_or_else(|| config.pipeline.advertised_url.clone());
    let settings = hmisr_serving::Settings { listen: args.listen, ..config.serving.clone() };
    let metrics = Arc::new(Metrics::new(&registry)?);
    let lookup = OwnState::shared(directory.clone());
    let activity = Arc::new(Activity::new(registry.clone()));
    let router = Api::new(settings.clone(), registry.clone(), metrics.clone(), lookup.clone())?
        .with_page(activity.clone())
        .with_check("caught_up", move || caught_up(&progress))
        .with_own_url(&advertised)
        .router();
    let server = HttpServer::start(router, settings, metrics, stop.clone())?;
    let sampler = activity.spawn(lookup, stop.clone())?;
    let job = start(&config, &kafka, &args.state, &registry, state, stop.clone())?;
    let announcing = match url(&advertised, &server) {
        Some(url) => Some(owners::announce(kafka.0.clone(), url, directory, stop)?),
        None => None,
    };
    println!("pipeline over {}; its page, look-ups and metrics on {}/", kafka.describe(), server.url());
    let ended = job.join();
    if let Some(announcing) = announcing {
        announcing.join().map_err(|_| Failure::panic("announcing partitions"))?;
    }
    sampler.join().map_err(|_| Failure::panic("sampling the metrics"))?;
    server.join()?;
    ended
}

/// Where others reach the look-ups; none where the address says nothing to them.
fn url(advertised: &str, server: &HttpServer) -> Option<String> {
    if !advertised.is_empty() {
        return Some(advertised.to_owned());
    }
    if server.address().ip().is_unspecified() {
        tracing::warn!(
            "listening on every address: say with --advertise (pipeline.advertised_url) where others reach this one; until then servers find its users by asking every pipeline of serving.lookup_urls"
        );
        return None;
    }
    Some(server.url())
}

/// What other threads see of a job.
pub struct State {
    /// How far it is.
    pub progress: Arc<PipelineProgress>,
    /// The stores that it owns.
    pub directory: StateDirectory,
}

impl State {
    /// Before the job has begun.
    pub fn new(config: &Config) -> Self {
        let directory =
            StateDirectory::new(config.features.clone()).with_partitioner(config.topics.partitioner);
        Self { progress: Arc::default(), directory }
    }
}

/// The job, running in a thread of its own.
pub struct Job {
    /// How far it is.
    pub progress: Arc<PipelineProgress>,
    /// The state that it owns.
    pub directory: StateDirectory,
    thread: JoinHandle<Result<(), Failure>>,
    figures: JoinHandle<()>,
}

impl Job {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, which comes after the stop flag is set, or with an error.
    pub fn join(self) -> Result<(), Failure> {
        let ended = self.thread.join().unwrap_or_else(|_| Err(Failure::panic("the job")));
        self.figures.join().map_err(|_| Failure::panic("reading RocksDB's figures"))?;
        ended
    }
}

/// Starts the job over `transport`, with its stores below `folder`.
pub fn start<T: Transport>(
    config: &Config,
    transport: &T,
    folder: &Path,
    registry: &Registry,
    State { progress, directory }: State,
    stop: Arc<AtomicBool>,
) -> Result<Job, Failure> {
    let setup = Setup {
        features: config.features.clone(),
        pipeline: config.pipeline.clone(),
        state: config.state.clone(),
        folder: folder.to_owned(),
        metrics: PipelineMetrics::new(registry)?,
        directory: directory.clone(),
        progress: progress.clone(),
        world: Arc::new(SystemWorld::default()),
    };
    // The sink first: it fences a predecessor before any offset is read.
    let transactional_id = config.pipeline.transactional_id.clone();
    let delivery = config.pipeline.delivery;
    let sink = transport.sink(&transactional_id, delivery)?;
    let source = transport.source(topic::EVENTS, &config.pipeline.group)?;
    let engine = Engine::new(setup, source, sink)?;
    let state = StateMetrics::new(registry)?;
    let figures = std::thread::spawn({
        let (stop, directory) = (stop.clone(), directory.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = state.observe(&directory.readers()) {
                    tracing::warn!(%error, "RocksDB's figures cannot be read");
                }
                std::thread::park_timeout(FIGURES);
            }
        }
    });
    let transport = transport.clone();
    let thread = std::thread::Builder::new().name("pipeline".into()).spawn(move || {
        let ended = engine.run(&stop, || transport.sink(&transactional_id, delivery));
        // The rest of the process follows the job's end.
        stop.store(true, Ordering::Relaxed);
        ended.map_err(Failure::from)
    })?;
    Ok(Job { progress, directory, thread, figures })
}
