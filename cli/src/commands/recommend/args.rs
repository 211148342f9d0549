//! What `hmisr recommend` is told.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use hmisr_recommend::MOST;
use hmisr_recommend::artifact::Place;

use crate::outcome::Least;
use crate::reading::ReadingArgs;

/// Arguments of `hmisr recommend`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["all", "users"])))]
#[command(group(ArgGroup::new("histories").required(true).args(["state", "events"])))]
pub struct RecommendArgs {
    /// For every user that has a history.
    #[arg(long)]
    pub all: bool,
    /// For the users of this file, an id a line; who has no history gets what is popular.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// Folder of the snapshots; without a version the one that servers take.
    #[arg(long, value_name = "DIR[@VERSION]", default_value = "hmisr-data/snapshots")]
    pub snapshots: Place,
    /// Histories of the stores in this folder, whose job must be stopped. The settings in force must be those
    /// that the state was written under.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Histories of a file or folder of events, which are held in memory: of every user, or of those of --users, the
    /// newest events, as many as a job keeps (200, or pipeline.history where that is more). An event takes 56 bytes,
    /// some 32 for its action, and where its item has a text for an id 16 more and the text: 18 KB a user of 200 events
    /// of integer ids.
    /// Older ones are counted.
    #[arg(long, value_name = "PATH")]
    pub events: Option<PathBuf>,
    /// How the events are written.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Where the lines go. What is there already stays until all are written.
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Items for each user, 1 to 1000.
    #[arg(short, default_value_t = 10, value_name = "K", value_parser = k)]
    pub k: usize,
    /// How much diversity weighs, 0 (relevance alone) to 1; without it serving.lambda_max times the user's diversity
    /// score.
    #[arg(long, value_name = "WEIGHT", value_parser = lambda)]
    pub lambda: Option<f32>,
    /// The time for which it is asked, epoch milliseconds: how long ago a user's last event was is read. By default
    /// the clock's, and with --events that of the newest event read.
    #[arg(long, value_name = "MS")]
    pub now: Option<i64>,
    /// Leave out the items of the user's history.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub exclude_seen: bool,
    /// What must come of the events.
    #[command(flatten)]
    pub least: Least,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

fn k(text: &str) -> Result<usize, String> {
    let k = text.parse().ok().filter(|k| (1..=MOST).contains(k));
    k.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

fn lambda(text: &str) -> Result<f32, String> {
    let lambda = text.parse().ok().filter(|lambda| (0.0..=1.0).contains(lambda));
    lambda.ok_or_else(|| "expected a number from 0 (relevance alone) to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert_eq!((k("1"), k("1000"), lambda("0.5")), (Ok(1), Ok(1_000), Ok(0.5)));
        for text in ["", "0", "1001", "-1", "ten"] {
            assert!(k(text).unwrap_err().contains("1 to 1000"), "{text}");
        }
        for text in ["", "-0.1", "1.1", "NaN"] {
            assert!(lambda(text).is_err(), "{text}");
        }
    }
}
