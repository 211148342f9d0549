//! `hmisr serve`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use hmisr_serving::{Api, HttpLookup, HttpServer, Metrics, ModelSlot, Snapshots, UserLookup, Watcher};
use prometheus::Registry;

use crate::args::ServeArgs;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, args: ServeArgs) -> Result<(), Failure> {
    let mut settings = config.serving;
    settings.listen = args.listen.unwrap_or(settings.listen);
    if !args.pipelines.is_empty() {
        settings.lookup_urls = args.pipelines;
    }
    let lookup = HttpLookup::new(&settings).map_err(|error| Failure::user(error.to_string()))?;
    let stop = crate::stop::on_signal()?;
    let serving = start(&settings, &registry()?, &args.snapshots, Arc::new(lookup), stop)?;
    println!(
        "serving on http://{}/ from snapshots in {}",
        serving.server.address(),
        args.snapshots.display()
    );
    serving.join()
}

/// A server and what swaps its model.
pub struct Serving {
    /// The HTTP server.
    pub server: HttpServer,
    /// The model in force.
    pub slot: Arc<ModelSlot>,
    watcher: JoinHandle<()>,
}

impl Serving {
    /// Waits for both to end, which they do after the stop flag is set.
    pub fn join(self) -> Result<(), Failure> {
        self.server.join()?;
        self.watcher.join().map_err(|_| Failure::user("the snapshot watcher ended by a panic"))
    }
}

/// Starts serving from the snapshots in `folder`.
pub fn start(
    settings: &hmisr_serving::Settings,
    registry: &Registry,
    folder: &Path,
    lookup: Arc<dyn UserLookup>,
    stop: Arc<AtomicBool>,
) -> Result<Serving, Failure> {
    let metrics = Arc::new(Metrics::new(registry)?);
    let slot = Arc::new(ModelSlot::new());
    let interval = Duration::from_millis(settings.reload_interval_ms);
    let watcher = Watcher::new(Arc::new(Snapshots::new(folder)), slot.clone(), metrics.clone(), interval)
        .spawn(stop.clone())?;
    let router =
        Api::new(settings.clone(), registry.clone(), metrics, lookup)?.with_models(slot.clone()).router();
    let server = HttpServer::start(router, settings.clone(), stop)?;
    Ok(Serving { server, slot, watcher })
}

/// A registry with the process's own figures.
pub fn registry() -> Result<Registry, Failure> {
    let registry = Registry::new();
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(registry)
}
