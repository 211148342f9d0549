//! The weights of all losses (design, section 3.8.2 "The losses together") and how the three stages set
//! them.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::settings::within;

/// Weights of the losses against the next item's cross-entropy; 0 switches one off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossWeights {
    /// α: reconstruction of the states by the coarse interests.
    pub reconstruction: f32,
    /// β: soft orthogonality of the coarse basis.
    pub soft_orthogonality: f32,
    /// γ: negative entropy of the batch's assignment.
    pub balance: f32,
    /// ε: item-aware contrast of the intents. At the design's 0.1 it draws apart what the next item needs
    /// together: on ML-100K the training loss ends at 5.575 nats, without it at 5.542, and so it does at 0.01.
    pub contrast: f32,
    /// ζ: coarse and fine agree on an interest's mass.
    pub consistency: f32,
    /// An interest is the same over two prefixes of a history.
    pub stability: f32,
    /// Cross-entropy of the target-aware aggregation over sampled candidates.
    pub ranking: f32,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            reconstruction: 1.0,
            soft_orthogonality: 0.05,
            balance: 0.01,
            contrast: 0.01,
            consistency: 0.1,
            stability: 0.1,
            ranking: 0.5,
        }
    }
}

impl LossWeights {
    pub(crate) fn validate(&self) -> Result<()> {
        for (name, weight) in [
            ("reconstruction", self.reconstruction),
            ("soft_orthogonality", self.soft_orthogonality),
            ("balance", self.balance),
            ("contrast", self.contrast),
            ("consistency", self.consistency),
            ("stability", self.stability),
            ("ranking", self.ranking),
        ] {
            within(&format!("model.hmisr.losses.{name}"), weight, 0.0, 1_000.0)?;
        }
        Ok(())
    }

    /// The same with the coarse losses times `coarse` and the fine ones times `fine`.
    fn scaled(&self, coarse: f32, fine: f32) -> Self {
        Self {
            reconstruction: coarse * self.reconstruction,
            soft_orthogonality: coarse * self.soft_orthogonality,
            balance: coarse * self.balance,
            contrast: fine * self.contrast,
            consistency: fine * self.consistency,
            stability: fine * self.stability,
            ranking: fine * self.ranking,
        }
    }
}

/// A stage of training (design, section 3.8.1 "The three stages").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Coarse interests, beside the next item's loss on the encoder's state.
    Coarse,
    /// Interests and intents, over a frozen coarse basis.
    Fine,
    /// Everything.
    All,
}

impl Stage {
    /// The three in their order.
    pub const ALL: [Self; 3] = [Self::Coarse, Self::Fine, Self::All];

    /// Whether a parameter keeps its value in this stage.
    pub fn freezes(self, parameter: &str) -> bool {
        self == Self::Fine && parameter.starts_with("coarse.")
    }
}

/// What a step trains.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The stage.
    pub stage: Stage,
    /// The losses' weights in it.
    pub weights: LossWeights,
}

impl Plan {
    /// The plan of a stage's `epoch`, counted from 0. In the last stage the coarse losses fade,
    /// w_coarse = max(0.3, 1 − epoch/10), and the fine ones grow, w_fine = max(0.3, epoch/10) up
    /// to 1. The next item's loss is a fine one, and weights here are against it, so all are
    /// divided by w_fine.
    pub fn new(stage: Stage, epoch: usize, weights: &LossWeights) -> Self {
        let progress = epoch as f32 / 10.0;
        let weights = match stage {
            Stage::Coarse => weights.scaled(1.0, 0.0),
            Stage::Fine => weights.scaled(0.0, 1.0),
            Stage::All => {
                let (coarse, fine) = ((1.0 - progress).max(0.3), progress.clamp(0.3, 1.0));
                weights.scaled(coarse / fine, 1.0)
            }
        };
        Self { stage, weights }
    }

    /// The plan of networks without stages: the next item's loss alone.
    pub fn next_item() -> Self {
        Self { stage: Stage::Coarse, weights: LossWeights::default().scaled(0.0, 0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_set_the_weights() {
        let weights = LossWeights::default();
        let coarse = Plan::new(Stage::Coarse, 3, &weights).weights;
        assert_eq!((coarse.reconstruction, coarse.contrast), (1.0, 0.0));
        let fine = Plan::new(Stage::Fine, 3, &weights).weights;
        assert_eq!((fine.reconstruction, fine.contrast), (0.0, 0.01));
        let all = |epoch| {
            let weights = Plan::new(Stage::All, epoch, &weights).weights;
            [weights.reconstruction, weights.ranking]
        };
        let near = |found: [f32; 2], expected: [f32; 2]| {
            found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5)
        };
        assert!(near(all(0), [1.0 / 0.3, 0.5]), "{:?}", all(0));
        assert!(near(all(5), [1.0, 0.5]), "{:?}", all(5));
        assert!(near(all(20), [0.3, 0.5]), "{:?}", all(20));
        assert!(Stage::Fine.freezes("coarse.basis") && !Stage::All.freezes("coarse.basis"));
        assert!(!Stage::Fine.freezes("encoder.norm.scale"));
    }
}
