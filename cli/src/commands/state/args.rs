//! Arguments of `hmisr state`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::brokers::BrokerArgs;

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
    /// must be those that the state was written under. Users with state in several partitions are named:
    /// give the folders of all instances, or the checkpoints. Of a partition that is there more than once,
    /// as in the folder of an instance that had it before, the newest counts.
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
        /// Where Kafka is.
        #[command(flatten)]
        kafka: BrokerArgs,
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
    /// Folder of the stores; repeatable, for several instances.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/state")]
    pub state: Vec<PathBuf>,
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
