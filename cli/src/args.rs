//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use hmisr_feed::Format;
use hmisr_model::backend::Precision;
use hmisr_stream::Partitioner;
use hmisr_stream::contract::Reason;

use crate::bench::Phase;
use crate::commands::arroyo::ArroyoCommand;
use crate::commands::bridge::{BridgeArgs, MappingArgs};
use crate::commands::eval::args::EvalArgs;
use crate::commands::experiment::Size;
use crate::commands::fit::FitArgs;
use crate::commands::forget::ForgetArgs;
use crate::commands::probe::ProbeArgs;
use crate::failure::Failure;

/// Events per second of the generator where nothing is said.
const GENERATOR_RATE: f64 = 500.0;

/// Diversity features, sequence windows and an online recommender from a stream of user events.
///
/// `hmisr up` runs the whole loop in one process, with nothing installed. In production each part
/// runs alone over Kafka: `hmisr pipeline`, `hmisr train`, `hmisr serve`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// Settings file; without it `hmisr.toml` of the working folder, where there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting over file and environment, such as features.window=8; repeatable.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole loop: events, features, training, snapshots, server.
    ///
    /// Without --events a seeded generator makes users with known interests; without --brokers
    /// an embedded log stands in for Kafka. Ctrl-C commits and publishes what is under way and exits;
    /// the next start on the same data folder goes on where this one stopped.
    Up(UpArgs),
    /// Run the streaming job: events in, features and training examples out, state in RocksDB.
    Pipeline(PipelineArgs),
    /// Learn from training examples and publish snapshots.
    Train(TrainArgs),
    /// Serve recommendations from the newest snapshot, swapped in while it runs.
    Serve(ServeArgs),
    /// Copy another topic into `events`: fields renamed, keyed by user, each record exactly once.
    ///
    /// A record that is no event becomes a dead letter. How far the copy came is committed with what was
    /// written, so the next run goes on there, whatever ended this one. Fields are told by name or by
    /// JSON pointer, here or in the settings file's [bridge]; docs/bridge.md has worked examples:
    ///
    /// hmisr bridge --brokers kafka:9092 --from clicks --field user_id=/user/id --field item_id=sku
    /// --field ts=event_time --time-unit s --default action=click
    Bridge(BridgeArgs),
    /// Ask for users to be forgotten: a tombstone for each goes to every partition of `events`.
    ///
    /// Those of a user are one transaction, so a run that is cut off is simply given again. The job then deletes the user's state, and writes tombstones to `user-features` and
    /// `training-examples`. Events that come later begin the user anew. docs/runbooks.md says what is
    /// left where, and for how long.
    Forget(ForgetArgs),
    /// Write events of a file, or generated ones, to `events`.
    ///
    /// What `hmisr up` does beside its other parts: to try things out, and to bring history. The next run
    /// on the same data folder goes on where this one ended.
    Feed(FeedArgs),
    /// Ask a part on this machine whether it is well: ends with 0 where it answers 200, else with 1.
    ///
    /// For the health checks of containers, which have no curl. TLS and the token are those of the settings
    /// in force; the certificate is not verified, since nothing leaves the machine.
    Probe(ProbeArgs),
    /// Compute the features of a file of events: one JSON line for each.
    Backfill(BackfillArgs),
    /// Fit a network to a data set, by stages, and measure it on the held-out part.
    ///
    /// The run's folder holds everything; after a stop the same command goes on where it ended, with
    /// the same outcome bit for bit. --set names a setting of the fit here, such as rate=0.001 or
    /// model.hmisr.losses.contrast=0; docs/evaluation.md lists them.
    Fit(Box<FitArgs>),
    /// Measure models offline: accuracy, diversity, coverage and confidence on a data set.
    ///
    /// The whole catalogue is ranked for every case. Models learn from the training part alone;
    /// docs/evaluation.md defines protocols and measures. With --runs networks are fitted first,
    /// where they are not yet; --set names a setting of their fits, as with hmisr fit.
    Eval(Box<EvalArgs>),
    /// Look into the state of a data folder.
    #[command(subcommand)]
    State(StateCommand),
    /// Make, check or list the topics on Kafka.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// List what could not be processed, and send it again.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Run the windowed features as SQL on an Arroyo cluster.
    #[command(subcommand)]
    Arroyo(ArroyoCommand),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the settings in force.
    Config {
        /// Print every setting with its default and meaning instead: a file to start from.
        #[arg(long)]
        defaults: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `hmisr up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Folder for log, state, snapshots and reports.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data")]
    pub data: PathBuf,
    /// Kafka brokers, host:port[,…]; without them the embedded log.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// What is fed.
    #[command(flatten)]
    pub feed: FedFrom,
    /// End when all input is processed, trained on and published, with a summary. With the
    /// generator it needs --generate.
    #[arg(long)]
    pub until_drained: bool,
    /// Leave items that the user has seen out of evaluation and recommendations; by default for
    /// movielens, whose users rate a film once.
    #[arg(long, value_name = "BOOL")]
    pub filter_seen: Option<bool>,
    /// Address of the HTTP server.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where events come from, and how fast.
#[derive(Debug, Args)]
pub struct FedFrom {
    /// File or folder of events; without it the generator.
    #[arg(long, value_name = "PATH")]
    pub events: Option<PathBuf>,
    /// How the events are written: jsonl, movielens or taobao.
    #[arg(long, default_value = "jsonl", requires = "events")]
    pub format: Format,
    /// Events per second; 0: as fast as they are taken. The generator's default is 500.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Generate this many events, then no more.
    #[arg(long, conflicts_with = "events", value_name = "N")]
    pub generate: Option<u64>,
}

impl FedFrom {
    /// Puts them over the settings. `waits`: whether somebody waits for the generator's end, which then
    /// goes as fast as it can.
    pub fn apply(&self, feed: &mut hmisr_feed::Settings, waits: bool) {
        if self.events.is_some() {
            feed.events.clone_from(&self.events);
            feed.format = self.format;
        }
        if self.generate.is_some() {
            feed.generator.events = self.generate;
        }
        let endless = feed.events.is_none() && !waits;
        match self.rate {
            Some(rate) => feed.rate_per_second = rate,
            None if endless && feed.rate_per_second == 0.0 => feed.rate_per_second = GENERATOR_RATE,
            None => {}
        }
    }
}

/// Arguments of `hmisr feed`.
#[derive(Debug, Args)]
pub struct FeedArgs {
    /// Kafka brokers, host:port[,…].
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Folder that keeps what the topic is fed from; another input takes another topic.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data")]
    pub data: PathBuf,
    /// What is fed.
    #[command(flatten)]
    pub feed: FedFrom,
}

/// Arguments of `hmisr pipeline`.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    /// Kafka brokers, host:port[,…].
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
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
}

/// Arguments of `hmisr train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Kafka brokers, host:port[,…].
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Folder of the snapshots, shared with the servers.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/snapshots")]
    pub snapshots: PathBuf,
    /// Address of metrics and health.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8082")]
    pub listen: String,
}

/// Arguments of `hmisr serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder of the snapshots, shared with the trainer.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/snapshots")]
    pub snapshots: PathBuf,
    /// Address to serve on.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Base URL of a pipeline that answers look-ups; repeatable.
    #[arg(long = "pipeline", value_name = "URL")]
    pub pipelines: Vec<String>,
    /// Kafka brokers, host:port[,…]: the topic `state-owners` there says which pipeline to ask for a
    /// user. Without it every pipeline is asked.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
}

/// Arguments of `hmisr backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// File or folder of events.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// Where the lines go.
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// How the events are written: jsonl, movielens or taobao.
    #[arg(long, default_value = "jsonl")]
    pub format: Format,
    /// Partitions over which the events are spread as a producer would.
    #[arg(long, default_value_t = 1, value_name = "P")]
    pub partitions: i32,
    /// How they are spread: murmur2 (Java), crc32 (librdkafka), fnv1a (Sarama), fnv1a_masked; without it
    /// topics.partitioner.
    #[arg(long, value_name = "NAME")]
    pub partitioner: Option<Partitioner>,
    /// Keep the state in this folder, which must be empty or absent.
    #[arg(long, value_name = "DIR")]
    pub state_out: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Commands about state. The stores that they read or write must not be in use.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show what stores or checkpoints belong to, how far they are and how large.
    Inspect {
        /// What to look at.
        #[command(flatten)]
        place: StatePlace,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read every entry and check that all can be read and agree; exits with 1 where not.
    ///
    /// Of checkpoints, every file's hash is checked, then what the files hold. The settings in force
    /// must be those that the state was written under.
    Verify {
        /// What to check.
        #[command(flatten)]
        place: StatePlace,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write every user's features and window, one JSON line each, in the order of partition and id.
    ///
    /// The settings in force must be those that the state was written under.
    Export {
        /// Folder of the stores.
        #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
        state: PathBuf,
        /// Where the lines go; without it standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Upload a checkpoint of every store of a stopped job.
    Checkpoint {
        /// Folder of the stores.
        #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
        state: PathBuf,
        /// Where checkpoints go; without it `state.checkpoints`.
        #[arg(long, value_name = "URL")]
        checkpoints: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Bring checkpoints into a folder that holds no store of their partitions.
    ///
    /// Those of the group and the features in force: by default the newest of each partition. A job
    /// restores by itself what its disk lacks; this is for moving and rolling back by hand.
    Restore {
        /// Folder of the stores.
        #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
        state: PathBuf,
        /// Where the checkpoints are; without it `state.checkpoints`.
        #[arg(long, value_name = "URL")]
        checkpoints: Option<String>,
        /// Id of their topic, where there are checkpoints of several.
        #[arg(long, value_name = "ID")]
        topic: Option<String>,
        /// The newest checkpoint of partition P at or before offset O; repeatable. With it, only the
        /// partitions named are restored.
        #[arg(long = "offset", value_name = "P=O")]
        offsets: Vec<PartitionOffset>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Bind state that `hmisr backfill --state-out` built to a live topic and the group in force.
    ///
    /// A job of that group then goes on from there: `hmisr pipeline --adopt-store-offset`, once.
    /// The history must hold every event before the offsets, and none after.
    Bind {
        /// Folder of the stores.
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Kafka brokers, host:port[,…].
        #[arg(long, value_name = "HOST:PORT")]
        brokers: Option<String>,
        /// The first offset O of partition P that the history does not hold; one for each partition.
        #[arg(long = "offset", value_name = "P=O", required_unless_present = "at_timestamp")]
        offsets: Vec<PartitionOffset>,
        /// The first record of each partition whose timestamp is at or after this, epoch milliseconds.
        #[arg(long, value_name = "MS", conflicts_with = "offsets")]
        at_timestamp: Option<i64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Stores in a folder, or checkpoints.
#[derive(Debug, Args)]
pub struct StatePlace {
    /// Folder of the stores.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
    pub state: PathBuf,
    /// Checkpoints instead, such as file:///var/lib/hmisr/checkpoints.
    #[arg(long, value_name = "URL", conflicts_with = "state")]
    pub checkpoints: Option<String>,
}

/// An offset of a partition, as in `3=1200`.
#[derive(Debug, Clone, Copy)]
pub struct PartitionOffset {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl std::str::FromStr for PartitionOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('=').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        parsed
            .filter(|it| it.partition >= 0 && it.offset >= 0)
            .ok_or_else(|| "expected partition=offset, such as 3=1200".to_owned())
    }
}

/// A topic and its partitions, as in `clicks=3`.
#[derive(Debug, Clone)]
pub struct TopicPartitions {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
}

impl std::str::FromStr for TopicPartitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('=').and_then(|(name, partitions)| {
            Some(Self { name: name.to_owned(), partitions: partitions.parse().ok()? })
        });
        parsed
            .filter(|it| !it.name.is_empty() && it.partitions > 0)
            .ok_or_else(|| "expected topic=partitions, such as clicks=3".to_owned())
    }
}

/// Commands about topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make the topics that are missing.
    Create {
        /// Kafka brokers, host:port[,…].
        #[arg(long, value_name = "HOST:PORT")]
        brokers: Option<String>,
        /// A topic of yours beside them, such as clicks=3 with three partitions; repeatable.
        #[arg(long = "also", value_name = "TOPIC=PARTITIONS")]
        also: Vec<TopicPartitions>,
    },
    /// Check that the topics are as the job needs them, and name the rights that its parts need.
    ///
    /// Looks at existence, partitions, copies, cleanup policy and size limits. Ends with code 2 where
    /// something must be changed; warnings alone end with 0.
    Check {
        /// Kafka brokers, host:port[,…].
        #[arg(long, value_name = "HOST:PORT")]
        brokers: Option<String>,
        /// Print the commands that grant the rights to this principal, such as User:hmisr.
        #[arg(long, value_name = "PRINCIPAL")]
        principal: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the topics with their partitions.
    List {
        /// Kafka brokers, host:port[,…].
        #[arg(long, value_name = "HOST:PORT")]
        brokers: Option<String>,
    },
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Events per second of the streaming job: its ceiling, at least once, exactly once, with state
    /// ten times its memory, with training examples; and the latency at half of the throughput.
    ///
    /// Without --brokers over the embedded log. Over Kafka it needs a broker of its own, since it
    /// makes and fills the topics. Nothing else should run on the machine.
    Pipeline(BenchPipelineArgs),
    /// Look users up over HTTP while the job writes: throughput and latency.
    ///
    /// Fills the state of --users generated users with --fill events, then feeds --rate events a
    /// second through the job while --clients keep-alive connections ask for users at random.
    /// Everything runs on this machine, the clients too, in a temporary folder.
    Lookup(BenchLookupArgs),
    /// Run the streaming job at full load for long over the embedded log, with checkpoints, and watch
    /// memory, open files and disk.
    Soak(BenchSoakArgs),
    /// Time a training step of a network: the step, its parts, memory, and the speed of matrix
    /// products as the ceiling; beside it, in turns, the same SASRec in PyTorch.
    ///
    /// Histories are generated by --seed. Where --twin names a Python that has PyTorch 2
    /// (python3 -m venv twin && twin/bin/pip install torch numpy), every round is followed by one of
    /// scripts/sasrec_twin.py in a process of its own. Nothing else should run on the machine.
    Train(BenchTrainArgs),
}

/// Where a training step takes its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// At every position.
    All,
    /// At the last.
    Last,
}

impl std::fmt::Display for Positions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Last => "last",
        })
    }
}

/// Arguments of `hmisr bench train`.
#[derive(Debug, Args)]
pub struct BenchTrainArgs {
    /// The network.
    #[arg(long, default_value = "sasrec")]
    pub model: String,
    /// Histories of a step.
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub batch: usize,
    /// Size of the network, and by default the length of a history and the width of embeddings.
    #[arg(long, value_enum, default_value = "small")]
    pub size: Size,
    /// Events of a history.
    #[arg(long, value_name = "N")]
    pub len: Option<usize>,
    /// Items of the catalogue.
    #[arg(long, default_value_t = 3_417, value_name = "N")]
    pub items: u32,
    /// Width of embeddings and network.
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
    /// What products of matrices take their operands in: f32, or mixed (bfloat16, on a GPU alone).
    #[arg(long, value_name = "NAME", default_value = "f32")]
    pub precision: Precision,
    /// Where the loss is taken.
    #[arg(long, default_value = "all")]
    pub positions: Positions,
    /// Steps of a round.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub steps: usize,
    /// Rounds.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub rounds: usize,
    /// A Python that has PyTorch 2.
    #[arg(long, value_name = "PYTHON")]
    pub twin: Option<PathBuf>,
    /// The twin's precision: f32, tf32 (as burn's products on tensor cores), or mixed; by default ours.
    #[arg(long, requires = "twin", value_name = "NAME")]
    pub twin_precision: Option<String>,
    /// Leave the attention's bias by elapsed time out of the twin; ours keeps it.
    #[arg(long, requires = "twin")]
    pub twin_without_time_bias: bool,
    /// Seed of weights and histories.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

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

/// Arguments of `hmisr bench pipeline`.
#[derive(Debug, Args)]
pub struct BenchPipelineArgs {
    /// Kafka brokers, host:port[,…]; without them the embedded log.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Events of each phase.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub events: u64,
    /// Users that the events are drawn from; the cold phase has as many as its state holds.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub users: u64,
    /// Partitions of the topics.
    #[arg(long, default_value_t = 4, value_name = "P")]
    pub partitions: i32,
    /// Times that each phase runs; medians are reported.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub rounds: usize,
    /// Folder for log and state while it runs; without it a temporary one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The phase that this process runs.
    #[arg(long, hide = true)]
    pub phase: Option<Phase>,
    /// Events per second of the latency phase.
    #[arg(long, hide = true, default_value_t = 0.0)]
    pub rate: f64,
}

impl BenchPipelineArgs {
    /// The folder of a phase.
    pub fn folder(&self) -> Result<&Path, Failure> {
        self.data.as_deref().ok_or_else(|| Failure::user("--phase: needs --data"))
    }
}

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

/// Commands about dead letters: the events that could not be processed, on the topic `events-dlq`.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead letters, and count them by reason.
    ///
    /// Over the embedded log it reads what was committed when it began, also beside a running
    /// `hmisr up`.
    List(DlqListArgs),
    /// Send dead letters back to `events` as they came, each at most once.
    ///
    /// For when what refused them has been changed, a setting for example; an event that is refused
    /// again becomes another letter. A letter goes in the order in which it came, with a header
    /// that names it. How far it came is committed together with the events, per reason: the
    /// next run goes on there, whatever ended this one. Over the embedded log no `hmisr up` may run.
    Replay(DlqReplayArgs),
}

/// Which letters.
#[derive(Debug, Args)]
pub struct DlqFrom {
    /// Data folder of `hmisr up`, whose embedded log is read.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data", conflicts_with = "brokers")]
    pub data: PathBuf,
    /// Kafka brokers, host:port[,…], instead of a data folder.
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Only letters of this reason, such as late or too_many_categories; repeatable.
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    pub reasons: Vec<Reason>,
    /// Only this partition of the topic `events-dlq`.
    #[arg(long, value_name = "P")]
    pub partition: Option<i32>,
    /// At most so many letters.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print JSON; `list` prints a line for each letter.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hmisr dlq list`.
#[derive(Debug, Args)]
pub struct DlqListArgs {
    /// Which letters.
    #[command(flatten)]
    pub from: DlqFrom,
    /// Only events of this time or later: 2026-01-31T12:00:00Z, epoch milliseconds, or 2h for two
    /// hours ago.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<i64>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<i64>,
    /// Print payloads whole.
    #[arg(long)]
    pub full: bool,
    /// Print only how many there are, by reason.
    #[arg(long)]
    pub summary: bool,
}

/// Arguments of `hmisr dlq replay`.
#[derive(Debug, Args)]
pub struct DlqReplayArgs {
    /// Which letters.
    #[command(flatten)]
    pub from: DlqFrom,
    /// Only say what would be sent.
    #[arg(long)]
    pub dry_run: bool,
    /// Instead of letters of `events`, those of this topic, which `hmisr bridge` reads: they go through
    /// its mapping again.
    #[arg(long = "from", value_name = "TOPIC", requires = "brokers")]
    pub topic: Option<String>,
    /// The mapping, with --from.
    #[command(flatten)]
    pub mapping: MappingArgs,
}

fn reason(text: &str) -> Result<Reason, String> {
    let reasons = || Reason::ALL.map(Reason::as_str).join(", ");
    Reason::parse(text).ok_or_else(|| format!("it is one of {}", reasons()))
}

/// A time as epoch milliseconds.
fn time(text: &str) -> Result<i64, String> {
    let of = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(of(std::time::SystemTime::now().checked_sub(ago).unwrap_or(std::time::UNIX_EPOCH)));
    }
    humantime::parse_rfc3339_weak(text)
        .map(of)
        .map_err(|_| "expected 2026-01-31T12:00:00Z, epoch milliseconds, or a time ago such as 2h".to_owned())
}
