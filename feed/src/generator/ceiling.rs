//! The best that any learner can reach on the generator's events.

use std::collections::HashMap;

use super::{Generator, GeneratorSettings};
use crate::FeedError;

/// The list length of the figures.
const K: usize = 10;

/// Figures over a stretch of the stream, each the mean over its events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// HR@10 expected of an oracle that knows the user's interests, the one in force, the last item
    /// in each, the neighbours and the popularity: all but the draws to come.
    pub hit_rate: f64,
    /// NDCG@10 of the same oracle.
    pub ndcg: f64,
    /// HR@10 of the ten items that were most frequent among all events before.
    pub popularity_hit_rate: f64,
}

/// Computes the figures over the second half of the first `events` events.
///
/// # Errors
/// [`FeedError::Setting`] for a setting outside its range.
pub fn ceiling(settings: &GeneratorSettings, events: u64) -> Result<Ceiling, FeedError> {
    let mut generator = Generator::new(GeneratorSettings { events: Some(events), ..settings.clone() })?;
    let mut counts = vec![0_u64; generator.settings.items as usize + 1];
    let mut most_popular: Vec<usize> = Vec::new();
    let (mut hits, mut gain, mut popular_hits, mut judged) = (0.0, 0.0, 0_u64, 0_u64);
    while let Some(session) = generator.pick_session() {
        let at = generator.truth.events;
        let judge = at >= events / 2;
        if judge {
            for (rank, (_, probability)) in (1_u32..).zip(generator.best(session)) {
                hits += probability;
                gain += probability / f64::from(rank + 1).log2();
            }
            judged += 1;
        }
        if at % 100 == 0 {
            most_popular = top(&counts);
        }
        let item = generator.act(session).item_id.as_int().and_then(|item| usize::try_from(item).ok());
        if let Some(item) = item {
            popular_hits += u64::from(judge && most_popular.contains(&item));
            counts[item] += 1;
        }
    }
    let judged = judged.max(1) as f64;
    Ok(Ceiling {
        hit_rate: hits / judged,
        ndcg: gain / judged,
        popularity_hit_rate: popular_hits as f64 / judged,
    })
}

fn top(counts: &[u64]) -> Vec<usize> {
    let mut items: Vec<usize> = (0..counts.len()).collect();
    let order = |item: &usize| (std::cmp::Reverse(counts[*item]), *item);
    if items.len() > K {
        items.select_nth_unstable_by_key(K - 1, order);
        items.truncate(K);
    }
    items
}

impl Generator {
    /// The ten likeliest next items of a session's user (indices from 0) and their probabilities,
    /// falling.
    fn best(&self, session: usize) -> Vec<(u32, f64)> {
        let session = &self.sessions[session];
        let user = &self.users[session.user];
        let categories = self.catalogue.categories();
        let explored = self.settings.exploration / categories as f64;
        let mut items: HashMap<u32, f64> = HashMap::new();
        for category in 0..categories {
            // What is drawn by popularity beyond the first ten cannot be among the best ten.
            let mut by_popularity = explored;
            if let Some(at) = user.slots.iter().position(|slot| slot.category == category) {
                let slot = &user.slots[at];
                let stays = session.slot.map_or(0.0, |_| 1.0 - self.settings.switch);
                let here = if session.slot == Some(at) { stays } else { 0.0 };
                let interest = (1.0 - self.settings.exploration) * (here + (1.0 - stays) * slot.weight);
                let follows = if slot.last.is_some() { self.settings.follow } else { 0.0 };
                by_popularity += interest * (1.0 - follows);
                for (item, probability) in
                    slot.last.into_iter().flat_map(|last| self.catalogue.neighbours(last))
                {
                    *items.entry(item).or_default() += interest * follows * probability;
                }
            }
            let ranked = self.catalogue.by_rank(category);
            for (rank, item) in ranked.iter().enumerate() {
                if rank < K || items.contains_key(item) {
                    let drawn = by_popularity * self.catalogue.popularity(category, rank);
                    *items.entry(*item).or_default() += drawn;
                }
            }
        }
        let mut best: Vec<(u32, f64)> = items.into_iter().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best.truncate(K);
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An oracle that were wrong about the process would hit less (or more) than it expects to.
    #[test]
    fn the_oracle_hits_as_often_as_it_expects() {
        for settings in [
            GeneratorSettings::default(),
            GeneratorSettings { drift: 0.5, switch: 0.6, exploration: 0.3, ..GeneratorSettings::default() },
            GeneratorSettings { follow: 0.2, session_events: 2.0, ..GeneratorSettings::default() },
        ] {
            let n = 20_000;
            let mut generator = Generator::new(settings).unwrap();
            let (mut hits, mut expected) = ([0.0; 2], [0.0; 2]);
            for _ in 0..n {
                let session = generator.pick_session().unwrap();
                let best = generator.best(session);
                let item = generator.act(session).item_id.as_int().unwrap() - 1;
                for (at, k) in [1, K].into_iter().enumerate() {
                    hits[at] +=
                        f64::from(u8::from(best[..k].iter().any(|(best, _)| u64::from(*best) == item)));
                    expected[at] += best[..k].iter().map(|(_, probability)| probability).sum::<f64>();
                }
            }
            for (hits, expected) in hits.into_iter().zip(expected) {
                // Four standard deviations of a share of 20,000 draws are at most 0.0142.
                let (hits, expected) = (hits / f64::from(n), expected / f64::from(n));
                assert!((hits - expected).abs() < 0.0142, "{hits} instead of {expected}");
            }
        }
    }
}
