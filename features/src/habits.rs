//! What a model reads of a user's features.

use crate::{Diversity, Features};

/// How many numbers [`Features::habits`] are.
pub const HABITS: usize = 9;

/// Their names, in their order.
pub const HABIT_NAMES: [&str; HABITS] = [
    "lifetime.entropy",
    "lifetime.evenness",
    "lifetime.switch_rate",
    "lifetime.tail_ratio",
    "window.entropy",
    "window.evenness",
    "window.switch_rate",
    "window.tail_ratio",
    "recent_diversity",
];

impl Features {
    /// The user's habits (design, section 3.5 "The diversity score"): entropy, evenness, switch rate and tail
    /// ratio of lifetime and window, and the recent diversity, in the order of [`HABIT_NAMES`].
    pub fn habits(&self) -> [f64; HABITS] {
        let of = |run: &Diversity| [run.entropy, run.evenness, run.switch_rate, run.tail_ratio];
        let ([a, b, c, d], [e, f, g, h]) = (of(&self.lifetime), of(&self.window));
        [a, b, c, d, e, f, g, h, self.recent_diversity]
    }
}
