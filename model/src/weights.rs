//! How much examples count against each other.

use serde::{Deserialize, Serialize};

/// Shares of a usual example that one may count.
const LEAST: f64 = 1.0 / 16.0;
const MOST: f64 = 8.0;

/// Weights of examples against what is usual: their geometric mean so far. So stars, money and seconds teach at the
/// same rate, and one sum that somebody paid does not outweigh everything else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Weights {
    examples: u64,
    /// Sum of the weights' logarithms.
    logarithms: f64,
}

/// As it is stored: a bit pattern, since JSON keeps integers exactly.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Stored {
    examples: u64,
    logarithms_bits: u64,
}

impl From<Stored> for Weights {
    fn from(Stored { examples, logarithms_bits }: Stored) -> Self {
        Self { examples, logarithms: f64::from_bits(logarithms_bits) }
    }
}

impl From<Weights> for Stored {
    fn from(Weights { examples, logarithms }: Weights) -> Self {
        Self { examples, logarithms_bits: logarithms.to_bits() }
    }
}

impl Weights {
    /// Counts an example's weight; none or a negative one is of no target and is not counted.
    pub fn add(&mut self, weight: f32) {
        if weight > 0.0 {
            self.examples += 1;
            self.logarithms += f64::from(weight).ln();
        }
    }

    /// How much an example of this weight counts where a usual one counts 1; 0 where it is no target.
    pub fn relative(&self, weight: f32) -> f32 {
        if weight > 0.0 {
            let usual = (self.logarithms / self.examples.max(1) as f64).exp();
            (f64::from(weight) / usual).clamp(LEAST, MOST) as f32
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(weights: &[f32]) -> Weights {
        let mut all = Weights::default();
        weights.iter().for_each(|weight| all.add(*weight));
        all
    }

    #[test]
    fn weights_count_against_what_is_usual() {
        assert_eq!(after(&[]).relative(1.0), 1.0);
        assert_eq!(after(&[1.0; 7]).relative(1.0), 1.0);
        assert!((after(&[5.0; 7]).relative(5.0) - 1.0).abs() < 1e-6, "the unit says nothing");
        let stars = after(&[1.0, 2.0, 4.0]);
        assert!((stars.relative(4.0) - 2.0).abs() < 1e-6 && (stars.relative(1.0) - 0.5).abs() < 1e-6);
        assert_eq!((stars.relative(0.0), stars.relative(-3.0), stars.relative(f32::NAN)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn one_huge_sum_changes_little() {
        let mut all = after(&[1.0; 999]);
        all.add(3e38);
        assert_eq!(all.relative(3e38), 8.0);
        assert!((all.relative(1.0) - 0.915).abs() < 0.01, "{}", all.relative(1.0));
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), all);
    }
}
