//! `hmisr backfill`.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use hmisr_feed::{EventLine, FeedError, Place};
use hmisr_pipeline::backfill::{Backfill, Line, Summary};
use hmisr_stream::Partitioner;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::config::Config;
use crate::failure::Failure;
use crate::outcome::{Least, Outcome};
use crate::reading::ReadingArgs;

/// Arguments of `hmisr backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// File or folder of events.
    #[arg(long, value_name = "PATH")]
    pub input: PathBuf,
    /// Where the lines go.
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// How the events are written.
    #[command(flatten)]
    pub reading: ReadingArgs,
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
    /// What must come of the input.
    #[command(flatten)]
    pub least: Least,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The summary in JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// How a data set was understood, and which of its rows are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<&'a hmisr_datasets::Summary>,
}

pub fn run(config: Config, args: BackfillArgs) -> Result<(), Failure> {
    let mut source =
        hmisr_feed::open(&args.input, args.reading.format.unwrap_or_default(), &args.reading.options())?;
    let reading = source.summary();
    crate::reading::accept(reading.as_ref(), args.least)?;
    crate::reading::tell_of_actions(reading.as_ref(), &config.pipeline.positive_actions);
    let positive_actions = config.pipeline.positive_actions.clone();
    let temporary = if args.state_out.is_none() { Some(scratch()?) } else { None };
    let kept = args.state_out.as_deref();
    let folder = temporary.as_ref().map_or_else(|| kept.unwrap_or(Path::new("")), tempfile::TempDir::path);
    let backfill = Backfill {
        features: config.features,
        pipeline: config.pipeline,
        state: config.state,
        partitions: args.partitions,
        partitioner: args.partitioner.unwrap_or(config.topics.partitioner),
        folder,
    };
    let unfinished = unfinished(&args.output, [args.input.as_path()])?;
    let mut output = create(&unfinished)?;
    let bar = bar(source.total());
    let mut number = 0_u64;
    let lines = std::iter::from_fn(|| {
        let line = source.next()?;
        number += 1;
        let (written, place) = (source.written(), Stands { place: source.place(), number });
        Some(line.map(|EventLine { key, payload }| Line { key, payload, written, place }).map_err(Failed))
    });
    let summary = backfill.run(lines, &mut output, |done| bar.set_position(done.lines)).map_err(|error| {
        let failure = Failure::from(error);
        if temporary.is_some() { of_scratch(failure, folder) } else { failure }
    })?;
    bar.finish_and_clear();
    output.flush()?;
    if unfinished != args.output {
        std::fs::rename(&unfinished, &args.output)?;
    }
    let choices = summary.applied - summary.neutral;
    crate::reading::tell_of_choices(summary.applied, choices, reading.as_ref(), &positive_actions);
    let outcome =
        Outcome::new("events", "applied", summary.applied + summary.duplicates, &summary.rejections);
    if args.json {
        println!(
            "{}",
            serde_json::json!(Report { summary: &summary, outcome: &outcome, reading: reading.as_ref() })
        );
    } else {
        println!(
            "{} events applied, {} dead letters, from {} lines to {}",
            summary.applied,
            summary.dead_letters,
            summary.lines,
            args.output.display()
        );
        outcome.warn(args.least);
    }
    outcome.judge(args.least, "")
}

/// A folder for the state that nobody wants to keep.
fn scratch() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir().map_err(|error| {
        Failure::user(format!(
            "no folder for the state below {} ({}): set TMPDIR, or name one with --state-out",
            std::env::temp_dir().display(),
            error.kind()
        ))
    })
}

/// Without the name of a folder that nobody has given.
fn of_scratch(failure: Failure, folder: &Path) -> Failure {
    failure.map(|text| {
        let name = folder.display().to_string();
        if !text.contains(&name) {
            return text;
        }
        let text = text.replace(&name, "the temporary state");
        let below = std::env::temp_dir();
        format!("{text}; it is below {}: set TMPDIR, or name a folder with --state-out", below.display())
    })
}

/// Where the lines go until all are there: a run that fails leaves what was there before. A device or a
/// pipe takes them as they come: a file in its place would be the end of it.
pub fn unfinished<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<PathBuf, Failure> {
    let shown = output.display();
    if let Ok(there) = output.canonicalize()
        && inputs.into_iter().any(|input| input.canonicalize().is_ok_and(|input| input == there))
    {
        return Err(Failure::user(format!("--output {shown}: is the input; name another file")));
    }
    if output.is_dir() {
        return Err(Failure::user(format!("--output {shown}: is a folder; name a file")));
    }
    if output.metadata().is_ok_and(|output| !output.is_file()) {
        return Ok(output.to_owned());
    }
    let mut name = output.as_os_str().to_owned();
    name.push(".unfinished");
    Ok(name.into())
}

/// Where an event stands: by file and line where the source keeps that, else counted.
struct Stands {
    place: Option<Place>,
    number: u64,
}

impl fmt::Display for Stands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => place.fmt(f),
            None => write!(f, "event {}", self.number),
        }
    }
}

/// A line that could not be read.
struct Failed(FeedError);

impl From<Failed> for hmisr_pipeline::Error {
    fn from(Failed(error): Failed) -> Self {
        Self::input(error.is_users(), error)
    }
}

/// Opens a file for writing; the error names it.
pub fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create(path)
        .map(|file| BufWriter::with_capacity(1 << 20, file))
        .map_err(|error| Failure::user(format!("{}: cannot be written ({error})", path.display())))
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let style = match total {
        Some(_) => {
            ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} events, {per_sec}, {eta} left")
        }
        None => ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}"),
    };
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
