//! The diversity of what a user does next: the label of the diversity score.

use crate::data::{Dataset, Event};

/// The label is made of so many events: the entropy of fewer is smaller by their number alone.
pub const FUTURE_EVENTS: usize = 20;

/// Normalised category entropy of a run of events.
///
/// H = −Σ p_c ln p_c over the categories' shares, in which an event counts 1/n for each of its n
/// categories, divided by ln min(C, 20) with C the data set's categories, and at most 1. The divisor
/// does not depend on the user, so values of different users compare.
#[derive(Debug, Clone, Copy)]
pub struct FutureDiversity<'a> {
    data: &'a Dataset,
    greatest: f64,
}

impl<'a> FutureDiversity<'a> {
    /// For this data set.
    pub fn new(data: &'a Dataset) -> Self {
        let categories = data.categories.len().clamp(2, FUTURE_EVENTS);
        Self { data, greatest: (categories as f64).ln() }
    }

    /// The diversity of the first [`FUTURE_EVENTS`] choices among the events; none of fewer.
    pub fn of<'e>(&self, events: impl Iterator<Item = &'e Event>) -> Option<f64> {
        let (items, diversity) = self.first(events);
        (items == FUTURE_EVENTS).then_some(diversity)
    }

    /// The same of what there is, and of how many choices.
    pub fn first<'e>(&self, events: impl Iterator<Item = &'e Event>) -> (usize, f64) {
        let chosen = events.filter(|event| self.data.is_choice(event)).take(FUTURE_EVENTS);
        let items: Vec<u32> = chosen.map(|event| event.item).collect();
        (items.len(), (entropy(self.data, items.into_iter()) / self.greatest).min(1.0))
    }
}

/// Entropy of the items' fractional category shares, in nats; 0 of no item.
pub(crate) fn entropy(data: &Dataset, items: impl Iterator<Item = u32>) -> f64 {
    // A list has few categories; sorted pairs keep the order of summation fixed.
    let mut weights: Vec<(u32, f64)> = items.flat_map(|item| data.category_weights(item)).collect();
    weights.sort_by_key(|&(category, _)| category);
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights
        .chunk_by(|one, other| one.0 == other.0)
        .map(|group| group.iter().map(|(_, weight)| weight).sum::<f64>() / total)
        .map(|share| -share * share.ln())
        .sum::<f64>()
        .max(0.0)
}
