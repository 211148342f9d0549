//! One measured run, in a process of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmisr_feed::EventLog;
use hmisr_pipeline::engine::{Engine, Setup, SystemWorld};
use hmisr_pipeline::{PipelineMetrics, PipelineProgress, StateDirectory};
use hmisr_state::StateMetrics;
use hmisr_stream::contract::topic;
use hmisr_stream::{Delivery, Limits, Source};
use prometheus::Registry;
use serde::{Deserialize, Serialize};

use super::args::BenchPipelineArgs;
use super::timed::{SharedNotes, TimedSink, TimedSource};
use super::{ceiling, cold, input, usage};
use crate::config::Config;
use crate::failure::Failure;

/// How long the latency phase runs.
const LATENCY: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    Ceiling,
    AtLeastOnce,
    ExactlyOnce,
    ExactlyOnceCold,
    WithExamples,
    Latency,
}

/// What a phase saw.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Events processed.
    pub events: u64,
    /// From the first record to the last commit, seconds.
    pub wall_s: f64,
    /// CPU of this process in that time, seconds.
    pub cpu_s: f64,
    /// The most memory that was resident.
    pub peak_rss_bytes: u64,
    /// Written by RocksDB for the state: log, flushes, compactions.
    pub state_bytes_written: u64,
    /// Users with state before the first event.
    pub users_before: u64,
    /// p50, p99 and p99.9 from a record's timestamp to the commit of its outputs, milliseconds.
    pub latency_ms: [u32; 3],
}

impl Figures {
    pub fn eps(&self) -> f64 {
        self.events as f64 / self.wall_s
    }

    pub fn cores(&self) -> f64 {
        self.cpu_s / self.wall_s
    }
}

impl Phase {
    pub const THROUGHPUT: [Self; 5] =
        [Self::Ceiling, Self::AtLeastOnce, Self::ExactlyOnce, Self::ExactlyOnceCold, Self::WithExamples];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
            Self::ExactlyOnceCold => "exactly-once-cold",
            Self::WithExamples => "with-examples",
            Self::Latency => "latency",
        }
    }

    pub fn run<T: EventLog>(
        self,
        config: &Config,
        transport: &T,
        args: &BenchPipelineArgs,
    ) -> Result<Figures, Failure> {
        let mut config = config.clone();
        // A group of its own, so that a phase reads everything whatever ran before it.
        config.pipeline.group = format!("bench-{}-{}", self.name(), std::process::id());
        config.pipeline.transactional_id.clone_from(&config.pipeline.group);
        config.pipeline.training_examples = self == Self::WithExamples;
        if matches!(self, Self::Ceiling | Self::AtLeastOnce) {
            config.pipeline.delivery = Delivery::AtLeastOnce;
        }
        let mut users_before = 0;
        let source = transport.source(topic::EVENTS, &config.pipeline.group)?;
        let folder = args.folder()?.join("state");
        if self == Self::ExactlyOnceCold {
            cold::limit(&mut config);
            config.pipeline.adopt_store_offset = true;
            users_before = cold::fill(&config, &folder, source.topic())?;
        }
        let run = Run { config: &config, transport, folder: &folder, args };
        let figures = match self {
            Self::Ceiling => run.ceiling(source),
            Self::Latency => run.latency(source),
            _ => run.throughput(source),
        }?;
        Ok(Figures { users_before, ..figures })
    }
}

struct Run<'a, T> {
    config: &'a Config,
    transport: &'a T,
    folder: &'a Path,
    args: &'a BenchPipelineArgs,
}

impl<T: EventLog> Run<'_, T> {
    fn ceiling(self, source: T::Source) -> Result<Figures, Failure> {
        let notes = SharedNotes::default();
        let settings = &self.config.pipeline;
        let limits = Limits { records: settings.batch_records, bytes: settings.batch_bytes };
        let source = TimedSource { inner: source, notes: notes.clone() };
        let sink = self.transport.sink(&settings.transactional_id, settings.delivery)?;
        ceiling::run(source, sink, &self.config.features, limits, self.args.events)?;
        figures(&notes, self.args.events)
    }

    fn throughput(self, source: T::Source) -> Result<Figures, Failure> {
        let notes = SharedNotes::default();
        self.job(source, &notes, |progress| {
            while progress.next_offsets().values().sum::<i64>() < self.args.events as i64 {
                if progress.is_finished() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })
    }

    /// New events, paced, behind those that are there.
    fn latency(self, source: T::Source) -> Result<Figures, Failure> {
        let notes = SharedNotes::default();
        self.job(source, &notes, |progress| {
            let caught_up = |events: u64| progress.next_offsets().values().sum::<i64>() >= events as i64;
            while !caught_up(self.args.events) && !progress.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take_latencies();
            let mut writer = self.transport.writer()?;
            let mut events = input::Events::new(self.args.users);
            let (began, mut sent) = (Instant::now(), 0);
            while began.elapsed() < LATENCY && !progress.is_finished() {
                let due = (began.elapsed().as_secs_f64() * self.args.rate) as u64;
                while sent < due {
                    let (partition, line) = events.line(self.args.partitions);
                    writer.write(partition, line)?;
                    sent += 1;
                }
                writer.flush()?;
                std::thread::sleep(Duration::from_millis(2));
            }
            while !caught_up(self.args.events + sent) && !progress.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })
    }

    /// Runs the job beside `watch`, and stops it when that returns.
    fn job(
        &self,
        source: T::Source,
        notes: &SharedNotes,
        watch: impl FnOnce(&Watched) -> Result<(), Failure>,
    ) -> Result<Figures, Failure> {
        let registry = Registry::new();
        let directory = StateDirectory::new(self.config.features.clone());
        let progress = Arc::new(PipelineProgress::default());
        let setup = Setup {
            features: self.config.features.clone(),
            pipeline: self.config.pipeline.clone(),
            state: self.config.state.clone(),
            folder: self.folder.to_owned(),
            metrics: PipelineMetrics::new(&registry)?,
            directory: directory.clone(),
            progress: progress.clone(),
            world: Arc::new(SystemWorld::default()),
        };
        let settings = &self.config.pipeline;
        let sink = || {
            let inner = self.transport.sink(&settings.transactional_id, settings.delivery)?;
            Ok(TimedSink { inner, notes: notes.clone() })
        };
        let source = TimedSource { inner: source, notes: notes.clone() };
        let engine = Engine::new(setup, source, sink()?)?;
        let state = StateMetrics::new(&registry)?;
        let stop = AtomicBool::new(false);
        let watched = Watched { progress, finished: AtomicBool::new(false) };
        let (seen, written) = std::thread::scope(|scope| {
            let job = scope.spawn(|| {
                let ended = engine.run(&stop, sink);
                watched.finished.store(true, Ordering::Relaxed);
                ended
            });
            let seen = watch(&watched).and_then(|()| figures(notes, self.args.events));
            let written = state.observe(&directory.readers());
            stop.store(true, Ordering::Relaxed);
            job.join().map_err(|_| Failure::panic("the job"))??;
            written?;
            Ok::<_, Failure>((seen?, written_bytes(&registry)))
        })?;
        Ok(Figures { state_bytes_written: written, ..seen })
    }
}

struct Watched {
    progress: Arc<PipelineProgress>,
    finished: AtomicBool,
}

impl std::ops::Deref for Watched {
    type Target = PipelineProgress;

    fn deref(&self) -> &PipelineProgress {
        &self.progress
    }
}

impl Watched {
    fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
}

fn written_bytes(registry: &Registry) -> u64 {
    let counted = [
        "hmisr_pipeline_state_written_bytes_total",
        "hmisr_state_flushed_bytes_total",
        "hmisr_state_compacted_bytes_total",
    ];
    let families = registry.gather();
    let of = |name: &&str| families.iter().find(|family| family.name() == *name);
    counted.iter().filter_map(of).map(|family| family.get_metric()[0].get_counter().get_value() as u64).sum()
}

fn figures(notes: &SharedNotes, events: u64) -> Result<Figures, Failure> {
    let (now, cpu) = (Instant::now(), usage::cpu_seconds()?);
    let mut notes = notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (began, cpu_before) = notes.began.unwrap_or((now, cpu));
    let latencies = notes.latencies_ms.get_or_insert_default();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0);
    Ok(Figures {
        events,
        wall_s: (now - began).as_secs_f64(),
        cpu_s: cpu - cpu_before,
        peak_rss_bytes: usage::peak_rss_bytes()?,
        latency_ms: [at(0.5), at(0.99), at(0.999)],
        ..Figures::default()
    })
}
