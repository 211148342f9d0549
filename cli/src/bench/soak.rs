//! The job at full load for long: what must stay flat is memory, open files and disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hmisr_feed::{EventLog, EventWriter};
use hmisr_stream::log::Log;
use serde::Serialize;

use super::input::Events;
use super::{log_of, usage};
use crate::commands::pipeline::{self, Job, State};
use crate::config::Config;
use crate::failure::Failure;

/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(10);
/// Events that may be written and not yet processed.
const BACKLOG: u64 = 100_000;
/// Events between two looks at the clock.
const CHUNK: u64 = 2_000;
/// What the embedded log keeps of each partition.
const KEPT_BYTES: u64 = 64 << 20;

/// Arguments of `hmisr bench soak`.
#[derive(Debug, Args)]
pub struct BenchSoakArgs {
    /// How long, in minutes.
    #[arg(long, default_value_t = 30.0, value_name = "MINUTES")]
    pub minutes: f64,
    /// Users that the events are drawn from.
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    pub users: u64,
    /// Folder for log, state and checkpoints while it runs; without it a temporary one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What was seen at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    seconds: u64,
    events: u64,
    rss_bytes: u64,
    open_files: u64,
    disk_bytes: u64,
}

pub fn run(mut config: Config, args: &BenchSoakArgs) -> Result<(), Failure> {
    let scratch;
    let folder = match &args.data {
        Some(folder) => folder.as_path(),
        None => {
            scratch = tempfile::tempdir()?;
            scratch.path()
        }
    };
    std::fs::create_dir_all(folder)?;
    config.log.retention_bytes = KEPT_BYTES;
    config.log.retention_margin_ms = 1_000;
    let place = folder.join("checkpoints");
    std::fs::create_dir_all(&place)?;
    config.state.checkpoints = format!("file://{}", place.canonicalize()?.display());
    config.state.checkpoint_interval_s = 60;
    let log = Log::open(&log_of(folder), config.log.clone())?;
    log.create_topics(&config.topics)?;
    let (stop, registry) = (crate::stop::on_signal()?, prometheus::Registry::new());
    let state = State::new(&config);
    let job = pipeline::start(&config, &log, &folder.join("state"), &registry, state, stop.clone())?;
    let samples = feed(args, &log, folder, &config, &job, &stop);
    stop.store(true, Ordering::Relaxed);
    job.join()?;
    print(args, &samples?)
}

/// Feeds as fast as the job takes it, and looks at the process from time to time.
fn feed(
    args: &BenchSoakArgs,
    log: &Log,
    folder: &Path,
    config: &Config,
    job: &Job,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Sample>, Failure> {
    let mut writer: Box<dyn EventWriter + Send> = log.writer()?;
    let mut events = Events::new(args.users);
    let (began, mut samples, mut sent) = (Instant::now(), Vec::new(), 0_u64);
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    while began.elapsed() < length && !job.is_finished() && !stop.load(Ordering::Relaxed) {
        let done = job.progress.next_offsets().values().sum::<i64>() as u64;
        if sent - done.min(sent) < BACKLOG {
            for _ in 0..CHUNK {
                let (partition, line) = events.line(config.topics.partitions);
                writer.write(partition, line)?;
            }
            writer.flush()?;
            sent += CHUNK;
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
        if began.elapsed() >= SAMPLE * (samples.len() as u32 + 1) {
            log.retain()?;
            let sample = Sample {
                seconds: began.elapsed().as_secs(),
                events: done,
                rss_bytes: usage::rss_bytes()?,
                open_files: usage::open_files()?,
                disk_bytes: disk_bytes(folder),
            };
            let Sample { seconds, events, rss_bytes, open_files, disk_bytes } = sample;
            eprintln!(
                "{seconds:>6} s {events:>12} events {:>6} MiB resident {open_files:>5} open files {:>6} MiB on disk",
                rss_bytes >> 20,
                disk_bytes >> 20
            );
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// Files may go while they are counted: those do not count.
fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Medians of the second and of the last third: the first one fills caches and windows.
fn print(args: &BenchSoakArgs, samples: &[Sample]) -> Result<(), Failure> {
    let third = samples.len() / 3;
    if third == 0 {
        return Err(Failure::user("--minutes: too short for a sample in each third"));
    }
    let median = |of: fn(&Sample) -> u64, part: &[Sample]| {
        let mut values: Vec<u64> = part.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let both = |of| {
        let (second, last) = (&samples[third..2 * third], &samples[2 * third..]);
        serde_json::json!({"second_third": median(of, second), "last_third": median(of, last)})
    };
    let last = samples[samples.len() - 1];
    let report = serde_json::json!({
        "seconds": last.seconds,
        "events": last.events,
        "users": args.users,
        "rss_bytes": both(|sample| sample.rss_bytes),
        "open_files": both(|sample| sample.open_files),
        "disk_bytes": both(|sample| sample.disk_bytes),
    });
    match args.json {
        true => println!("{report}"),
        false => {
            println!("{}", serde_json::to_string_pretty(&report).map_err(|error| Failure::fault(&error))?)
        }
    }
    Ok(())
}
