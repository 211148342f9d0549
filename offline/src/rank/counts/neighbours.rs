//! Items that the same users have.

use rayon::prelude::*;

use super::rows::{Row, Sums, add};
use crate::data::Event;
use crate::split::Split;

/// Neighbours of an item that are kept, the most similar: 1.6 kB an item at most.
const NEIGHBOURS: usize = 200;
/// A user's newest training events that tell who has an item: the pairs of a user grow with their square.
const EVENTS: usize = 1_000;
/// The newest events of a history whose neighbours count, each item once.
pub(super) const HISTORY: usize = 200;

/// p(y) ∝ Σ cos(i, y) over the items i of the history, with the cosine of the sets of users who have them: those
/// who have both, over the root of the product of those who have each.
#[derive(Debug, Clone)]
pub(super) struct Neighbours(Vec<Row>);

impl Neighbours {
    /// Counts who has what in the training part.
    pub(super) fn count(split: &Split) -> Self {
        let items = split.data.items.len();
        let baskets: Vec<Vec<u32>> =
            split.training().map(|(_, events)| distinct(events, EVENTS).collect()).collect();
        let mut holders = vec![Vec::new(); items];
        for (user, basket) in baskets.iter().enumerate() {
            basket.iter().for_each(|&item| holders[item as usize].push(user));
        }
        let rows = (0..items)
            .into_par_iter()
            .map_init(
                || Sums::new(items),
                |sums, item| {
                    for &user in &holders[item] {
                        let others = baskets[user].iter().filter(|&&other| other as usize != item);
                        others.for_each(|&other| sums.add(other, 1.0));
                    }
                    let cosine = |other: u32, shared: f32| {
                        shared / ((holders[item].len() * holders[other as usize].len()) as f32).sqrt()
                    };
                    let mut row = sums.take(NEIGHBOURS, cosine);
                    row.iter_mut().for_each(|(other, value)| *value = cosine(*other, *value));
                    row
                },
            )
            .collect();
        Self(rows)
    }

    /// Adds what the history says of each item.
    pub(super) fn add(&self, history: &[Event], all: &mut [f32]) {
        distinct(history, HISTORY).for_each(|item| add(&self.0[item as usize], 1.0, all));
    }
}

/// The items of the newest `most` events, each once, by item.
fn distinct(events: &[Event], most: usize) -> impl Iterator<Item = u32> {
    let mut items: Vec<u32> = events.iter().rev().take(most).map(|event| event.item).collect();
    items.sort_unstable();
    items.dedup();
    items.into_iter()
}
