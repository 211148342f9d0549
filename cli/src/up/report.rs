//! What a run did: a summary for people and machines, and the learning curve.

use std::path::Path;
use std::time::Duration;

use hmisr_feed::{Fed, GroundTruth};
use hmisr_pipeline::{PipelineProgress, StateDirectory};
use hmisr_serving::{Kept, Known, Request};
use hmisr_stream::contract::Id;
use hmisr_trainer::online::Summary;
use hmisr_trainer::prequential::Means;
use serde::Serialize;

use super::{plot, shown};
use crate::commands::serve::Serving;
use crate::failure::Failure;
use crate::outcome::{Least, Outcome};
use crate::terminal::print_after;

/// Users of the generator that are asked for.
const USERS_ASKED: usize = 500;
/// Items asked for.
const TOP: usize = 10;

/// The summary.
#[derive(Debug, Serialize)]
pub struct Report {
    elapsed_s: f64,
    events_fed: u64,
    events_in_log_before: u64,
    input_finished: bool,
    events_applied: u64,
    events_per_s: f64,
    feature_records: u64,
    examples_written: u64,
    dead_letters: u64,
    duplicates: u64,
    #[serde(flatten)]
    outcome: Outcome,
    examples_learnt: u64,
    /// Examples in the log that the next start learns from.
    examples_waiting: Option<u64>,
    training_steps: u64,
    items: u64,
    prequential: Means,
    prequential_last_tenth: Means,
    snapshot_version: u64,
    served_version: Option<u64>,
    last_snapshot_served: bool,
    interests: Option<Interests>,
    /// How a data set was understood, and which of its rows are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<hmisr_datasets::Summary>,
}

/// How the generator's users are served, against what they are known to like.
#[derive(Debug, Serialize)]
struct Interests {
    users: usize,
    /// Share of recommended items in one of the user's true interests at the time.
    recommended: f64,
    /// The share that items drawn evenly from the catalogue would have.
    chance: f64,
}

impl Report {
    /// Gathers what the parts did.
    #[expect(clippy::too_many_arguments, reason = "one of each part, used once")]
    pub fn new(
        elapsed: Duration,
        fed: &Fed,
        job: &PipelineProgress,
        examples_waiting: Option<u64>,
        trained: &Summary,
        serving: &Serving,
        directory: &StateDirectory,
        truth: &Path,
        last_snapshot_served: bool,
        reading: Option<hmisr_datasets::Summary>,
    ) -> Self {
        let elapsed_s = elapsed.as_secs_f64();
        Self {
            elapsed_s,
            events_fed: fed.fed,
            events_in_log_before: fed.skipped,
            input_finished: fed.finished,
            events_applied: job.applied(),
            events_per_s: job.applied() as f64 / elapsed_s,
            feature_records: job.features(),
            examples_written: job.examples(),
            dead_letters: job.dead_letters(),
            duplicates: job.duplicates(),
            outcome: outcome(job),
            examples_learnt: trained.examples,
            examples_waiting,
            training_steps: trained.step,
            items: trained.items,
            prequential: trained.overall,
            prequential_last_tenth: trained.last_tenth,
            snapshot_version: trained.version,
            served_version: serving.slot.version(),
            last_snapshot_served,
            interests: truth.exists().then(|| interests(serving, directory, truth)).flatten(),
            reading,
        }
    }

    /// Writes `summary.json` and the curve as table and picture.
    pub fn write(&self, folder: &Path, curve: &[Means]) -> Result<(), Failure> {
        std::fs::create_dir_all(folder)?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::fault(&error))?;
        std::fs::write(folder.join("summary.json"), text)?;
        let mut table = String::from(
            "examples,model_hr,model_ndcg,popularity_hr,popularity_ndcg,unknown,served,served_hr,served_ndcg,\
             personal_hr,personal_ndcg\n",
        );
        let mut seen = 0;
        for point in curve {
            seen += point.examples;
            let Means { model_hr, model_ndcg, popularity_hr, popularity_ndcg, unknown, .. } = point;
            let Means { served, served_hr, served_ndcg, personal_hr, personal_ndcg, .. } = point;
            table.push_str(&format!(
                "{seen},{model_hr},{model_ndcg},{popularity_hr},{popularity_ndcg},{unknown},{served},{served_hr},\
                 {served_ndcg},{personal_hr},{personal_ndcg}\n"
            ));
        }
        std::fs::write(folder.join("prequential.csv"), table)?;
        plot::prequential(&folder.join("prequential.svg"), curve)
    }

    /// Prints the summary, and refuses what came to too little.
    pub fn end(&self, json: bool, folder: &Path, least: Least, letters: &str) -> Result<(), Failure> {
        self.print(json, folder)?;
        if !json {
            self.outcome.warn(least);
        }
        self.outcome.judge(least, &format!("; `{letters}` shows what was rejected"))
    }

    fn print(&self, json: bool, folder: &Path) -> Result<(), Failure> {
        if json {
            let text = serde_json::to_string(self).map_err(|error| Failure::fault(&error))?;
            println!("{text}");
        } else {
            self.rows(folder).iter().for_each(|(label, text)| {
                print_after(&format!("{label:<10} {text}"), 11);
            });
        }
        Ok(())
    }

    fn rows(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let Self { events_fed, events_in_log_before, events_applied, events_per_s, elapsed_s, .. } = self;
        let Self { feature_records, examples_written, dead_letters, .. } = self;
        let Self { examples_learnt, training_steps, items, snapshot_version, .. } = self;
        let Means { model_hr, model_ndcg, popularity_hr, popularity_ndcg, .. } = self.prequential_last_tenth;
        let mut rows = vec![
            (
                "events",
                format!(
                    "{events_fed} fed, {events_in_log_before} in the log before, {events_applied} applied ({events_per_s:.0}/s over {elapsed_s:.0} s)"
                ),
            ),
            (
                "written",
                format!(
                    "{feature_records} feature records, {examples_written} training examples, {dead_letters} dead letters"
                ),
            ),
            ("trained", format!("{examples_learnt} examples in {training_steps} steps, {items} items")),
        ];
        if let Some(waiting) = self.examples_waiting.filter(|waiting| *waiting > 0) {
            rows.push(("waiting", format!("{waiting} examples, for the next start on this data folder")));
        }
        rows.push((
            "last tenth",
            format!(
                "HR@10 {model_hr:.4}, NDCG@10 {model_ndcg:.4}; running popularity {popularity_hr:.4}, {popularity_ndcg:.4}"
            ),
        ));
        let Means { served, served_hr, served_ndcg, personal_hr, personal_ndcg, .. } =
            self.prequential_last_tenth;
        if served > 0 {
            rows.push((
                "as served",
                format!(
                    "HR@10 {served_hr:.4}, NDCG@10 {served_ndcg:.4}; with the user's own λ {personal_hr:.4}, \
                     {personal_ndcg:.4}; one example in 64, {served} of the last tenth"
                ),
            ));
        }
        let served =
            self.served_version.map_or_else(|| "nothing".to_owned(), |version| format!("v{version}"));
        rows.push(("snapshot", format!("v{snapshot_version} published, {served} served at the end")));
        if let Some(Interests { users, recommended, chance }) = &self.interests {
            let (recommended, chance) = (recommended * 100.0, chance * 100.0);
            rows.push((
                "interests",
                format!(
                    "{recommended:.0} % of recommended items are in a true interest of their user (chance {chance:.0} %, {users} users)"
                ),
            ));
        }
        rows.push(("report", shown(folder)));
        rows
    }
}

/// What became of the events of this run.
pub fn outcome(job: &PipelineProgress) -> Outcome {
    Outcome::new("events", "applied", job.applied() + job.duplicates(), &job.rejections())
}

/// Asks the served model for the generator's users and compares with the truth.
fn interests(serving: &Serving, directory: &StateDirectory, truth: &Path) -> Option<Interests> {
    let truth = GroundTruth::read(truth).ok()?;
    let model = serving.slot.current()?;
    let (mut users, mut items, mut hits, mut chance) = (0, 0, 0, 0.0);
    let step = (truth.users.len() / USERS_ASKED).max(1);
    for user in truth.users.iter().step_by(step) {
        let Some(view) = Id::int(user.user_id).ok().and_then(|id| directory.user(&id).ok().flatten()) else {
            continue;
        };
        let Some(interests) = truth.interests_at(user.user_id, view.newest_ts) else { continue };
        let kept = Kept::of(&view);
        let liked =
            |category: &Id| interests.iter().any(|interest| category.as_int() == Some(interest.category));
        let known =
            Known { history: kept.history(), features: Some(kept.features()), now: Some(view.newest_ts) };
        let request = Request { known, k: TOP, ..Request::default() };
        let Ok(recommended) = model.recommend(&request).map(|answer| answer.items) else { continue };
        users += 1;
        items += recommended.len();
        hits += recommended.iter().filter(|item| liked(&item.category)).count();
        chance += interests.len() as f64 / f64::from(truth.settings.categories);
    }
    (items > 0).then(|| Interests {
        users,
        recommended: hits as f64 / items as f64,
        chance: chance / users as f64,
    })
}
