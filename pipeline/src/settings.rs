//! How the job runs. What changes a feature's value stands in `FeatureSettings`.

use hmisr_features::{FeatureSettings, VISITS};
use hmisr_stream::contract::Event;
use hmisr_stream::{Delivery, SkipBatch};
use serde::{Deserialize, Serialize};

/// Which feature records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// One per applied event.
    EveryEvent,
    /// The newest per user and commit.
    PerCommit,
}

/// Settings of the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineSettings {
    /// Consumer group, and the name to which state is bound.
    pub group: String,
    /// Transactional id; each instance of the job needs its own.
    pub transactional_id: String,
    /// What is promised of the outputs: `exactly_once` or `at_least_once`.
    pub delivery: Delivery,
    /// Which feature records are written: `every_event` or `per_commit`.
    pub emit: Emit,
    /// Whether training examples are written.
    pub training_examples: bool,
    /// Events of history in a training example, at most; the model's length.
    pub history: usize,
    /// Actions whose events count for the features and make a training example, but for those of a negative weight.
    pub positive_actions: Vec<String>,
    /// Actions that are known and only enter the user's visits. So does one in neither list, which is
    /// counted.
    pub neutral_actions: Vec<String>,
    /// Records of one poll, at most.
    pub batch_records: usize,
    /// Bytes of one poll, at most.
    pub batch_bytes: usize,
    /// A commit comes this long after the first record that it holds, in milliseconds.
    pub commit_interval_ms: u64,
    /// A commit comes at the latest after so many records.
    pub commit_records: usize,
    /// A commit comes at the latest after so many bytes of outputs.
    pub commit_bytes: usize,
    /// A longer event is a dead letter, in bytes; at most 900,000, to which the feeder cuts.
    pub max_event_bytes: usize,
    /// A positive event of a further category of a user who has this many is a dead letter: a user's
    /// state, which is written whole, stays bounded.
    pub max_user_categories: usize,
    /// An event this much later than its record's timestamp is a dead letter, in milliseconds.
    pub max_future_ms: i64,
    /// Transactions, or tries to reach the log, that may fail in a row before the job stops.
    pub max_failed_commits: u32,
    /// The pause before the second try, in milliseconds; it doubles up to five seconds.
    pub retry_pause_ms: u64,
    /// Base URL under which others reach this instance's look-ups, announced on `state-owners`;
    /// empty: the address that it listens on.
    pub advertised_url: String,
    /// Batches that cannot be read and are to be skipped, each a partition and the offset that the log and
    /// `/readyz` name, such as "3:1234". What is skipped is lost, and a dead letter says so.
    pub skip_unreadable: Vec<SkipBatch>,
    /// Accept the store's own offset where the group's is missing, as after a group was deleted.
    pub adopt_store_offset: bool,
}

impl Default for PipelineSettings {
    fn default() -> Self {
        let actions = |actions: &[&str]| actions.iter().map(|&action| action.to_owned()).collect();
        Self {
            group: "hmisr-pipeline".into(),
            transactional_id: "hmisr-pipeline-0".into(),
            delivery: Delivery::ExactlyOnce,
            emit: Emit::EveryEvent,
            training_examples: true,
            history: 50,
            positive_actions: actions(&["click", "like", "purchase", "rate", "pv", "cart", "fav", "buy"]),
            neutral_actions: actions(&["impression", "skip", "dislike"]),
            batch_records: 4_096,
            batch_bytes: 8 << 20,
            commit_interval_ms: 200,
            commit_records: 100_000,
            commit_bytes: 64 << 20,
            max_event_bytes: 64 << 10,
            max_user_categories: 10_000,
            max_future_ms: 60 * 60 * 1000,
            max_failed_commits: 10,
            retry_pause_ms: 100,
            advertised_url: String::new(),
            skip_unreadable: Vec::new(),
            adopt_store_offset: false,
        }
    }
}

impl PipelineSettings {
    /// Visits kept of each user: what models and training examples look back on.
    pub fn visits_kept(&self) -> usize {
        VISITS.max(self.history)
    }

    /// Whether the event is a choice; what was given back, of a negative weight, is none.
    pub fn is_choice(&self, event: &Event) -> bool {
        self.positive_actions.contains(&event.action) && event.weight.is_none_or(|weight| weight >= 0.0)
    }

    /// A text that is equal where the same events give the same features, and nowhere else: the settings of
    /// the features, and which actions are positive. Stores carry it.
    pub fn definition(&self, features: &FeatureSettings) -> String {
        let mut actions: Vec<&str> = self.positive_actions.iter().map(String::as_str).collect();
        actions.sort_unstable();
        actions.dedup();
        format!("{} positive_actions={actions:?} weight>=0", features.identity())
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// A text naming field, value and range.
    pub fn validate(&self) -> Result<(), String> {
        for (field, value) in [("group", &self.group), ("transactional_id", &self.transactional_id)] {
            if value.is_empty() || value.len() > 249 {
                return Err(format!("pipeline.{field} = {value:?}: expected 1 to 249 bytes"));
            }
        }
        for (field, value, most) in [
            ("history", self.history, 10_000),
            ("batch_records", self.batch_records, 1_000_000),
            ("batch_bytes", self.batch_bytes, 1 << 30),
            ("commit_records", self.commit_records, 10_000_000),
            ("commit_bytes", self.commit_bytes, 1 << 30),
            ("max_user_categories", self.max_user_categories, 1_000_000),
            ("max_event_bytes", self.max_event_bytes, 900_000),
        ] {
            if value == 0 || value > most {
                return Err(format!("pipeline.{field} = {value}: expected 1 to {most}"));
            }
        }
        if self.commit_interval_ms > 60_000 {
            let value = self.commit_interval_ms;
            return Err(format!("pipeline.commit_interval_ms = {value}: expected 0 to 60000 milliseconds"));
        }
        if self.max_future_ms < 0 {
            let value = self.max_future_ms;
            return Err(format!("pipeline.max_future_ms = {value}: expected 0 or more milliseconds"));
        }
        if let Some(both) = self.positive_actions.iter().find(|action| self.neutral_actions.contains(action))
        {
            return Err(format!(
                "pipeline.positive_actions: {both:?} stands in pipeline.neutral_actions too; an action is one or the other"
            ));
        }
        Ok(())
    }
}
