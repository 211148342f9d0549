//! Arguments of `hmisr bench train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hmisr_model::backend::Precision;

use crate::commands::experiment::Size;

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
