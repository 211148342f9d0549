//! The networks by name, and what each can do.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::baselines::HARDNESS;
use crate::softmax::add_priors;
use crate::{Error, ErrorKind};

/// A network's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// The two-level multi-interest network of this project.
    #[default]
    Hmisr,
    /// Self-attentive sequential recommendation (Kang and McAuley 2018), with cross-entropy.
    Sasrec,
    /// A gated recurrent unit (Hidasi et al. 2016), with cross-entropy.
    Gru4rec,
    /// Self-attention with time intervals (Li et al. 2020), with cross-entropy.
    Tisasrec,
    /// Interests by dynamic routing under a shared map (Li et al. 2019).
    Mind,
    /// Interests by dynamic routing under a map each (Cen et al. 2020).
    ComirecDr,
    /// Interests by self-attention (Cen et al. 2020).
    ComirecSa,
    /// The same with hard negatives and regularised routing (Xie et al. 2023).
    Remi,
    /// Averages of the whole history at several half-lives, and a gated network where something is asked.
    Recurrence,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Hmisr,
        Self::Sasrec,
        Self::Gru4rec,
        Self::Tisasrec,
        Self::Mind,
        Self::ComirecDr,
        Self::ComirecSa,
        Self::Remi,
        Self::Recurrence,
    ];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hmisr => "hmisr",
            Self::Sasrec => "sasrec",
            Self::Gru4rec => "gru4rec",
            Self::Tisasrec => "tisasrec",
            Self::Mind => "mind",
            Self::ComirecDr => "comirec-dr",
            Self::ComirecSa => "comirec-sa",
            Self::Remi => "remi",
            Self::Recurrence => "recurrence",
        }
    }

    /// Whether all vectors of a user share one softmax over interests and the items that each speaks for, as in a
    /// mixture of softmaxes (Yang et al., ICLR 2018), or the best alone answers for a target (Cen et al. 2020, eq. 9).
    pub fn is_joint(self) -> bool {
        self == Self::Hmisr
    }

    /// Whether it is trained in stages, by coarse and fine losses beside that of the next item (design, section
    /// 3.8.1 "The three stages").
    pub fn is_staged(self) -> bool {
        self == Self::Hmisr
    }

    /// Whether it ranks candidates by target-aware aggregation under a DiversityScore, both of which learn from
    /// [`Samples`](crate::hmisr::Samples) (design, sections 3.5 "The diversity score" and 3.6 "Activation and
    /// aggregation").
    pub fn ranks(self) -> bool {
        self == Self::Hmisr
    }

    /// A user's scores of items from those of each vector, `[K, items]`, and their priors (none:
    /// 0), in the first row:
    /// ln Σ_k e^score where the vectors share a softmax, the greatest where the best answers.
    pub fn logsumexp_or_max<'a>(self, scores: &'a mut [f32], priors: &[f32], items: usize) -> &'a [f32] {
        add_priors(scores, priors);
        let (all, others) = scores.split_at_mut(items);
        if others.is_empty() {
            return all;
        }
        let joint = self.is_joint();
        for (item, score) in all.iter_mut().enumerate() {
            let each = others.iter().skip(item).step_by(items);
            let max = each.clone().copied().fold(*score, f32::max);
            let sum = || (*score - max).exp() + each.map(|other| (other - max).exp()).sum::<f32>();
            *score = if joint { max + sum().ln() } else { max };
        }
        all
    }

    /// How much harder negatives weigh more in the next item's loss, for networks that say so.
    pub(crate) fn hardness(self) -> Option<f32> {
        (self == Self::Remi).then_some(HARDNESS)
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Configuration, format!("no model is called {name:?}; known are {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_answer_together_or_the_best_does() {
        let scores = [1.0, 2.0, 0.0, 3.0, 2.0, -9.0];
        let (mut joint, mut best) = (scores, scores);
        let joint = Architecture::Hmisr.logsumexp_or_max(&mut joint, &[], 3);
        assert_eq!(Architecture::Mind.logsumexp_or_max(&mut best, &[], 3), [3.0, 2.0, 0.0]);
        for (found, expected) in joint.iter().zip([3.126_928, 2.693_147, 0.000_123]) {
            assert!((found - expected).abs() < 1e-5, "{joint:?}");
        }
        assert_eq!(Architecture::Sasrec.logsumexp_or_max(&mut [4.0, 5.0], &[], 2), [4.0, 5.0]);
    }
}
