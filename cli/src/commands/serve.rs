//! `hmisr serve`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Args;
use hmisr_pipeline::PipelineProgress;
use hmisr_serving::{
    Activity, Api, HttpServer, Listening, LookupClient, Metrics, ModelSlot, Snapshots, UserLookup, Watcher,
};
use prometheus::Registry;

use super::owners;
use crate::brokers::BrokerArgs;
use crate::config::Config;
use crate::failure::Failure;

/// Arguments of `hmisr serve`.
#[derive(Debug, Args)]
#[command(mut_arg("brokers", |it| it.help("Kafka brokers, host:port[,…]: the topic `state-owners` there says which pipeline to ask for a user. Without it every pipeline is asked")))]
pub struct ServeArgs {
    /// Folder of the snapshots, shared with the trainer.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/snapshots")]
    pub snapshots: PathBuf,
    /// Address to serve on; without it serving.listen of the settings, 127.0.0.1:8080.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Base URL of a pipeline that answers look-ups; repeatable.
    #[arg(long = "pipeline", value_name = "URL")]
    pub pipelines: Vec<String>,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
}

pub fn run(config: Config, args: ServeArgs) -> Result<(), Failure> {
    let mut settings = config.serving;
    settings.listen = args.listen.unwrap_or(settings.listen);
    if !args.pipelines.is_empty() {
        settings.lookup_urls = args.pipelines;
    }
    let mut lookup = LookupClient::new(&settings)
        .map_err(|error| Failure::user(error.to_string()))?
        .with_partitioner(config.topics.partitioner);
    if args.kafka.brokers.is_some() {
        let kafka = args.kafka.over(config.kafka);
        lookup = lookup.with_owners(move || owners::read(&kafka));
    }
    let stop = crate::stop::on_signal()?;
    let listening = Listening::new(settings)?;
    let lookup = Arc::new(lookup);
    let serving =
        start(listening, &registry()?, &args.snapshots, lookup, config.features.min_ts_ms, None, stop)?;
    println!("serving on {}/ from snapshots in {}", serving.server.url(), args.snapshots.display());
    serving.join()
}

/// A server, what swaps its model, and what samples for its page.
pub struct Serving {
    /// The HTTP server.
    pub server: HttpServer,
    /// The model in force.
    pub slot: Arc<ModelSlot>,
    watcher: JoinHandle<()>,
    sampler: JoinHandle<()>,
}

impl Serving {
    /// Whether the watcher has ended, which it does only when it is stopped.
    pub fn is_finished(&self) -> bool {
        self.watcher.is_finished()
    }

    /// Waits for all of them to end, which they do after the stop flag is set.
    pub fn join(self) -> Result<(), Failure> {
        self.server.join()?;
        self.watcher.join().map_err(|_| Failure::panic("the snapshot watcher"))?;
        self.sampler.join().map_err(|_| Failure::panic("sampling the metrics"))
    }
}

/// Starts serving where it is listened, from the snapshots in `folder`; times in requests before `min_ts_ms` are
/// refused. With a `job` in the same process, the server is
/// ready when that is.
pub fn start(
    listening: Listening,
    registry: &Registry,
    folder: &Path,
    lookup: Arc<dyn UserLookup>,
    min_ts_ms: i64,
    job: Option<Arc<PipelineProgress>>,
    stop: Arc<AtomicBool>,
) -> Result<Serving, Failure> {
    let settings = listening.settings().clone();
    let metrics = Arc::new(Metrics::new(registry)?);
    let slot = Arc::new(ModelSlot::new());
    let activity = Arc::new(Activity::new(registry.clone()));
    let interval = Duration::from_millis(settings.reload_interval_ms);
    let snapshots = Arc::new(Snapshots::new(folder).within(settings.max_snapshot_bytes));
    let watcher = Watcher::new(snapshots, slot.clone(), metrics.clone(), interval)
        .with_timeout(settings.reload_timeout())
        .with_activity(activity.clone())
        .spawn(stop.clone())?;
    let mut api = Api::new(settings, registry.clone(), metrics.clone(), lookup.clone())?
        .with_models(slot.clone())
        .with_min_ts_ms(min_ts_ms)
        .with_page(activity.clone());
    if let Some(job) = job {
        api = api.with_check("caught_up", move || caught_up(&job));
    }
    let server = HttpServer::start_on(listening, api.router(), metrics, stop.clone())?;
    let sampler = activity.spawn(lookup, stop)?;
    Ok(Serving { server, slot, watcher, sampler })
}

/// Whether every partition of the job has caught up with its committed offset, and nothing stands in the
/// way of the others.
pub fn caught_up(job: &PipelineProgress) -> Result<(), String> {
    if job.ready() {
        return Ok(());
    }
    let waits = job.waits();
    match waits.is_empty() {
        false => Err(waits.join("; ")),
        true => {
            Err("a partition has not caught up with its committed offset, or none is assigned yet".to_owned())
        }
    }
}

/// A registry with the process's own figures.
pub fn registry() -> Result<Registry, Failure> {
    let registry = Registry::new();
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(registry)
}
