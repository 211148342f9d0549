//! `hmisr bench lookup`: how fast users are found over HTTP while the job writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hmisr_feed::{EventLog, FeedMetrics, Feeder};
use hmisr_pipeline::PipelineProgress;
use hmisr_serving::{Api, HttpServer, Metrics};
use hmisr_stream::log::Log;
use prometheus::Registry;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::commands::{OwnState, pipeline, serve};
use crate::config::Config;
use crate::failure::Failure;

/// Events that may wait for the job.
const BACKLOG: u64 = 50_000;
/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Arguments of `hmisr bench lookup`.
#[derive(Debug, Args)]
pub struct BenchLookupArgs {
    /// Generated users.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub users: u32,
    /// Events before the measurement.
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub fill: u64,
    /// Events per second during the measurement; 0: as fast as the job goes.
    #[arg(long, value_name = "R", default_value_t = 2_000.0)]
    pub rate: f64,
    /// Connections that ask, each one request after the other.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub clients: usize,
    /// How long they ask, seconds.
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub seconds: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    clients: usize,
    seconds: f64,
    lookups: usize,
    lookups_per_s: f64,
    /// Answers that there is no such user: the generator has not come to everyone.
    unknown: usize,
    /// Requests that got no answer, or one of another status.
    failed: usize,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// What the job applied meanwhile.
    events_per_s: f64,
    users: u32,
    events_before: u64,
}

pub fn run(mut config: Config, args: &BenchLookupArgs) -> Result<(), Failure> {
    if args.users == 0 || args.clients == 0 || args.seconds == 0 {
        return Err(Failure::user("--users, --clients and --seconds must be 1 or more"));
    }
    config.feed.events = None;
    config.feed.generator.users = args.users;
    config.feed.generator.events = Some(args.fill);
    config.serving.listen = "127.0.0.1:0".to_owned();
    // What is measured are look-ups, not handshakes.
    config.serving.tls_certificate.clear();
    config.serving.tls_key.clear();
    config.serving.bearer_token_file.clear();
    let folder = tempfile::tempdir()?;
    let log = Log::open(&folder.path().join("log"), config.log.clone())?;
    log.create_topics(&config.topics)?;
    let (registry, stop) = (serve::registry()?, Arc::new(AtomicBool::new(false)));
    let state = pipeline::State::new(&config);
    let (progress, directory) = (state.progress.clone(), state.directory.clone());
    let metrics = Arc::new(Metrics::new(&registry)?);
    let api =
        Api::new(config.serving.clone(), registry.clone(), metrics.clone(), OwnState::shared(directory))?;
    let server = HttpServer::start(api.router(), config.serving.clone(), metrics, stop.clone())?;
    let job = pipeline::start(&config, &log, &folder.path().join("state"), &registry, state, stop.clone())?;

    eprintln!("filling the state: {} events of {} users", args.fill, args.users);
    feed(&config, &log, &progress, &stop)?;
    while processed(&progress) < args.fill && !job.is_finished() {
        std::thread::sleep(LOOK);
    }
    eprintln!("asking for {} s", args.seconds);
    config.feed.generator.events = None;
    config.feed.rate_per_second = args.rate;
    let measured = std::thread::scope(|threads| {
        let feeding = threads.spawn(|| feed(&config, &log, &progress, &stop));
        let measured = measure(args, &format!("http://{}/v1/users", server.address()), &progress);
        stop.store(true, Ordering::Relaxed);
        feeding.join().unwrap_or_else(|_| Err(Failure::panic("the feeder"))).map(|()| measured)
    });
    job.join()?;
    server.join()?;
    print(&measured?, args.json)
}

/// Feeds what the log does not hold yet, until its end or the stop.
fn feed(config: &Config, log: &Log, progress: &PipelineProgress, stop: &AtomicBool) -> Result<(), Failure> {
    let mut feeder = Feeder::new(&config.feed, FeedMetrics::new(&Registry::new())?)?;
    let (mut source, mut writer, fed) = (config.feed.open_source()?, log.writer()?, feeder.progress());
    let mut may_send =
        || BACKLOG.saturating_sub((fed.fed() + fed.skipped()).saturating_sub(processed(progress)));
    feeder.run(source.as_mut(), writer.as_mut(), &mut may_send, stop)?;
    Ok(())
}

fn processed(progress: &PipelineProgress) -> u64 {
    progress.next_offsets().values().sum::<i64>().unsigned_abs()
}

/// Asks with all clients at once.
fn measure(args: &BenchLookupArgs, url: &str, progress: &PipelineProgress) -> Measured {
    let (before, began) = (processed(progress), Instant::now());
    let until = began + Duration::from_secs(args.seconds);
    let asked: Vec<Asked> = std::thread::scope(|threads| {
        let clients: Vec<_> = (0..args.clients)
            .map(|seed| threads.spawn(move || ask(args.users, url, seed as u64, until)))
            .collect();
        clients.into_iter().filter_map(|client| client.join().ok()).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    let mut times: Vec<Duration> = asked.iter().flat_map(|client| client.times.iter().copied()).collect();
    times.sort_unstable();
    let at = |share: f64| {
        let rank = (times.len() as f64 * share).ceil() as usize;
        times.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Measured {
        clients: args.clients,
        seconds,
        lookups: times.len(),
        lookups_per_s: times.len() as f64 / seconds,
        unknown: asked.iter().map(|client| client.unknown).sum(),
        failed: asked.iter().map(|client| client.failed).sum(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: at(1.0),
        events_per_s: (processed(progress) - before) as f64 / seconds,
        users: args.users,
        events_before: before,
    }
}

/// What one client saw.
#[derive(Default)]
struct Asked {
    times: Vec<Duration>,
    unknown: usize,
    failed: usize,
}

fn ask(users: u32, url: &str, seed: u64, until: Instant) -> Asked {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut asked = Asked::default();
    while Instant::now() < until {
        let user = random.random_range(1..=users);
        let began = Instant::now();
        // The body is read too: the answer has come when all of it has.
        let status = agent.get(format!("{url}/{user}")).call().and_then(|mut answer| {
            answer.body_mut().read_to_vec()?;
            Ok(answer.status().as_u16())
        });
        match status {
            Ok(200) => asked.times.push(began.elapsed()),
            Ok(404) => {
                asked.times.push(began.elapsed());
                asked.unknown += 1;
            }
            Ok(_) | Err(_) => asked.failed += 1,
        }
    }
    asked
}

fn print(measured: &Measured, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(measured).map_err(|error| Failure::fault(&error))?);
        return Ok(());
    }
    let Measured { clients, lookups_per_s, p50_ms, p99_ms, p999_ms, events_per_s, unknown, failed, .. } =
        measured;
    println!("{lookups_per_s:.0} look-ups/s over {clients} connections, beside {events_per_s:.0} events/s");
    println!("latency: p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, p99.9 {p999_ms:.2} ms");
    println!("unknown users {unknown}, failed requests {failed}");
    Ok(())
}
