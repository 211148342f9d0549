//! `hmisr arroyo`: the SQL pipelines on an Arroyo cluster.

mod print;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use hmisr_arroyo::{Cluster, StopMode, Tuning, Waiting};

use crate::config::Config;
use crate::failure::Failure;

/// Which cluster.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Address of Arroyo's API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5115")]
    api: String,
    /// File with a bearer token for it, where a proxy before Arroyo asks for one.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Seconds that an answer of the API may take; compiling a function for the first time takes minutes.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    request_timeout: u64,
    /// Seconds that a pipeline may take to run, or to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which pipelines, and their texts.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// Pipelines by name, such as user_features_hourly; without one all but user_features_hourly_raw, which stands
    /// in the place of that one where no streaming job runs.
    #[arg(value_name = "PIPELINE")]
    names: Vec<String>,
    /// Kafka brokers as Arroyo's workers reach them, host:port[,…]; by default those of the settings.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Folder with tables/ and queries/ of your own, in place of the ones in this build.
    #[arg(long, value_name = "DIR")]
    sql: Option<PathBuf>,
    /// Folder with functions of your own, *.rs, in place of the ones in this build.
    #[arg(long, value_name = "DIR")]
    udfs: Option<PathBuf>,
}

/// What to do there.
#[derive(Debug, Subcommand)]
pub enum ArroyoCommand {
    /// Make the pipelines run as this build, or --sql and --udfs, has them.
    ///
    /// The cluster checks every function and query before anything is made. A pipeline whose text is the
    /// same is let be, one that stopped or failed goes on at its checkpoint, one with another text is made
    /// anew: the old one goes when the new one runs, and stays where it does not. Give the command
    /// again after whatever ended it.
    Deploy {
        #[command(flatten)]
        texts: TextArgs,
        /// Subtasks of every operator; by default what the pipeline has, 1 where it is new. To catch up with
        /// a topic give its partitions.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
        parallelism: Option<u32>,
        /// Seconds between checkpoints; by default what the pipeline has, 10 where it is new.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        checkpoint_interval: Option<u64>,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// List the pipelines with their jobs, and whether their texts are the ones of this build.
    ///
    /// Ends with code 1 where one of them does not run.
    Status {
        #[command(flatten)]
        texts: TextArgs,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Stop pipelines; `deploy` starts them again at their checkpoint.
    Stop {
        /// Pipelines by name.
        #[arg(value_name = "PIPELINE", required = true)]
        names: Vec<String>,
        /// How.
        #[arg(long, value_enum, default_value_t = Mode::Checkpoint)]
        mode: Mode,
        /// Delete them as well, with their checkpoints' names: a later `deploy` begins anew.
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Show what `deploy` would change of the texts: lines of the cluster's with -, of this build's with +.
    ///
    /// Ends with code 1 where there is a difference.
    Diff {
        #[command(flatten)]
        texts: TextArgs,
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

/// How a pipeline is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// After one more checkpoint: what is started later goes on there.
    Checkpoint,
    /// When what has been read has gone through, without a checkpoint.
    Graceful,
    /// At once; a later start goes on at the newest checkpoint.
    Immediate,
    /// At once, whatever state the cluster thinks it is in.
    Force,
}

impl From<Mode> for StopMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Checkpoint => Self::Checkpoint,
            Mode::Graceful => Self::Graceful,
            Mode::Immediate => Self::Immediate,
            Mode::Force => Self::Force,
        }
    }
}

pub fn run(config: Config, command: ArroyoCommand) -> Result<(), Failure> {
    let wanted = |texts: TextArgs| {
        let brokers = texts.brokers.unwrap_or(config.kafka.brokers);
        hmisr_arroyo::wanted(&texts.names, &brokers, texts.sql.as_deref(), texts.udfs.as_deref())
    };
    let stop = crate::stop::on_signal()?;
    match command {
        ArroyoCommand::Deploy { texts, parallelism, checkpoint_interval, cluster: args } => {
            let wanted = wanted(texts)?;
            let cluster = connect(&args, &stop)?;
            let tuning = Tuning {
                parallelism,
                interval_micros: checkpoint_interval.map(|seconds| seconds * 1_000_000),
            };
            hmisr_arroyo::check(&cluster, &wanted)?;
            let deployed = hmisr_arroyo::deploy(&cluster, &wanted, tuning)?;
            print::deployed(&deployed, args.json)
        }
        ArroyoCommand::Status { texts, cluster: args } => {
            let wanted = wanted(texts)?;
            let statuses = hmisr_arroyo::statuses(&connect(&args, &stop)?, &wanted)?;
            print::statuses(&statuses, args.json)
        }
        ArroyoCommand::Stop { names, mode, delete, cluster: args } => {
            let stopped = hmisr_arroyo::stop(&connect(&args, &stop)?, &names, mode.into(), delete)?;
            print::stopped(&stopped, &names, delete, args.json)
        }
        ArroyoCommand::Diff { texts, cluster: args } => {
            let wanted = wanted(texts)?;
            let differences = hmisr_arroyo::differences(&connect(&args, &stop)?, &wanted)?;
            print::differences(&differences, args.json)
        }
    }
}

fn connect<'a>(args: &ClusterArgs, stop: &'a AtomicBool) -> Result<Cluster<'a>, Failure> {
    let token = match &args.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::user(format!("--token-file {}: {error}", path.display())))?;
            Some(text.trim().to_owned())
        }
        None => None,
    };
    let waiting =
        Waiting { timeout: Duration::from_secs(args.timeout), stop, tell: &|text| eprintln!("{text}") };
    Ok(Cluster::connect(&args.api, token, Duration::from_secs(args.request_timeout), waiting)?)
}
