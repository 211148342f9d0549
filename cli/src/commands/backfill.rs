//! `hmisr backfill`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hmisr_feed::{EventLine, FeedError};
use hmisr_pipeline::backfill::Backfill;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::BackfillArgs;
use crate::config::Config;
use crate::failure::Failure;

pub fn run(config: Config, args: BackfillArgs) -> Result<(), Failure> {
    let mut source = hmisr_feed::open(&args.input, args.format)?;
    let scratch;
    let folder = match &args.state_out {
        Some(folder) => folder.as_path(),
        None => {
            scratch = tempfile::tempdir()?;
            scratch.path()
        }
    };
    let backfill = Backfill {
        features: config.features,
        pipeline: config.pipeline,
        state: config.state,
        partitions: args.partitions,
        partitioner: args.partitioner.unwrap_or(config.topics.partitioner),
        folder,
    };
    let unfinished = unfinished(&args)?;
    let mut output = create(&unfinished)?;
    let bar = bar(source.total());
    let lines = std::iter::from_fn(|| source.next())
        .map(|line| line.map(|EventLine { key, payload }| (key, payload)).map_err(Failed));
    let summary = backfill.run(lines, &mut output, |done| bar.set_position(done.lines))?;
    bar.finish_and_clear();
    output.flush()?;
    if unfinished != args.output {
        std::fs::rename(&unfinished, &args.output)?;
    }
    if args.json {
        println!("{}", serde_json::json!(summary));
    } else {
        println!(
            "{} events applied, {} dead letters, from {} lines to {}",
            summary.applied,
            summary.dead_letters,
            summary.lines,
            args.output.display()
        );
    }
    Ok(())
}

/// Where the lines go until all are there: a failed backfill leaves what was there before. A device or a
/// pipe takes them as they come: a file in its place would be the end of it.
fn unfinished(args: &BackfillArgs) -> Result<PathBuf, Failure> {
    if args
        .output
        .canonicalize()
        .is_ok_and(|output| args.input.canonicalize().is_ok_and(|input| input == output))
    {
        return Err(Failure::user(format!(
            "--output {}: is the input; name another file",
            args.output.display()
        )));
    }
    if args.output.is_dir() {
        return Err(Failure::user(format!("--output {}: is a folder; name a file", args.output.display())));
    }
    if args.output.metadata().is_ok_and(|output| !output.is_file()) {
        return Ok(args.output.clone());
    }
    let mut name = args.output.as_os_str().to_owned();
    name.push(".unfinished");
    Ok(name.into())
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
