//! Diversity of a run of events, kept up to date as events enter and leave.

use serde::{Deserialize, Serialize};

/// The diversity of a run of n events with categories c₁ … cₙ (seed, "user diversity
/// preference", long-term features).
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

/// Holds what [`Diversity`] needs of a run, so that one event costs O(log k), or O(k) where it
/// brings a category or takes the last one away: the counts are a sorted vector.
///
/// With n_c the count of category c and S = Σ n_c ln n_c, the entropy is ln n − S/n, and one
/// event changes one term of S. [`Accumulator::settle`] sums S anew, which bounds the drift of
/// the additions.
#[derive(Debug, Clone, PartialEq)]
pub struct Accumulator<C> {
    counts: Vec<(C, u32)>,
    events: u64,
    switches: u64,
    tails: u64,
    s: f64,
}

impl<C> Default for Accumulator<C> {
    fn default() -> Self {
        Self { counts: Vec::new(), events: 0, switches: 0, tails: 0, s: 0.0 }
    }
}

impl<C: Ord + Clone> Accumulator<C> {
    /// Rebuilds an accumulator from what its accessors gave; `counts` in any order.
    pub fn from_parts(mut counts: Vec<(C, u32)>, switches: u64, tails: u64, s: f64) -> Self {
        counts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let events = counts.iter().map(|(_, count)| u64::from(*count)).sum();
        Self { counts, events, switches, tails, s }
    }

    /// Adds an event at the run's end; `switched` tells whether its category differs from its
    /// predecessor's within the run.
    pub fn push(&mut self, category: &C, tail: bool, switched: bool) {
        let before = match self.counts.binary_search_by(|(c, _)| c.cmp(category)) {
            Ok(at) => {
                let count = &mut self.counts[at].1;
                *count = count.saturating_add(1);
                *count - 1
            }
            Err(at) => {
                self.counts.insert(at, (category.clone(), 1));
                0
            }
        };
        self.s += n_ln_n(before + 1) - n_ln_n(before);
        self.events += 1;
        self.switches += u64::from(switched);
        self.tails += u64::from(tail);
    }

    /// Removes the run's first event; `switched` tells whether its successor's category differs
    /// from its own. An event that never entered is ignored.
    pub fn evict(&mut self, category: &C, tail: bool, switched: bool) {
        let Ok(at) = self.counts.binary_search_by(|(c, _)| c.cmp(category)) else { return };
        let before = self.counts[at].1;
        if before == 1 {
            self.counts.remove(at);
        } else {
            self.counts[at].1 -= 1;
        }
        self.s += n_ln_n(before - 1) - n_ln_n(before);
        self.events -= 1;
        self.switches -= u64::from(switched);
        self.tails -= u64::from(tail);
    }

    /// Sums S anew, in the categories' order.
    pub fn settle(&mut self) {
        self.s = self.counts.iter().map(|(_, count)| n_ln_n(*count)).sum();
    }

    /// The features of the run as it stands.
    pub fn diversity(&self) -> Diversity {
        if self.events == 0 {
            return Diversity::default();
        }
        let n = self.events as f64;
        let distinct = self.counts.len();
        let entropy = if distinct < 2 { 0.0 } else { (n.ln() - self.s / n).max(0.0) };
        Diversity {
            events: self.events,
            entropy,
            evenness: if distinct < 2 { 0.0 } else { entropy / (distinct as f64).ln() },
            switch_rate: if self.events < 2 { 0.0 } else { self.switches as f64 / (n - 1.0) },
            tail_ratio: self.tails as f64 / n,
        }
    }

    /// Events in the run.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Category counts, in the categories' order.
    pub fn counts(&self) -> &[(C, u32)] {
        &self.counts
    }

    /// Neighbours within the run whose categories differ.
    pub fn switches(&self) -> u64 {
        self.switches
    }

    /// Events of the run that were long-tail.
    pub fn tails(&self) -> u64 {
        self.tails
    }

    /// S, with the rounding it has gathered: a rebuilt accumulator goes on bit for bit.
    pub fn s(&self) -> f64 {
        self.s
    }
}

fn n_ln_n(n: u32) -> f64 {
    if n < 2 { 0.0 } else { f64::from(n) * f64::from(n).ln() }
}
