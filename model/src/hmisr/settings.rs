//! What can be set of HMISR alone.

use serde::{Deserialize, Serialize};

use super::losses::LossWeights;
use crate::Result;
use crate::settings::within;

/// What reads the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// A transformer over the newest `max_len` events.
    #[default]
    Attention,
    /// Averages that fade, over the newest `max_len` events of each position.
    Recurrence,
}

impl std::fmt::Display for EncoderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attention => "attention",
            Self::Recurrence => "recurrence",
        })
    }
}

/// Settings of HMISR. Each part can be switched off, for ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HmisrSettings {
    /// What reads the events.
    pub encoder: EncoderKind,
    /// Temperature of the coarse assignment at the beginning, τ_c; it is learned.
    pub temperature: f32,
    /// An event is a member of the interests to which it belongs by more than this share of K.
    pub member_share: f32,
    /// Temperature of the contrast.
    pub contrast_temperature: f32,
    /// How much of what the encoder said when the user was last in an interest the interest's vector
    /// begins with, in the place of what it says now.
    pub own_state: f32,
    /// The encoder's state has a say in the priors.
    pub state_prior: bool,
    /// Vectors lean along their interest's basis vector.
    pub along_basis: bool,
    /// The fine level's intents.
    pub intent: bool,
    /// The exchange between the levels.
    pub exchange: bool,
    /// Targets a history that the ranking losses look at in a step.
    pub ranked_positions: usize,
    /// Negatives that a step's ranking loss shares.
    pub ranked_negatives: usize,
    /// Weights of all losses.
    pub losses: LossWeights,
}

impl Default for HmisrSettings {
    fn default() -> Self {
        Self {
            encoder: EncoderKind::Attention,
            temperature: 0.1,
            member_share: 1.5,
            contrast_temperature: 0.07,
            own_state: 1.0,
            state_prior: true,
            along_basis: true,
            intent: true,
            exchange: true,
            ranked_positions: 1,
            ranked_negatives: 512,
            losses: LossWeights::default(),
        }
    }
}

impl HmisrSettings {
    pub(crate) fn validate(&self) -> Result<()> {
        within("model.hmisr.temperature", self.temperature, 0.01, 10.0)?;
        within("model.hmisr.member_share", self.member_share, 1.0, 100.0)?;
        within("model.hmisr.contrast_temperature", self.contrast_temperature, 0.01, 10.0)?;
        within("model.hmisr.own_state", self.own_state, 0.0, 1.0)?;
        within("model.hmisr.ranked_positions", self.ranked_positions, 1, 64)?;
        within("model.hmisr.ranked_negatives", self.ranked_negatives, 1, 65_536)?;
        self.losses.validate()
    }
}
