//! Diversity of a run of events, kept up to date as events enter and leave.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The diversity of a run of n events with categories c₁ … cₙ (design, section 3.5 "The diversity
/// score", long horizon).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Diversity {
    /// n.
    pub events: u64,
    /// Shannon entropy of the categories' shares, −Σ p ln p, in nats.
    pub entropy: f64,
    /// Pielou's evenness: entropy / ln k over the k distinct categories; 0 where k < 2.
    pub evenness: f64,
    /// Share of the n − 1 neighbouring pairs whose categories differ; 0 where n < 2.
    pub switch_rate: f64,
    /// Share of events whose item was long-tail when they arrived.
    pub tail_ratio: f64,
}

/// What [`Diversity`] needs of a run besides the counts n_c of its categories, which its owner
/// keeps: one event costs O(1).
///
/// With S = Σ n_c ln n_c, the entropy is ln n − S/n, and one event changes one term of S.
/// [`Totals::settle`] sums S anew, which bounds the drift of the additions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// n.
    pub events: u64,
    /// k, the categories with a count above 0.
    pub distinct: u64,
    /// Neighbours within the run whose categories differ.
    pub switches: u64,
    /// Events whose item was long-tail.
    pub tails: u64,
    /// S, with the rounding it has gathered: a run that is stored and read goes on bit for bit.
    pub s: f64,
}

impl Totals {
    /// Adds an event at the run's end. `before`: the count of its category without it;
    /// `switched`: whether its category differs from its predecessor's within the run.
    pub fn push(&mut self, before: u32, tail: bool, switched: bool) {
        self.s += n_ln_n(before.saturating_add(1)) - n_ln_n(before);
        self.events += 1;
        self.distinct += u64::from(before == 0);
        self.switches += u64::from(switched);
        self.tails += u64::from(tail);
    }

    /// Removes the run's first event. `before`: the count of its category with it; `switched`:
    /// whether its successor's category differs from its own.
    pub fn evict(&mut self, before: u32, tail: bool, switched: bool) {
        self.s += n_ln_n(before.saturating_sub(1)) - n_ln_n(before);
        self.events -= 1;
        self.distinct -= u64::from(before == 1);
        self.switches -= u64::from(switched);
        self.tails -= u64::from(tail);
    }

    /// Sums S anew from the counts, which must come in an order that the events alone decide.
    pub fn settle(&mut self, counts: impl Iterator<Item = u32>) {
        self.s = counts.map(n_ln_n).sum();
    }

    /// The features of the run as it stands.
    pub fn diversity(&self) -> Diversity {
        if self.events == 0 {
            return Diversity::default();
        }
        let n = self.events as f64;
        let entropy = if self.distinct < 2 { 0.0 } else { (ln(self.events) - self.s / n).max(0.0) };
        Diversity {
            events: self.events,
            entropy,
            evenness: if self.distinct < 2 { 0.0 } else { entropy / ln(self.distinct) },
            switch_rate: if self.events < 2 { 0.0 } else { self.switches as f64 / (n - 1.0) },
            tail_ratio: self.tails as f64 / n,
        }
    }
}

/// Logarithms of small integers: most of a window's are.
static LN: LazyLock<[f64; 1024]> =
    LazyLock::new(|| std::array::from_fn(|n| if n == 0 { 0.0 } else { (n as f64).ln() }));

fn ln(n: u64) -> f64 {
    usize::try_from(n).ok().and_then(|n| LN.get(n).copied()).unwrap_or_else(|| (n as f64).ln())
}

fn n_ln_n(n: u32) -> f64 {
    f64::from(n) * ln(u64::from(n))
}
