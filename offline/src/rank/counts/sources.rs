//! What counting alone says of an item.

use std::sync::Arc;

use super::log::Log;
use super::neighbours::{HISTORY, Neighbours};
use super::transitions::{Transitions, WINDOWS};
use crate::data::{Dataset, Event};
use crate::rank::Query;
use crate::split::Split;

/// The trend's half-life and the transitions', as shares of the training part's events: of numbers of events
/// the best would be other ones for each size of data.
const HALF_LIVES: (f64, f64) = (0.1, 0.5);
/// What an event weighs against the one after it in a user's own items and categories.
const FADE: f32 = 0.98;
/// ε·N: what a source says of an item counts where it is more than a hundredth of an even share.
const FLOOR: f64 = 0.01;

/// A source by what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// An item's events.
    Popularity,
    /// The same, where newer ones weigh more.
    Trend,
    /// What came after the last visits, within one of [`WINDOWS`] by its place.
    Transitions(usize),
    /// What users have who have the same.
    Neighbours,
    /// What the user had categories of, against how often everyone has.
    Categories,
    /// What the user had.
    Own,
}

impl Source {
    /// The name in reports.
    pub(super) fn name(self) -> String {
        match self {
            Self::Popularity => "popularity".to_owned(),
            Self::Trend => "trend".to_owned(),
            Self::Transitions(at) => format!("transitions-{}", WINDOWS[at]),
            Self::Neighbours => "neighbours".to_owned(),
            Self::Categories => "categories".to_owned(),
            Self::Own => "own".to_owned(),
        }
    }
}

/// The counts of a training part.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    data: Arc<Dataset>,
    filter_seen: bool,
    /// By item: whether the training part has it.
    warm: Vec<bool>,
    /// ε.
    epsilon: f64,
    popularity: Vec<f32>,
    trend: Vec<f32>,
    transitions: [Transitions; 3],
    neighbours: Neighbours,
    /// By category: 1 over its training events, 0 where it has none. An event counts for each of its item's
    /// categories by its share.
    rarity: Vec<f32>,
}

impl Sources {
    /// Counts the training part.
    pub(super) fn count(split: &Split) -> Self {
        let data = &split.data;
        let log = Log::new(split);
        let half_life = |share: f64| (share * log.len() as f64).max(1.0);
        let faded = log.faded(half_life(HALF_LIVES.1));
        let popularity = log.by_item(&vec![1.0; log.len()]);
        let mut of_category = vec![0.0_f64; data.categories.len()];
        for (item, &count) in popularity.iter().enumerate() {
            for (category, weight) in data.category_weights(item as u32) {
                of_category[category as usize] += weight * f64::from(count);
            }
        }
        let rarity = |events: f64| if events > 0.0 { (1.0 / events) as f32 } else { 0.0 };
        let warm: Vec<bool> = popularity.iter().map(|&count| count > 0.0).collect();
        Self {
            data: Arc::clone(data),
            filter_seen: split.filter_seen,
            epsilon: FLOOR / warm.iter().filter(|&&warm| warm).count().max(1) as f64,
            trend: log.by_item(&log.faded(half_life(HALF_LIVES.0))),
            transitions: Transitions::count(&log, &faded),
            neighbours: Neighbours::count(split),
            rarity: of_category.into_iter().map(rarity).collect(),
            popularity,
            warm,
        }
    }

    /// Items of the catalogue.
    pub(super) fn items(&self) -> usize {
        self.warm.len()
    }

    /// The sources that there are: the user's own items speak only where they may come again.
    pub(super) fn all(&self) -> Vec<Source> {
        let mut all = vec![Source::Popularity, Source::Trend];
        all.extend((0..WINDOWS.len()).map(Source::Transitions));
        all.extend([Source::Neighbours, Source::Categories]);
        if !self.filter_seen {
            all.push(Source::Own);
        }
        all
    }

    /// The items that may follow, by item: the training part's, and where seen items are no candidates none of the
    /// history's.
    pub(super) fn candidates(&self, query: &Query<'_>) -> Vec<u32> {
        let mut may = self.warm.clone();
        if self.filter_seen {
            query.history.iter().for_each(|event| may[event.item as usize] = false);
        }
        may.iter().zip(0..).filter(|(may, _)| **may).map(|(_, item)| item).collect()
    }

    /// φ of each candidate: ln(1 + p/ε), with p the candidate's share of what the source says of them all.
    pub(super) fn values<'a>(
        &self,
        source: Source,
        query: &Query<'_>,
        candidates: &'a [u32],
    ) -> impl Iterator<Item = f32> + use<'a> {
        let said = self.said(source, query);
        let total: f64 = candidates.iter().map(|&item| f64::from(said[item as usize])).sum();
        let scale = if total > 0.0 { (1.0 / (total * self.epsilon)) as f32 } else { 0.0 };
        candidates.iter().map(move |&item| {
            let said = said[item as usize];
            if said > 0.0 { (said * scale).ln_1p() } else { 0.0 }
        })
    }

    /// What the source says of each item of the catalogue, 0 or more, in a measure of its own.
    fn said(&self, source: Source, query: &Query<'_>) -> Vec<f32> {
        let mut all = vec![0.0_f32; self.warm.len()];
        match source {
            Source::Popularity => all.copy_from_slice(&self.popularity),
            Source::Trend => all.copy_from_slice(&self.trend),
            Source::Transitions(at) => self.transitions[at].add(query.history, &mut all),
            Source::Neighbours => self.neighbours.add(query.history, &mut all),
            Source::Categories => self.add_categories(query, &mut all),
            Source::Own => recent(query.history).for_each(|(item, weight)| all[item as usize] += weight),
        }
        all
    }

    fn add_categories(&self, query: &Query<'_>, all: &mut [f32]) {
        let mut shares = vec![0.0_f32; self.rarity.len()];
        for (item, weight) in recent(query.history) {
            for (category, share) in self.data.category_weights(item) {
                shares[category as usize] += weight * share as f32;
            }
        }
        shares.iter_mut().zip(&self.rarity).for_each(|(share, rarity)| *share *= rarity);
        for (item, said) in all.iter_mut().enumerate() {
            let of_item = self.data.category_weights(item as u32);
            *said = of_item.map(|(category, share)| share as f32 * shares[category as usize]).sum();
        }
    }
}

/// The items of the newest events, each with what it weighs by its age in events.
fn recent(history: &[Event]) -> impl Iterator<Item = (u32, f32)> {
    let weights = std::iter::successors(Some(1.0_f32), |weight| Some(weight * FADE));
    history.iter().rev().take(HISTORY).map(|event| event.item).zip(weights)
}
