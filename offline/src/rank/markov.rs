//! A first-order Markov chain, mixed over the last events.

use super::{Query, Scorer};
use crate::error::Result;
use crate::split::Split;

/// The last events that count.
const EVENTS: usize = 5;
/// The weight of an event against the one after it.
const DECAY: f32 = 0.6;

/// Scores item b after h₁ … h_n by Σ_j 0.6^j P(b | h_{n−j}), j = 0 … 4, with P(b | a) the share of
/// the training part's direct transitions from a that go to b.
#[derive(Debug, Clone)]
pub struct Markov {
    items: usize,
    /// Where each item's transitions begin; one more entry than items.
    starts: Vec<usize>,
    transitions: Vec<(u32, f32)>,
}

impl Markov {
    /// Counts the training part's transitions.
    pub fn fit(split: &Split) -> Self {
        let mut pairs: Vec<(u32, u32)> = split
            .training()
            .flat_map(|(_, events)| events.windows(2).map(|two| (two[0].item, two[1].item)))
            .collect();
        pairs.sort_unstable();
        let items = split.data.items.len();
        let mut starts = vec![0; items + 1];
        let mut transitions = Vec::new();
        for from in pairs.chunk_by(|one, other| one.0 == other.0) {
            for to in from.chunk_by(|one, other| one.1 == other.1) {
                transitions.push((to[0].1, to.len() as f32 / from.len() as f32));
            }
            starts[from[0].0 as usize + 1] = transitions.len();
        }
        // Items without transitions begin where the one before them ends.
        for at in 1..starts.len() {
            starts[at] = starts[at].max(starts[at - 1]);
        }
        Self { items, starts, transitions }
    }
}

impl Scorer for Markov {
    fn name(&self) -> &str {
        "markov"
    }

    fn score(&mut self, queries: &[Query<'_>]) -> Result<Vec<f32>> {
        let mut scores = vec![0.0; queries.len() * self.items];
        for (query, row) in queries.iter().zip(scores.chunks_exact_mut(self.items)) {
            let mut weight = 1.0;
            for event in query.history.iter().rev().take(EVENTS) {
                let from = event.item as usize;
                for &(to, share) in &self.transitions[self.starts[from]..self.starts[from + 1]] {
                    row[to as usize] += weight * share;
                }
                weight *= DECAY;
            }
        }
        Ok(scores)
    }
}
