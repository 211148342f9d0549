//! What is fitted, and for how long.

use hmisr_features::FeatureSettings;
use hmisr_model::ModelSettings;
use hmisr_model::backend::Precision;
use hmisr_model::hmisr::Stage;
use hmisr_model::settings::within;
use serde::{Deserialize, Serialize};

use crate::data::NEUTRAL_ACTIONS;
use crate::error::{Error, Result};

/// Settings of a fit. A run folder belongs to one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitSettings {
    /// The network.
    pub model: ModelSettings,
    /// How users' features are computed, of which the model reads their habits.
    pub features: FeatureSettings,
    /// Actions that choose nothing, as `pipeline.neutral_actions` of a job: they are read in histories, and are no
    /// targets and no events of the features. All others choose, but for events of a negative weight. What is asked
    /// of a fit stays as the data set's cases are: of no [`NEUTRAL_ACTIONS`].
    pub neutral_actions: Vec<String>,
    /// What products of matrices take their operands in.
    pub precision: Precision,
    /// Events of a step, padding included.
    pub batch_events: usize,
    /// Learning rate at its height (AdamW).
    pub rate: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Decays of the two moments.
    pub betas: [f32; 2],
    /// Share of all steps over which the rate rises; then it falls along a cosine.
    pub warmup_share: f32,
    /// Norm above which a step's gradient is scaled down; 0: never.
    pub clip_norm: f32,
    /// Epochs of HMISR's stages: coarse, fine, all. Other networks train for their sum.
    pub stages: [usize; 3],
    /// Epochs without a better validation NDCG@10 after which a network's training, or a stage of
    /// HMISR's, ends.
    pub patience: usize,
    /// Validation cases looked at after an epoch, at most, evenly spaced.
    pub validation_cases: usize,
    /// Catalogue size up to which the loss is the full softmax.
    pub full_softmax_items: usize,
    /// Negatives that a step shares above it.
    pub negatives: usize,
    /// Largest block of logits in memory, bytes.
    pub logits_bytes: usize,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            features: FeatureSettings::default(),
            neutral_actions: NEUTRAL_ACTIONS.map(str::to_owned).to_vec(),
            precision: Precision::F32,
            batch_events: 6_400,
            rate: 1e-3,
            weight_decay: 1e-5,
            betas: [0.9, 0.98],
            warmup_share: 0.05,
            clip_norm: 5.0,
            stages: [10, 10, 10],
            patience: 5,
            validation_cases: 2_000,
            full_softmax_items: 65_536,
            negatives: 4_096,
            logits_bytes: 16 << 20,
        }
    }
}

/// Events of a data set up to which it is small.
const SMALL: usize = 200_000;

impl FitSettings {
    /// The settings that every network gets on a data set of this many events. On small data a step
    /// reads fewer events, so that an epoch has enough steps.
    pub fn for_events(events: usize) -> Self {
        let batch_events = if events <= SMALL { 1_600 } else { 6_400 };
        Self { batch_events, rate: 2e-3, ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Setting`] names field, value and range.
    pub fn validate(&self) -> Result<()> {
        let checked = self.model.validate().and_then(|()| {
            within("batch_events", self.batch_events, self.model.max_len, 1 << 22)?;
            within("rate", self.rate, 1e-8, 1.0)?;
            within("weight_decay", self.weight_decay, 0.0, 1.0)?;
            within("betas", self.betas[0].max(self.betas[1]), 0.0, 0.999_99)?;
            within("warmup_share", self.warmup_share, 0.0, 1.0)?;
            within("clip_norm", self.clip_norm, 0.0, 1e6)?;
            within("stages", self.epochs(), 1, 100_000)?;
            within("patience", self.patience, 1, 100_000)?;
            within("validation_cases", self.validation_cases, 1, usize::MAX)?;
            within("full_softmax_items", self.full_softmax_items, 0, 10_000_000)?;
            within("negatives", self.negatives, 1, 1 << 20)?;
            within("logits_bytes", self.logits_bytes, 1 << 16, 16 << 30)
        });
        self.features.validate().map_err(|error| Error::Setting {
            field: "features",
            value: error.to_string(),
            expected: "see docs/features.md".to_owned(),
        })?;
        checked.map_err(|error| Error::Model {
            model: self.model.architecture.to_string(),
            source: error.into(),
        })
    }

    /// The settings as JSON, in which each number stands as it is written: 0.1, not the digits of the
    /// nearest f32.
    pub fn json(&self) -> serde_json::Value {
        let text = serde_json::to_string(self).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Epochs in all.
    pub fn epochs(&self) -> usize {
        self.stages.iter().sum()
    }

    /// The stages with their epochs: HMISR's three, or one for all others.
    pub fn schedule(&self) -> Vec<(Stage, usize)> {
        match self.model.architecture.is_staged() {
            true => Stage::ALL.into_iter().zip(self.stages).filter(|(_, epochs)| *epochs > 0).collect(),
            false => vec![(Stage::All, self.epochs())],
        }
    }

    /// The rate of a step, counted from 0, of `steps` in all.
    pub fn rate_at(&self, step: u64, steps: u64) -> f32 {
        let warm = (self.warmup_share as f64 * steps as f64).max(1.0);
        let step = step as f64;
        if step < warm {
            return (f64::from(self.rate) * (step + 1.0) / warm) as f32;
        }
        let done = ((step - warm) / (steps as f64 - warm).max(1.0)).min(1.0);
        // A hundredth of the height at the end, so that the last steps still count.
        (f64::from(self.rate) * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))) as f32
    }
}

#[cfg(test)]
mod tests {
    use hmisr_model::Architecture;

    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let settings = FitSettings::default();
        settings.validate().unwrap();
        let at = |step| settings.rate_at(step, 1_000);
        assert!((at(0) - 1e-3 / 50.0).abs() < 1e-9 && (at(49) - 1e-3).abs() < 1e-9);
        assert!((at(525) - 0.505e-3).abs() < 1e-5, "{}", at(525));
        assert!((at(999) - 1e-5).abs() < 1e-6 && at(2_000) > 0.0);
    }

    #[test]
    fn only_hmisr_has_stages() {
        let mut settings = FitSettings { stages: [2, 0, 3], ..FitSettings::default() };
        assert_eq!(settings.schedule(), [(Stage::Coarse, 2), (Stage::All, 3)]);
        settings.model.architecture = Architecture::Sasrec;
        assert_eq!(settings.schedule(), [(Stage::All, 5)]);
        settings.stages = [0; 3];
        assert!(settings.validate().unwrap_err().to_string().contains("sasrec"));
    }
}
