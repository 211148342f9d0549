//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::world::KillAt;

/// Kills the streaming job with SIGKILL, again and again, and compares every output and every
/// user's state with what they must be.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Kill at random moments.
    ///
    /// The seed decides the events, the moments and the settings of each process; what a process
    /// has done by its moment depends on the machine too. Exit code 1: something was lost, written
    /// twice or different; the data folder is kept and named. Exit code 2: the arguments must be
    /// changed.
    Run(RunArgs),
    /// Kill at each named point of the engine, the first, the second and the seventh time that it
    /// comes, over the embedded log.
    Points(PointsArgs),
    /// Kill instances in the middle of rebalances over Kafka, start them again, and measure how long a
    /// partition stands still.
    ///
    /// Two instances share the partitions. At each start one comes under a new name, so that partitions move,
    /// and the other, or both, are killed meanwhile and come back. Exit code 1: a partition stood still for
    /// longer than --limit-s, or something was lost, written twice or different.
    Starts(StartsArgs),
    /// The process that is killed, over the embedded log.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Arguments of `run`; of one given twice the last counts.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct RunArgs {
    /// Over the embedded log, in a worker process; the default.
    #[arg(long, conflicts_with_all = ["kafka", "brokers"])]
    pub log: bool,
    /// Over an Apache Kafka that is started for it by scripts/kafka; needs Java 17 and Maven.
    #[arg(long, conflicts_with = "brokers")]
    pub kafka: bool,
    /// Over this Kafka, host:port, which has none of the topics yet.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// How many kills.
    #[arg(long, default_value_t = 1_000)]
    pub kills: u64,
    /// The seed of events, moments and settings.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Processes that share the partitions, each with a state folder of its own; on Kafka 2 are
    /// possible.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub instances: u8,
    /// Folder for log, state and progress; without it a temporary one, kept where the run fails.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Go on in --data at the kill that it had reached.
    #[arg(long, requires = "data")]
    pub resume: bool,
    /// Compare after so many kills, and at the end.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub compare_every: u64,
    /// Events fed per second; by default 5000 into the embedded log, 2000 into Kafka.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Write the state before the transaction is committed: the run must fail.
    #[arg(long, conflicts_with_all = ["kafka", "brokers"])]
    pub swap: bool,
    /// How the instances are members of their group, over Kafka.
    #[arg(long, value_enum, default_value_t = Membership::Static)]
    pub membership: Membership,
    /// The `hmisr` program that runs on Kafka; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    pub hmisr: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// Whether Kafka carries the records.
    pub fn over_kafka(&self) -> bool {
        self.kafka || self.brokers.is_some()
    }

    /// Events fed per second.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(if self.over_kafka() { 2_000.0 } else { 5_000.0 })
    }
}

/// How instances are members of their group over Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Membership {
    /// Classic protocol, with names of their own (`kafka.group_instance_id`).
    Static,
    /// Classic protocol, without names: one that dies is missed after its session.
    Dynamic,
    /// The brokers assign (KIP-848).
    Consumer,
}

impl Membership {
    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
            Self::Consumer => "consumer",
        }
    }
}

/// Arguments of `starts`.
#[derive(Debug, Args)]
pub struct StartsArgs {
    /// This Kafka, host:port, which has none of the topics yet; by default one is started by scripts/kafka, whose
    /// session for `consumer` is 10 s.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// How many starts.
    #[arg(long, default_value_t = 200)]
    pub starts: u64,
    /// The seed of events, moments and victims.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How long a partition may stand still, seconds.
    #[arg(long, default_value_t = 30)]
    pub limit_s: u64,
    /// How the instances are members of their group.
    #[arg(long, value_enum, default_value_t = Membership::Static)]
    pub membership: Membership,
    /// Threads that keep the machine busy meanwhile.
    #[arg(long, default_value_t = 0)]
    pub busy: u16,
    /// Folder for state and logs; without it a temporary one, kept where the run fails.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Events fed per second.
    #[arg(long, default_value_t = 200.0)]
    pub rate: f64,
    /// The `hmisr` program; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    pub hmisr: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

impl StartsArgs {
    /// The same as arguments of a run.
    pub fn run(&self) -> RunArgs {
        RunArgs {
            log: false,
            kafka: self.brokers.is_none(),
            brokers: self.brokers.clone(),
            kills: 0,
            seed: self.seed,
            instances: 2,
            data: self.data.clone(),
            resume: false,
            compare_every: 1,
            rate: Some(self.rate),
            swap: false,
            membership: self.membership,
            hmisr: self.hmisr.clone(),
            json: self.json,
        }
    }
}

/// Arguments of `points`.
#[derive(Debug, Args)]
pub struct PointsArgs {
    /// The seed of the events.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for log and state; without it a temporary one, kept where the run fails.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Folder of log and state.
    #[arg(long)]
    pub data: PathBuf,
    /// The seed of the events.
    #[arg(long)]
    pub seed: u64,
    /// Which worker of the run it is.
    #[arg(long)]
    pub start: u64,
    /// Events per second.
    #[arg(long)]
    pub rate: f64,
    /// Feed nothing; end when everything is processed.
    #[arg(long)]
    pub drain: bool,
    /// Write the state before the transaction is committed.
    #[arg(long)]
    pub swap: bool,
    /// Stop at a point, such as before-commit:3 for its third time, to be killed there.
    #[arg(long, value_name = "POINT:TURN")]
    pub kill_at: Option<KillAt>,
}
