//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::bench::args::BenchCommand;
use crate::commands::arroyo::ArroyoCommand;
use crate::commands::backfill::BackfillArgs;
use crate::commands::bridge::BridgeArgs;
use crate::commands::dlq::args::DlqCommand;
use crate::commands::eval::args::EvalArgs;
use crate::commands::feed::FeedArgs;
use crate::commands::fit::FitArgs;
use crate::commands::forget::ForgetArgs;
use crate::commands::model::ModelCommand;
use crate::commands::monitoring::MonitoringArgs;
use crate::commands::pipeline::PipelineArgs;
use crate::commands::probe::ProbeArgs;
use crate::commands::recommend::args::RecommendArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::state::args::StateCommand;
use crate::commands::topics::args::TopicsCommand;
use crate::commands::train::TrainArgs;
use crate::up::args::UpArgs;

/// In lines of its own, which can be copied into a shell.
const BRIDGE_EXAMPLE: &str = "\
Example:
  hmisr bridge --brokers kafka:9092 \\
    --from clicks \\
    --field user_id=/user/id \\
    --field item_id=sku \\
    --field ts=event_time --time-unit s \\
    --default action=click";

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
    /// Recommend for many users at once, from their histories in a stopped job's state or in a file: one JSON line
    /// each.
    ///
    /// The lists are those that a server with the same snapshot gives. The output is there when all of it is: a
    /// run that ends before leaves what was there.
    Recommend(Box<RecommendArgs>),
    /// Copy another topic into `events`: fields renamed, keyed by user, each record exactly once.
    ///
    /// A record that is no event becomes a dead letter. How far the copy came is committed with what was
    /// written, so the next run goes on there, whatever ended this one. Fields are told by name or by
    /// JSON pointer, here or in the settings file's [bridge]; docs/bridge.md has worked
    /// examples.
    #[command(after_long_help = BRIDGE_EXAMPLE)]
    Bridge(BridgeArgs),
    /// Ask for users to be forgotten: a tombstone for each goes to every partition of `events`.
    ///
    /// Those of a user are one transaction, so a run that is cut off is simply given again. The job then deletes the user's state, and writes tombstones to `user-features` and
    /// `training-examples`. Events that come later begin the user anew. docs/runbooks.md says what is
    /// left where, and for how long.
    Forget(ForgetArgs),
    /// Write events of a file, or generated ones, to `events` on Kafka.
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
    /// Look at published versions of the model, and say which one servers take.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Look into the state of a stopped job, check it, copy it, bring it back.
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
    /// Write what Prometheus and Grafana need: scrape configuration, rules, alerts, dashboards.
    ///
    /// They are part of the program, so nothing else has to be downloaded. It prints the commands that start
    /// both on them. docs/monitoring.md says what to look at.
    Monitoring(MonitoringArgs),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the settings in force: defaults, file, environment and --set together.
    Config {
        /// Print every setting with its default and meaning instead: a file to start from.
        #[arg(long)]
        defaults: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
