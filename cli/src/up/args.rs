//! Arguments of `hmisr up`.

use std::path::PathBuf;

use clap::Args;

use crate::brokers::BrokerArgs;
use crate::commands::history::HistoryArgs;
use crate::input::FedFrom;
use crate::outcome::Least;

/// Arguments of `hmisr up`.
#[derive(Debug, Args)]
#[command(mut_arg("brokers", |it| it.help("Kafka brokers, host:port[,…]; without them the embedded log")))]
pub struct UpArgs {
    /// Folder for log, state, snapshots and reports.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data")]
    pub data: PathBuf,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: BrokerArgs,
    /// What is fed.
    #[command(flatten)]
    pub feed: FedFrom,
    /// End when all input is processed, trained on and published, with a summary. With the
    /// generator it needs --generate.
    #[arg(long)]
    pub until_drained: bool,
    /// The version of the snapshots to go on from in the place of the newest; what came of it is gone on with.
    #[arg(long, value_name = "VERSION")]
    pub from: Option<u64>,
    /// What is fitted first; options about the layout are also of it.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Leave items that the user has seen out of evaluation and recommendations; by default for
    /// movielens, whose users rate a film once.
    #[arg(long, value_name = "BOOL")]
    pub filter_seen: Option<bool>,
    /// Address of the HTTP server; without it serving.listen of the settings, 127.0.0.1:8080.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// What must come of the input.
    #[command(flatten)]
    pub least: Least,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}
