//! `hmisr bench`: what the job does per second, measured on this machine.
//!
//! Each phase is a process of its own, so that its CPU time, its memory and RocksDB's caches are
//! its own too; the CPU of a broker is not counted. Phases take turns over several rounds, and
//! medians are reported, since machines are noisy.

pub mod args;
mod ceiling;
mod cold;
mod input;
mod learn;
mod lookup;
mod phase;
mod products;
mod report;
mod soak;
mod timed;
mod train;
mod usage;

use std::path::Path;

use hmisr_feed::EventLog;
use hmisr_stream::kafka::{Admin, Kafka};
use hmisr_stream::log::Log;

use self::args::{BenchCommand, BenchPipelineArgs};
use self::phase::{Figures, Phase};
use self::report::Report;
use crate::commands::topics;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, command: BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Pipeline(args) => pipeline(config, &args),
        BenchCommand::Lookup(args) => lookup::run(config, &args),
        BenchCommand::Soak(args) => soak::run(config, &args),
        BenchCommand::Train(args) => train::run(&args),
        BenchCommand::Learn(args) => learn::run(config, &args),
    }
}

fn pipeline(mut config: Config, args: &BenchPipelineArgs) -> Result<(), Failure> {
    config.topics.partitions = args.partitions;
    config.topics.replication = 1;
    config.kafka = args.kafka.over(config.kafka);
    if let Some(phase) = args.phase {
        let figures = match &args.kafka.brokers {
            Some(_) => phase.run(&config, &Kafka(config.kafka.clone()), args),
            None => phase.run(&config, &Log::open(&log_of(args.folder()?), config.log.clone())?, args),
        }?;
        println!("{}", serde_json::json!(figures));
        return Ok(());
    }
    let scratch = match &args.data {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)?
        }
        None => tempfile::tempdir()?,
    };
    let report = measure(&config, args, scratch.path())?;
    report.print(args.json);
    Ok(())
}

fn log_of(folder: &Path) -> std::path::PathBuf {
    folder.join("log")
}

fn measure(config: &Config, args: &BenchPipelineArgs, folder: &Path) -> Result<Report, Failure> {
    preload(config, args, folder)?;
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        for phase in Phase::THROUGHPUT {
            let figures = spawn(args, folder, phase, 0.0)?;
            eprintln!(
                "round {}: {:<22} {:>9.0} events/s on {:.2} cores, {:>9.0} per core",
                round + 1,
                phase.name(),
                figures.eps(),
                figures.cores(),
                figures.eps() / figures.cores()
            );
            rounds.push((phase, figures));
        }
    }
    let report = Report::new(args, rounds);
    let rate = report.exactly_once_eps() / 2.0;
    eprintln!("latency at {rate:.0} events/s, half of what exactly once was seen to take");
    Ok(report.with_latency(rate, spawn(args, folder, Phase::Latency, rate)?))
}

/// Writes the input once. Over Kafka it refuses to touch topics that it did not make.
fn preload(config: &Config, args: &BenchPipelineArgs, folder: &Path) -> Result<(), Failure> {
    eprintln!("writing {} events of {} users to {} partitions", args.events, args.users, args.partitions);
    std::fs::create_dir_all(folder)?;
    if args.kafka.brokers.is_some() {
        let kafka = Kafka(config.kafka.clone());
        if Admin::new(&kafka.0)?.describe(hmisr_stream::contract::topic::EVENTS)?.is_some() {
            return Err(Failure::user(format!(
                "--brokers {}: has a topic `events` already, and the benchmark writes its own: give it an empty broker (make kafka KAFKA_PORT=9095)",
                kafka.0.brokers
            )));
        }
        topics::create(&kafka, &config.topics)?;
        return input::write(kafka.writer()?.as_mut(), args.events, args.users, args.partitions);
    }
    let pristine = folder.join("input");
    let log = Log::open(&log_of(&pristine), config.log.clone())?;
    log.create_topics(&config.topics)?;
    input::write(log.writer()?.as_mut(), args.events, args.users, args.partitions)
}

/// Runs a phase in a process of its own.
fn spawn(args: &BenchPipelineArgs, folder: &Path, phase: Phase, rate: f64) -> Result<Figures, Failure> {
    let run = folder.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    if args.kafka.brokers.is_none() {
        copy(&log_of(&folder.join("input")), &log_of(&run))?;
    }
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command
        .args(forwarded())
        .args(["--phase", phase.name(), "--rate", &rate.to_string(), "--data"])
        .arg(&run);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    std::fs::remove_dir_all(&run)?;
    if !output.status.success() {
        let ended = output.status;
        return Err(Failure::user(format!("phase {}: ended with {ended}; see above", phase.name())));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Failure::fault(&error))
}

/// This process's own arguments, less the folder.
fn forwarded() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--data") {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    arguments.retain(|argument| !argument.to_string_lossy().starts_with("--data="));
    arguments
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
