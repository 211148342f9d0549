//! What can be set, with its unit and its default.

use std::path::PathBuf;

use hmisr_features::FeatureSettings;
use hmisr_model::ModelSettings;
use hmisr_model::hmisr::{EncoderKind, HmisrSettings};
use hmisr_model::settings::within;
use hmisr_recommend::counts::{Counts, MOST_BYTES};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Settings of the trainer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder that trainer and servers share: snapshots, their pointer, and the journal.
    pub folder: PathBuf,
    /// The model; left at its default, the model of the version that training goes on from. Weights of another
    /// one are bound by name: what is new begins fresh, and one of another shape is refused.
    pub model: ModelSettings,
    /// The version to go on from in the place of the newest. Versions that came of it are gone on with, so that
    /// this may stay set.
    pub from: Option<u64>,
    /// How the pipeline computes the features of the examples (`features.*`): the model computes those of a
    /// session alike.
    #[serde(skip)]
    pub features: FeatureSettings,
    /// How it learns.
    pub learning: LearningSettings,
    /// What is counted beside the network.
    pub sources: SourceSettings,
    /// How it is evaluated before it learns.
    pub evaluation: EvaluationSettings,
    /// What it learns first, where it begins with nothing.
    pub lesson: LessonSettings,
    /// Whether there is no lesson all the same: what the log held at the start was not enough for one, and what
    /// came since is no history.
    #[serde(skip)]
    pub is_without_lesson: bool,
    /// Examples that form a micro-batch, at most.
    pub batch_examples: usize,
    /// How long the first example of a micro-batch waits for more, milliseconds.
    pub batch_ms: u64,
    /// A snapshot is published this often, where anything was learnt, seconds.
    pub snapshot_every_s: u64,
    /// A snapshot is published after this many examples, too; 0: by time only.
    pub snapshot_every_examples: u64,
    /// Snapshots kept, the newest ones.
    pub keep_snapshots: usize,
    /// Go on at the log's start where it begins after the snapshot's position. The examples
    /// between are lost to the model, which is why it is off.
    pub skip_lost_examples: bool,
}

/// How the model learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearningSettings {
    /// Learning rate of the encoder (AdamW).
    pub encoder_rate: f32,
    /// Learning rate of the embedding rows (AdamW, each row with its own step count).
    pub table_rate: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Steps over which the encoder's rate rises to its full value.
    pub warmup_steps: u64,
    /// Norm above which a step's gradient is scaled down; 0: never.
    pub clip_norm: f32,
    /// Catalogue size, in items, up to which the loss is the full softmax.
    pub full_softmax_items: usize,
    /// Negatives shared by a batch above it.
    pub negatives: usize,
    /// Largest block of logits in memory, bytes.
    pub logits_bytes: usize,
    /// Tokens of one pass through the encoder, padding included, at most.
    pub pass_tokens: usize,
}

/// What is counted of the stream beside the network, and answers with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Bytes that counted pairs of items may take; 0: nothing is counted, the network answers alone. Each pair that
    /// occurred takes 8, or 4 an item of the catalogue in rows that are more than half full; rows that must be cut
    /// for it say less.
    pub max_bytes: usize,
}

/// How the model is evaluated before it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Leave items that the user has already seen out of the ranking (data without repeats).
    pub filter_seen: bool,
    /// Seen items kept over all users, 4 bytes each; above it the users seen longest ago go.
    pub seen_entries: usize,
    /// λ for a DiversityScore of 1 in the lists that are ranked as served; as `serving.lambda_max`.
    pub lambda_max: f32,
    /// Examples of the rolling window.
    pub rolling_examples: u64,
    /// Above `full_softmax_items` a batch is ranked for as many evenly spaced examples as fit
    /// into this many scores; the others are counted as not evaluated.
    pub sampled_scores: usize,
}

/// The first lesson of a trainer that has no version to go on from: the stages of a fit, over what the log
/// retains when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LessonSettings {
    /// Passes of HMISR's stages: coarse, fine, all. Other networks learn for their sum. Zeros: no lesson.
    pub passes: [usize; 3],
    /// Examples that the log must hold; with fewer there is no lesson.
    pub min_examples: u64,
    /// The newest examples that are learnt, at most, over all partitions; older ones are left out.
    pub max_examples: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("data/snapshots"),
            // The pass that evaluates is the one that learns: nothing may be dropped in it.
            model: ModelSettings { dropout: 0.0, hmisr: streaming(), ..ModelSettings::default() },
            from: None,
            features: FeatureSettings::default(),
            learning: LearningSettings::default(),
            sources: SourceSettings::default(),
            evaluation: EvaluationSettings::default(),
            lesson: LessonSettings::default(),
            is_without_lesson: false,
            batch_examples: 512,
            batch_ms: 200,
            snapshot_every_s: 10,
            snapshot_every_examples: 0,
            keep_snapshots: 5,
            skip_lost_examples: false,
        }
    }
}

/// HMISR where each example is learnt from once: over the recurrence it foretells as well as over attention, at
/// three to five times the rate (docs/performance.md).
fn streaming() -> HmisrSettings {
    HmisrSettings { encoder: EncoderKind::Recurrence, ..HmisrSettings::default() }
}

impl Default for LearningSettings {
    fn default() -> Self {
        Self {
            encoder_rate: 2e-3,
            table_rate: 1e-2,
            weight_decay: 1e-5,
            beta1: 0.9,
            beta2: 0.99,
            warmup_steps: 100,
            clip_norm: 5.0,
            full_softmax_items: 65_536,
            negatives: 4_096,
            logits_bytes: 16 << 20,
            pass_tokens: 8_192,
        }
    }
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { max_bytes: MOST_BYTES }
    }
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self {
            filter_seen: true,
            seen_entries: 50_000_000,
            lambda_max: 0.3,
            rolling_examples: 20_000,
            sampled_scores: 64_000_000,
        }
    }
}

impl Default for LessonSettings {
    fn default() -> Self {
        Self { passes: [2, 2, 3], min_examples: 10_000, max_examples: 10_000_000 }
    }
}

impl Settings {
    /// Counts of nothing yet, where anything is counted.
    pub(crate) fn counts(&self) -> Option<Counts> {
        (self.sources.max_bytes > 0).then(Counts::default)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] names field, value and range.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        self.learning.validate()?;
        let evaluation = &self.evaluation;
        within("evaluation.seen_entries", evaluation.seen_entries, 1_000, usize::MAX)?;
        within("evaluation.lambda_max", evaluation.lambda_max, 0.0, 1.0)?;
        within("evaluation.rolling_examples", evaluation.rolling_examples, 1, u64::MAX)?;
        within("evaluation.sampled_scores", evaluation.sampled_scores, 1, usize::MAX)?;
        let passes = self.lesson.passes.iter().fold(0usize, |sum, passes| sum.saturating_add(*passes));
        within("lesson.passes", passes, 0, 1_000)?;
        within("lesson.max_examples", self.lesson.max_examples, 1, u64::MAX)?;
        within("batch_examples", self.batch_examples, 1, 1 << 16)?;
        within("batch_ms", self.batch_ms, 1, 60_000)?;
        within("snapshot_every_s", self.snapshot_every_s, 1, 7 * 86_400)?;
        within("keep_snapshots", self.keep_snapshots, 1, 10_000)?;
        if self.folder.as_os_str().is_empty() {
            return Err(refused("folder", "\"\"", "a path"));
        }
        Ok(())
    }
}

impl LearningSettings {
    fn validate(&self) -> Result<()> {
        within("learning.encoder_rate", self.encoder_rate, 0.0, 1.0)?;
        within("learning.table_rate", self.table_rate, 0.0, 1.0)?;
        within("learning.weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("learning.beta1", self.beta1, 0.0, 0.9999)?;
        within("learning.beta2", self.beta2, 0.0, 0.999_99)?;
        within("learning.clip_norm", self.clip_norm, 0.0, 1e6)?;
        within("learning.full_softmax_items", self.full_softmax_items, 0, 10_000_000)?;
        within("learning.negatives", self.negatives, 1, 1 << 20)?;
        within("learning.logits_bytes", self.logits_bytes, 1 << 16, 16 << 30)?;
        within("learning.pass_tokens", self.pass_tokens, 64, 1 << 20)?;
        Ok(())
    }
}

fn refused(field: &str, value: impl std::fmt::Display, range: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("trainer setting `{field}`: {value} is not {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_errors_name_the_field() {
        Settings::default().validate().unwrap();
        let mut bad = Settings::default();
        bad.model.heads = 3;
        assert!(bad.validate().unwrap_err().to_string().contains("model.width"));
        let mut bad = Settings::default();
        bad.learning.beta2 = f32::NAN;
        assert!(bad.validate().unwrap_err().to_string().contains("learning.beta2"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<Settings>(r#"{"learning": {"rate": 1}}"#).unwrap_err();
        assert!(error.to_string().contains("rate"), "{error}");
    }
}
