//! Arguments of `hmisr eval`.

use std::path::PathBuf;

use clap::Args;
use hmisr_recommend::artifact::Place;

use crate::commands::experiment::{CaseOptions, DataArgs, FitOptions};

/// Arguments of `hmisr eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The data.
    #[command(flatten)]
    pub data: DataArgs,
    /// Models: popularity, markov, trinity, counts, and networks, which need --runs: hmisr, sasrec, gru4rec,
    /// tisasrec, mind, comirec-dr, comirec-sa, remi, recurrence; or all. By default the first four, none where
    /// there are --answers.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub models: Vec<String>,
    /// Seeds of what is random in a model; each is fitted anew.
    #[arg(long, alias = "seed", value_delimiter = ',', value_name = "N,…", default_value = "1")]
    pub seeds: Vec<u64>,
    /// Folder of the runs, DIR/DATA-PROTOCOL/MODEL/seed-N: weights and answers, of which only what is
    /// missing is made. What was stopped goes on.
    #[arg(long, value_name = "DIR")]
    pub runs: Option<PathBuf>,
    /// How networks are fitted.
    #[command(flatten)]
    pub fit: FitOptions,
    /// Also ask each network of --models with what `counts` counts beside its scores, weighed together on the validation cases,
    /// as NAME+counts.
    #[arg(long, requires = "runs")]
    pub with_counts: bool,
    /// Also fit HMISR with each part and each loss switched off in turn, and compare with the whole.
    #[arg(long, requires = "runs")]
    pub ablate: bool,
    /// The cases.
    #[command(flatten)]
    pub cases: CaseOptions,
    /// Re-rank at several λ, by maximal marginal relevance, max-sum diversification, determinants and
    /// calibration: the curves of accuracy against diversity.
    #[arg(long)]
    pub pareto: bool,
    /// Also show each model re-ranked in these ways with the λ that gives the most diverse lists whose
    /// NDCG@10 on the validation cases is at most this share lower, such as 0.02.
    #[arg(long, value_name = "SHARE")]
    pub mmr_loss: Option<f64>,
    /// Take in the answers that lie in this folder and below it: a run of hmisr fit or of --runs;
    /// repeatable.
    #[arg(long, value_name = "DIR")]
    pub answers: Vec<PathBuf>,
    /// Also measure a published version, DIR or DIR@VERSION, as a server would answer by it; by default the version
    /// that servers take. Repeatable.
    #[arg(long, value_name = "DIR[@VERSION]")]
    pub snapshots: Vec<Place>,
    /// Compare every model with this one: paired bootstrap over users.
    #[arg(long, value_name = "NAME")]
    pub reference: Option<String>,
    /// Write report.json, report.md, pareto.svg and learning.svg into this folder.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}
