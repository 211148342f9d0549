//! `hmisr fit`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Command, FromArgMatches};
use hmisr_model::{Architecture, backend};
use hmisr_offline::fit::{Neural, Outcome, Progress, Run, publish, publish_under};
use hmisr_offline::report::{Figures, Measures};
use hmisr_offline::study::{Built, Questions, Ranked, train};
use hmisr_offline::{CaseSet, EvaluateOptions, PerCase, Split, evaluate};
use hmisr_recommend::artifact::{Artifact, FolderLock};
use serde::Serialize;

use super::experiment::{CaseOptions, DataArgs, FitOptions, Terminal};
use crate::failure::Failure;
use crate::stop;

/// Arguments of `hmisr fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// The data.
    #[command(flatten)]
    pub data: DataArgs,
    /// The network: hmisr, sasrec, gru4rec, tisasrec, mind, comirec-dr, comirec-sa, remi or
    /// recurrence.
    #[arg(long, value_name = "NAME", default_value = "hmisr")]
    pub model: Architecture,
    /// What is fitted.
    #[command(flatten)]
    pub fit: FitOptions,
    /// Seed of every initial weight, of dropout and of the order of the batches.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The run's folder: settings, progress, weights and answers. A fit that was stopped goes on in it.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The model's name in reports; by default the network's.
    #[arg(long)]
    pub name: Option<String>,
    /// Publish the best weights as the next version in this folder: hmisr serve answers by it, hmisr train and up go
    /// on from it.
    #[arg(long, value_name = "DIR")]
    pub publish: Option<PathBuf>,
    /// Fit only; the same command without this asks later.
    #[arg(long)]
    pub no_eval: bool,
    /// The cases.
    #[command(flatten)]
    pub cases: CaseOptions,
    /// Print one JSON line an epoch, and one in the end.
    #[arg(long)]
    pub json: bool,
}

impl FitArgs {
    /// Those of `hmisr fit --data DATA --out OUT`: all others are as they come.
    pub fn of(data: &Path, out: &Path) -> Result<Self, Failure> {
        let word = |option: &str, path: &Path| {
            let mut word = OsString::from(option);
            word.push(path);
            word
        };
        let words = ["fit".into(), word("--data=", data), word("--out=", out)];
        let matches = Self::augment_args(Command::new("fit")).try_get_matches_from(words);
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| Failure::user(error.to_string()))
    }
}

/// How a fit ended: the last line.
#[derive(Debug, Serialize)]
pub struct Ended<'a> {
    outcome: &'a str,
    model: &'a str,
    seed: u64,
    epochs: usize,
    best_epoch: usize,
    fit_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Figures>,
    run: String,
    /// The version that was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<u64>,
    /// The test cases asked of it, as it is served: with counts beside the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_test: Option<Figures>,
    /// How the data were understood.
    reading: hmisr_datasets::Summary,
}

pub fn run(args: FitArgs, set: &[String]) -> Result<(), Failure> {
    // A GPU that is not there is found out before the data are read.
    backend::device()?;
    let stop = stop::on_signal()?;
    let ended = fit(&args, set, None, &stop)?;
    print(args.json, &ended)?;
    if !args.json {
        tell(&ended, &args);
    }
    Ok(())
}

/// Fits, asks and publishes as the arguments say, or stops in between where it is asked to. On standard
/// output stand the epochs alone, where they are wanted as JSON. The folder to publish to may be held already.
pub fn fit<'a>(
    args: &'a FitArgs,
    set: &[String],
    held: Option<&FolderLock>,
    stop: &AtomicBool,
) -> Result<Ended<'a>, Failure> {
    let split = args.data.split()?;
    if !args.json {
        crate::reading::tell(&split.data.reading);
    }
    // An experiment counts every event, whatever its action; the job that the network is for does not.
    let job = hmisr_pipeline::PipelineSettings::default();
    crate::reading::tell_of_actions(Some(&split.data.reading), &job.positive_actions);
    let settings = args.fit.settings(args.model, args.seed, split.data.len(), set)?;
    let run = Run::open(&args.out, &settings, &split)?;
    let name = args.name.as_deref().unwrap_or(args.model.name());
    let mut line =
        |progress: &Progress| progress.evaluations.last().map_or(Ok(()), |last| print(args.json, last));
    let mut terminal = Terminal::telling(&mut line);
    let outcome = train(&run, &split, name, stop, &mut terminal);
    terminal.checked()?;
    let outcome = outcome?;
    let mut ended = Ended {
        outcome: if outcome == Outcome::Done { "done" } else { "stopped" },
        model: name,
        seed: args.seed,
        epochs: 0,
        best_epoch: 0,
        fit_seconds: 0.0,
        parameters: None,
        test: None,
        run: args.out.display().to_string(),
        published: None,
        published_test: None,
        reading: split.data.reading.clone(),
    };
    if outcome == Outcome::Done && !args.no_eval {
        let questions = Questions {
            split: &split,
            name,
            seed: args.seed,
            folder: Some(&args.out),
            options: args.cases.options(),
            stop,
        };
        match questions.answers(&mut terminal, || Built::of_run(&run, &split, Ranked::AsServed))? {
            Some(answers) => {
                let test = answers.iter().find(|one| one.set == CaseSet::Test);
                ended.parameters = test.and_then(|test| test.parameters);
                ended.test = test.map(|test| figures(&split, args.seed, &test.per_case)).transpose()?;
            }
            None => ended.outcome = "stopped",
        }
    }
    if let (Some(root), "done") = (&args.publish, ended.outcome) {
        let device = backend::device()?;
        let published = match held {
            Some(held) => publish_under(held, &run, &split, root, &device)?,
            None => publish(&run, &split, root, &device)?,
        };
        ended.published = Some(published.version);
        if !args.no_eval && !stop.load(Ordering::Relaxed) {
            // The version stands, whatever becomes of this.
            match as_served(&split, root, published.version, args.seed) {
                Ok(figures) => ended.published_test = Some(figures),
                Err(error) => tracing::warn!(%error, "the version could not be asked the test cases"),
            }
        }
    }
    let progress = run.progress()?;
    (ended.epochs, ended.best_epoch, ended.fit_seconds) =
        (progress.epoch, progress.best_epoch, progress.seconds);
    Ok(ended)
}

/// The test cases asked of a version.
fn as_served(split: &Split, root: &Path, version: u64, seed: u64) -> Result<Figures, Failure> {
    let artifact = Artifact::open(root, Some(version))?;
    let mut neural = Neural::published(&artifact, split)?;
    let answers = evaluate(split, &split.test, &mut neural, EvaluateOptions::default(), |_, _| {})?;
    figures(split, seed, &answers)
}

fn figures(split: &Split, seed: u64, answers: &PerCase) -> Result<Figures, Failure> {
    Ok(Measures::new(split).of(&BTreeMap::from([(seed, answers)]))?.figures)
}

fn print(json: bool, value: &impl Serialize) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(value).map_err(|error| Failure::fault(&error))?);
    }
    Ok(())
}

fn tell(ended: &Ended<'_>, args: &FitArgs) {
    let Ended { model, seed, epochs, best_epoch, fit_seconds, run, .. } = ended;
    if ended.outcome == "stopped" {
        println!("{model}, seed {seed}: stopped after epoch {epochs}; the same command goes on from there");
        return;
    }
    println!(
        "{model}, seed {seed}: {epochs} epochs in {fit_seconds:.1} s, the best is epoch {best_epoch}; run in {run}"
    );
    let shown = |test: &Figures| -> String {
        let names = ["HR@10", "NDCG@10", "MRR@10", "ILD@10", "coverage@10"].iter();
        let values = names.filter_map(|name| test.get(*name).map(|value| format!("{name} {value:.4}")));
        values.collect::<Vec<_>>().join(", ")
    };
    if let (Some(version), Some(root)) = (ended.published, &args.publish) {
        println!("published as version {version}: hmisr serve --snapshots {}", root.display());
    }
    if let Some(test) = &ended.published_test {
        println!("test, {}, as it is served, with counts: {}", args.data.protocol, shown(test));
    }
    if let Some(test) = &ended.test {
        let alone = if ended.published_test.is_some() { ", the network alone" } else { "" };
        println!("test, {}{alone}: {}", args.data.protocol, shown(test));
        println!(
            "tables: hmisr eval --data {} --protocol {} --answers {run}",
            args.data.data.display(),
            args.data.protocol
        );
    }
}
