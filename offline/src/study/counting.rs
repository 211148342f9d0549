//! Models that count, which networks are held against.

use std::collections::BTreeMap;
use std::time::Instant;

use super::questions::Built;
use crate::rank::{Counts, Markov, Popularity, Scorer, Trinity, TrinitySettings};
use crate::split::Split;

/// A model that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// [`Popularity`].
    Popularity,
    /// [`Markov`].
    Markov,
    /// [`Trinity`].
    Trinity,
    /// [`Counts`].
    Counts,
}

impl Counting {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Popularity, Self::Markov, Self::Trinity, Self::Counts];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Markov => "markov",
            Self::Trinity => "trinity",
            Self::Counts => "counts",
        }
    }

    /// Whether a seed has a say in it.
    pub fn is_random(self) -> bool {
        self == Self::Trinity
    }

    pub(super) fn fit(self, seed: u64, split: &Split) -> Built<'_> {
        let begun = Instant::now();
        let mut sources = BTreeMap::new();
        let scorer: Box<dyn Scorer> = match self {
            Self::Popularity => Box::new(Popularity::fit(split)),
            Self::Markov => Box::new(Markov::fit(split)),
            Self::Trinity => Box::new(Trinity::fit(split, TrinitySettings { seed, ..Default::default() })),
            Self::Counts => {
                let counts = Counts::fit(split);
                sources.extend(counts.weights());
                Box::new(counts)
            }
        };
        let parameters = Some(sources.len()).filter(|&count| count > 0);
        Built { scorer, fit_seconds: begun.elapsed().as_secs_f64(), parameters, sources }
    }
}
