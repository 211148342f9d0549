//! Mean and spread of the users' habits over the examples that were learnt from.

use hmisr_features::{Features, HABITS};
use hmisr_model::hmisr::Habits;
use serde::{Deserialize, Serialize};

use crate::habits::most_entropy;

/// The least spread that is divided by: of habits that hardly differ, a small difference says little.
const LEAST: f64 = 0.02;
/// How far from the mean a habit counts, in spreads.
const MOST: f64 = 5.0;

/// Running mean and spread of each habit (Welford), in the order of the examples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Standard {
    examples: u64,
    mean: [f64; HABITS],
    /// Sums of squared distances from the mean.
    squares: [f64; HABITS],
}

/// As it is stored: bit patterns, since JSON keeps integers exactly.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Stored {
    examples: u64,
    mean_bits: [u64; HABITS],
    squares_bits: [u64; HABITS],
}

impl From<Stored> for Standard {
    fn from(stored: Stored) -> Self {
        let Stored { examples, mean_bits, squares_bits } = stored;
        Self { examples, mean: mean_bits.map(f64::from_bits), squares: squares_bits.map(f64::from_bits) }
    }
}

impl From<Standard> for Stored {
    fn from(standard: Standard) -> Self {
        let Standard { examples, mean, squares } = standard;
        Self { examples, mean_bits: mean.map(f64::to_bits), squares_bits: squares.map(f64::to_bits) }
    }
}

impl Standard {
    /// Counts the features of an example.
    pub fn add(&mut self, features: &Features) {
        self.examples += 1;
        let habits = features.habits().into_iter().zip(&mut self.mean).zip(&mut self.squares);
        for ((habit, mean), squares) in habits {
            let before = habit - *mean;
            *mean += before / self.examples as f64;
            *squares += before * (habit - *mean);
        }
    }

    /// What the model reads of these features: z-scores, 0 as long as too little is known, beside what the fixed
    /// blend reads of the window, over as many `categories` as there are.
    pub fn habits(&self, features: &Features, categories: usize) -> Habits {
        let mut standard = [0.0; HABITS];
        if self.examples > 1 {
            let all = features.habits().into_iter().zip(self.mean).zip(self.squares);
            for (score, ((habit, mean), squares)) in standard.iter_mut().zip(all) {
                let spread = (squares / (self.examples - 1) as f64).sqrt().max(LEAST);
                *score = ((habit - mean) / spread).clamp(-MOST, MOST) as f32;
            }
        }
        let window = &features.window;
        Habits {
            standard,
            entropy: (window.entropy / most_entropy(categories)).clamp(0.0, 1.0) as f32,
            tail: window.tail_ratio as f32,
            switching: window.switch_rate as f32,
            recent: features.recent_diversity as f32,
        }
    }

    /// Whether every number is one.
    pub fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.squares).all(|value| value.is_finite())
    }
}

// The model and the stream count the same habits.
const _: () = assert!(HABITS == hmisr_model::hmisr::HABITS);

#[cfg(test)]
mod tests {
    use super::*;

    fn features(entropy: f64) -> Features {
        let mut features = Features { recent_diversity: 0.5, ..Features::default() };
        features.window.entropy = entropy;
        features
    }

    #[test]
    fn scores_have_mean_0_and_spread_1_over_what_was_counted() {
        let mut standard = Standard::default();
        assert_eq!(standard.habits(&features(3.0), 9).standard, [0.0; HABITS]);
        let all = [0.5, 1.0, 2.5, 4.0, 4.5];
        all.iter().for_each(|entropy| standard.add(&features(*entropy)));
        let scores = all.map(|entropy| f64::from(standard.habits(&features(entropy), 9).standard[4]));
        assert!(scores.iter().sum::<f64>().abs() < 1e-5);
        assert!((scores.iter().map(|score| score * score).sum::<f64>() / 4.0 - 1.0).abs() < 1e-5);
        // What never differed says little, and an outlier is bounded.
        let mut other = features(1e9);
        other.recent_diversity = 0.51;
        let habits = standard.habits(&other, 9);
        assert_eq!((habits.standard[4], habits.standard[8]), (5.0, 0.5));
        let json = serde_json::to_string(&standard).unwrap();
        assert_eq!(serde_json::from_str::<Standard>(&json).unwrap(), standard);
    }
}
