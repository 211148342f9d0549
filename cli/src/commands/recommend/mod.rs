//! `hmisr recommend`: the lists of many users at once.

pub mod args;
mod histories;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hmisr_recommend::{Known, Lambda, Origin, Recommendation, Recommender, Request, Scored};
use hmisr_stream::contract::{Example, Id, Rejections};
use indicatif::ProgressBar;
use serde::Serialize;

use self::args::RecommendArgs;
use self::histories::{Histories, History};
use super::backfill::{create, unfinished};
use crate::config::Config;
use crate::failure::Failure;
use crate::outcome::{Least, Outcome};
use crate::terminal;

/// Users that are scored between two looks at whether to stop.
const AT_ONCE: usize = 256;
/// The longest line of a file of users, in bytes: an id has 128 at most.
const MOST_LINE: u64 = 4_096;

/// A user's line.
#[derive(Serialize)]
struct Line<'a> {
    user_id: &'a Id,
    model_version: u64,
    source: Origin,
    lambda: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    diversity_score: Option<f32>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    item_id: &'a Id,
    category: &'a Id,
    score: f32,
}

impl<'a> From<&'a Scored> for Item<'a> {
    fn from(Scored { item_id, category, score, .. }: &'a Scored) -> Self {
        Self { item_id, category, score: *score }
    }
}

/// The summary.
#[derive(Debug, Default, Serialize)]
struct Summary {
    users: u64,
    /// Of whom the model knows something.
    by_model: u64,
    by_popularity: u64,
    /// Users of the file who have no history.
    unknown_users: u64,
    /// Lines of the file that name a user once more.
    repeated: u64,
    items: u64,
    /// Events of --events that are older than the newest of their user, as many as a job keeps.
    older_events: u64,
}

pub fn run(config: &Config, args: &RecommendArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let inputs = [args.users.as_deref(), args.events.as_deref()];
    let unfinished = unfinished(&args.output, inputs.into_iter().flatten())?;
    let recommender = Recommender::of(&args.snapshots.open()?)?;
    let users = args.users.as_deref().map(users).transpose()?;
    let stop = crate::stop::on_signal()?;
    let only: Option<HashSet<&Id>> = users.as_ref().map(|users| users.ids.iter().collect());
    let histories = Histories::open(config, args, only.as_ref(), &stop)?;
    let Some(histories) = histories else { return Err(stopped(args, 0)) };
    let (told, older_events) = match &histories {
        Histories::Read { outcome, left_out, .. } => {
            outcome.judge(args.least, "; docs/data.md lists the layouts")?;
            outcome.warn(args.least);
            (Some(outcome), *left_out)
        }
        Histories::Kept { .. } => (None, 0),
    };
    let mut writer = Writer::new(unfinished, &args.output)?;
    let ends = match &users {
        Some(users) => users.ids.len(),
        None => histories.users()?,
    };
    let mut scoring = Scoring {
        recommender: &recommender,
        args,
        lambda: args.lambda.map_or(Lambda::Personal { most: config.serving.lambda_max }, Lambda::Fixed),
        now: args.now.or(histories.newest_ts()).unwrap_or_else(clock),
        writer: &mut writer,
        bar: terminal::bar(ends, "{wide_bar} {human_pos}/{human_len} users, {per_sec}, {eta} left"),
        stop: &stop,
        batch: Vec::with_capacity(AT_ONCE),
        summary: Summary { older_events, ..Summary::default() },
    };
    match &users {
        Some(users) => {
            scoring.summary.repeated = users.repeated;
            for id in &users.ids {
                let history = histories.of(id)?;
                scoring.summary.unknown_users += u64::from(history.is_none());
                scoring.add(id.clone(), history.unwrap_or_default())?;
            }
        }
        None => histories.for_each(|id, history| scoring.add(id, history))?,
    }
    let summary = scoring.end()?;
    writer.finish()?;
    let read = users.as_ref().map(|users| &users.outcome);
    if let Some(read) = read {
        read.warn(Least { min_applied: 0.0 });
    }
    tell(args, recommender.version(), &summary, (read, told), begun);
    Ok(())
}

/// The clock's time, epoch milliseconds.
fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX)
}

fn tell(
    args: &RecommendArgs,
    version: u64,
    summary: &Summary,
    (users, events): (Option<&Outcome>, Option<&Outcome>),
    begun: Instant,
) {
    let (output, seconds) = (args.output.display(), begun.elapsed().as_secs_f64());
    if args.json {
        let mut json = serde_json::json!(summary);
        json["model_version"] = version.into();
        json["output"] = output.to_string().into();
        json["seconds"] = seconds.into();
        json["users_file"] = serde_json::json!(users);
        json["events"] = serde_json::json!(events);
        println!("{json}");
        return;
    }
    let Summary { users, by_model, by_popularity, unknown_users, items, older_events, .. } = summary;
    let unknown =
        if *unknown_users > 0 { format!(", {unknown_users} of them unknown") } else { String::new() };
    println!(
        "{items} items for {users} users by version {version} ({by_model} by the model, {by_popularity} by \
         popularity{unknown}) to {output} in {seconds:.1} s"
    );
    if *older_events > 0 {
        println!(
            "{older_events} events are older than the newest that are kept of their users, and in no history"
        );
    }
}

/// Users of a file.
struct Users {
    /// In the file's order, each once.
    ids: Vec<Id>,
    repeated: u64,
    outcome: Outcome,
}

/// Reads the ids of a file, one a line; empty lines are none.
fn users(path: &Path) -> Result<Users, Failure> {
    let refused = |error: std::io::Error| Failure::user(format!("--users {}: {error}", path.display()));
    let mut lines = BufReader::new(hmisr_recommend::plain::open(path).map_err(refused)?);
    let (mut ids, mut met, mut rejections) = (Vec::new(), HashSet::new(), Rejections::default());
    let (mut repeated, mut number, mut line) = (0, 0_u64, Vec::new());
    loop {
        line.clear();
        if lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line).map_err(refused)? == 0 {
            break;
        }
        number += 1;
        let is_cut = line.len() as u64 == MOST_LINE && line.last() != Some(&b'\n');
        if is_cut {
            lines.skip_until(b'\n').map_err(refused)?;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let id = match std::str::from_utf8(text) {
            _ if is_cut => Err(format!("a line of {MOST_LINE} bytes and more is no id")),
            Ok(text) => Id::parse(text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match id {
            Ok(id) if met.insert(id.clone()) => ids.push(id),
            Ok(_) => repeated += 1,
            Err(message) => {
                rejections
                    .add("bad_id", || Example::at(format!("{}:{number}", path.display()), text, &message));
            }
        }
    }
    let outcome = Outcome::new("lines of users", "read", ids.len() as u64 + repeated, &rejections);
    if ids.is_empty() {
        outcome.judge(Least { min_applied: 1.0 }, "; an id a line is wanted")?;
        return Err(Failure::user(format!(
            "--users {}: names nobody; put an id on each line",
            path.display()
        )));
    }
    Ok(Users { ids, repeated, outcome })
}

/// Scores users, some at a time on all cores, and writes them in the order in which they came.
struct Scoring<'a> {
    recommender: &'a Recommender,
    args: &'a RecommendArgs,
    lambda: Lambda,
    /// The time of the request, epoch milliseconds.
    now: i64,
    writer: &'a mut Writer,
    bar: ProgressBar,
    stop: &'a AtomicBool,
    batch: Vec<(Id, History)>,
    summary: Summary,
}

impl Scoring<'_> {
    fn add(&mut self, id: Id, history: History) -> Result<(), Failure> {
        self.batch.push((id, history));
        if self.batch.len() < AT_ONCE { Ok(()) } else { self.score() }
    }

    fn end(mut self) -> Result<Summary, Failure> {
        self.score()?;
        self.bar.finish_and_clear();
        Ok(self.summary)
    }

    fn score(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let this = &*self;
        let answers: Result<Vec<Recommendation>, Failure> = std::thread::scope(|threads| {
            let parts = batch.chunks(batch.len().div_ceil(cores).max(1));
            let at_work: Vec<_> = parts
                .map(|part| {
                    let ask = move |(_, history): &(Id, History)| this.ask(history);
                    threads.spawn(move || part.iter().map(ask).collect::<Result<Vec<_>, _>>())
                })
                .collect();
            let mut answers = Vec::with_capacity(batch.len());
            for part in at_work {
                answers.extend(part.join().map_err(|_| Failure::panic("scoring"))??);
            }
            Ok(answers)
        });
        for ((id, _), answer) in batch.iter().zip(answers?) {
            self.write(id, &answer)?;
        }
        self.bar.inc(batch.len() as u64);
        match self.stop.load(Ordering::Relaxed) {
            true => {
                self.bar.finish_and_clear();
                Err(stopped(self.args, self.summary.users))
            }
            false => Ok(()),
        }
    }

    fn ask(&self, history: &History) -> Result<Recommendation, Failure> {
        let seen: HashSet<&Id> = match self.args.exclude_seen {
            true => history.events.iter().map(|event| &event.item).collect(),
            false => HashSet::new(),
        };
        let exclude = |id: &Id| seen.contains(id);
        let known =
            Known { history: &history.events, features: history.features.as_ref(), now: Some(self.now) };
        let request =
            Request { known, k: self.args.k, lambda: self.lambda, exclude: &exclude, ..Request::default() };
        Ok(self.recommender.recommend(&request)?)
    }

    fn write(&mut self, user_id: &Id, answer: &Recommendation) -> Result<(), Failure> {
        let line = Line {
            user_id,
            model_version: self.recommender.version(),
            source: answer.source,
            lambda: answer.lambda,
            diversity_score: answer.diversity_score,
            items: answer.items.iter().map(Item::from).collect(),
        };
        self.writer.line(&line)?;
        self.summary.users += 1;
        self.summary.items += answer.items.len() as u64;
        match answer.source {
            Origin::Model => self.summary.by_model += 1,
            Origin::Popularity => self.summary.by_popularity += 1,
        }
        Ok(())
    }
}

fn stopped(args: &RecommendArgs, done: u64) -> Failure {
    Failure::found(format!(
        "stopped after {done} users: nothing of them is kept, and {} is as it was; start again for all of them",
        args.output.display()
    ))
}

/// The lines, which become the output when all are written; until then they stand beside it, and a run that ends
/// before takes them away.
struct Writer {
    file: BufWriter<File>,
    unfinished: PathBuf,
    output: PathBuf,
    is_finished: bool,
}

impl Writer {
    fn new(unfinished: PathBuf, output: &Path) -> Result<Self, Failure> {
        let file = create(&unfinished)?;
        Ok(Self { file, unfinished, output: output.to_owned(), is_finished: false })
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(line).map_err(|error| Failure::fault(&error))?;
        self.file
            .write_all(&bytes)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| self.failed(&error))
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.failed(&error))?;
        if self.is_beside() {
            let moved =
                self.file.get_ref().sync_all().and_then(|()| std::fs::rename(&self.unfinished, &self.output));
            moved.map_err(|error| self.failed(&error))?;
        }
        self.is_finished = true;
        Ok(())
    }

    /// A device or a pipe takes the lines as they come.
    fn is_beside(&self) -> bool {
        self.unfinished != self.output
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::found(format!("{}: cannot be written ({error})", self.unfinished.display()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_finished && self.is_beside() {
            // Where it cannot be removed, its name says that it is not finished.
            drop(std::fs::remove_file(&self.unfinished));
        }
    }
}
