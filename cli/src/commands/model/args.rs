//! Arguments of `hmisr model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where the versions lie.
#[derive(Debug, Args)]
pub struct Place {
    /// Folder of the snapshots, shared by trainers, fits and servers.
    #[arg(long, value_name = "DIR", default_value = "hmisr-data/snapshots")]
    pub snapshots: PathBuf,
}

/// What is done with published versions.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the versions: what each has learnt, how good it was, and which one servers take.
    List {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say all that a version says about itself, after reading it whole.
    Show {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The version; by default the one that servers take.
        version: Option<u64>,
        /// Print JSON: the manifest.
        #[arg(long)]
        json: bool,
    },
    /// Compare two versions: settings, measures, items, and how far each weight moved.
    Diff {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The earlier version.
        one: u64,
        /// The later version.
        other: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have servers take a version, whatever is published after it, until it is released.
    Promote {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The version.
        version: u64,
    },
    /// Have servers take the version before the one that they take now, until it is released.
    ///
    /// The trainer goes on from its newest version all the same; hmisr train --from VERSION has it go on from an
    /// older one.
    Rollback {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Have servers take the newest version again, after promote or rollback.
    Release {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Remove versions: all but the newest ones, or those after one that training is to go on from.
    ///
    /// A version that servers take is never removed. With --after the newest go too, and training goes on from what is
    /// the newest then; stop the trainer before.
    Prune {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Versions that stay, the newest ones.
        #[arg(long, value_name = "N", conflicts_with = "after", required_unless_present = "after")]
        keep: Option<usize>,
        /// Remove every version after this one.
        #[arg(long, value_name = "VERSION")]
        after: Option<u64>,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a version of an older format as the next one in this format.
    ///
    /// Weights are bound by name: what the old format lacks begins fresh, what it has too many is dropped, and both
    /// are listed. Nothing of the old version is changed.
    Migrate {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The version; by default the newest.
        version: Option<u64>,
    },
}
