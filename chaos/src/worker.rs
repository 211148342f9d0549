//! The process that is killed: the engine over the embedded log, fed and read within it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Duration;

use hmisr_pipeline::engine::{Engine, Setup};
use hmisr_pipeline::{PipelineMetrics, PipelineProgress, PipelineSettings, StateDirectory};
use hmisr_stream::contract::topic;
use hmisr_stream::log::{Log, LogSettings};
use hmisr_stream::{Limits, Polled, Source};
use rand::RngExt;

use crate::args::WorkerArgs;
use crate::events::{event, rng};
use crate::failure::{Failure, Result};
use crate::outputs::{OUTPUTS, Order};
use crate::settings::{self, PARTITIONS};
use crate::swap::Swapped;
use crate::world::{Killable, SPEED};

/// Events that may wait to be processed; the feeder waits beyond it.
const MAX_BACKLOG: i64 = 5_000;
/// Events of one append, at most.
const MAX_APPEND: u64 = 60;
/// How far back the reader begins, records of a partition: beyond what a kill can leave open.
const TAIL: i64 = 2_000;
/// How often the threads of a worker look up.
const TICK: Duration = Duration::from_millis(1);

/// The embedded log of a run, with its topics.
pub fn open_log(data: &Path) -> Result<Log> {
    let log = Log::open(&data.join("log"), LogSettings::default())?;
    log.create_topic(topic::EVENTS, PARTITIONS)?;
    OUTPUTS.iter().try_for_each(|topic| log.create_topic(topic, PARTITIONS))?;
    Ok(log)
}

/// Where a worker leaves the last point that it reached.
pub const TRACE: &str = "last-point";

/// Runs until it is killed; with `--drain`, until everything is processed.
pub fn run(args: &WorkerArgs) -> Result<()> {
    let log = open_log(&args.data)?;
    // Streams of the seed beyond those of the events.
    let mut rng = rng(args.seed, (1 << 62) + args.start);
    let pipeline = match args.drain {
        true => settings::pipeline(),
        false => PipelineSettings {
            commit_interval_ms: SPEED * [0, 1, 5, 20, 50][rng.random_range(0..5)],
            batch_records: [1, 16, 64, 1_024][rng.random_range(0..4)],
            ..settings::pipeline()
        },
    };
    let world = Killable::new(&args.data.join(TRACE), args.kill_at, (!args.drain).then_some(rng))?;
    let progress = Arc::new(PipelineProgress::default());
    let setup = Setup {
        features: settings::features(),
        pipeline: pipeline.clone(),
        state: settings::state_with_checkpoints(&args.data)?,
        folder: args.data.join("state"),
        metrics: PipelineMetrics::new(&prometheus::Registry::new())
            .map_err(|error| Failure::fault(error.to_string()))?,
        directory: StateDirectory::new(settings::features()),
        progress: progress.clone(),
        world: Arc::new(world),
    };
    let sink = || Swapped::new(log.sink(&pipeline.transactional_id), args.swap);
    let engine = Engine::new(setup, log.source(topic::EVENTS, &pipeline.group)?, sink())?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let engine = spawn(scope, &stop, || Ok(engine.run(&stop, || Ok(sink()))?));
        let feeder =
            spawn(scope, &stop, || if args.drain { Ok(()) } else { feed(&log, args, &progress, &stop) });
        let reader = spawn(scope, &stop, || read(&log, &pipeline.group, &stop));
        let mut ready = false;
        while !stop.load(Ordering::Relaxed) {
            if !ready && progress.ready() {
                ready = true;
                println!("ready");
            }
            if args.drain && waiting(&log, &progress) == 0 {
                break;
            }
            std::thread::sleep(TICK);
        }
        stop.store(true, Ordering::Relaxed);
        [engine, feeder, reader].into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failure::fault("a thread of the worker panicked")))
        })
    })
}

/// Starts a thread whose error stops the others.
fn spawn<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    stop: &'scope AtomicBool,
    body: impl FnOnce() -> Result<()> + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, Result<()>> {
    scope.spawn(move || body().inspect_err(|_| stop.store(true, Ordering::Relaxed)))
}

/// Events that are in the log and not yet committed, as far as the engine has told.
fn waiting(log: &Log, progress: &PipelineProgress) -> i64 {
    let done = progress.next_offsets();
    let ends = log.ends(topic::EVENTS).unwrap_or_default();
    (0..).zip(ends).map(|(partition, end)| end - done.get(&partition).copied().unwrap_or(0)).sum()
}

/// Appends the events that follow on those in the log.
fn feed(log: &Log, args: &WorkerArgs, progress: &PipelineProgress, stop: &AtomicBool) -> Result<()> {
    let ends = log.ends(topic::EVENTS).unwrap_or_default();
    let mut next = ends.iter().sum::<i64>().unsigned_abs();
    while !stop.load(Ordering::Relaxed) {
        if waiting(log, progress) > MAX_BACKLOG {
            std::thread::sleep(TICK);
            continue;
        }
        let count = rng(args.seed, next).random_range(1..=MAX_APPEND);
        let records: Vec<_> = (next..next + count).map(|n| event(args.seed, n)).collect();
        log.append(&records)?;
        next += count;
        std::thread::sleep(Duration::from_secs_f64(count as f64 / args.rate));
    }
    Ok(())
}

/// Reads the outputs as they become visible: each event's once, in their order, and never before
/// the input offset is committed with it.
fn read(log: &Log, group: &str, stop: &AtomicBool) -> Result<()> {
    let topics = [topic::USER_FEATURES, topic::DEAD_LETTERS];
    let mut readers = Vec::new();
    for topic in topics {
        readers.push((topic, log.source(topic, "chaos-reader")?, Order::default()));
    }
    while !stop.load(Ordering::Relaxed) {
        for (topic, source, order) in &mut readers {
            match source.poll(Limits { records: 1_000, bytes: 1 << 20 }, TICK)? {
                Polled::Assigned(partitions) => {
                    for partition in partitions {
                        let (start, end) = source.bounds(partition)?;
                        source.seek(partition, start.max(end - TAIL))?;
                    }
                }
                Polled::Revoked(_) => {}
                Polled::Records(records) => {
                    for record in &records {
                        let origin = order.see(topic, record).map_err(Failure::fault)?;
                        let Some((partition, offset)) = origin else { continue };
                        let committed = log.committed(group, topic::EVENTS, partition)?;
                        if committed <= Some(offset) {
                            return Err(Failure::fault(format!(
                                "{topic} [{}] {} is visible, made from events [{partition}] {offset}, while the \
                                 group's committed offset is {committed:?}",
                                record.partition, record.offset
                            )));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
