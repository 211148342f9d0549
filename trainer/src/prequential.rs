//! Evaluation before learning: every example is ranked by the model, and by running popularity,
//! before either has learnt from it.
//!
//! HR@10 and NDCG@10 against the whole catalogue known before the batch; ties rank by average; a
//! target that was not known is a miss; items that the user has seen are left out where
//! `filter_seen` says so, but never the target.

use std::collections::VecDeque;

pub use hmisr_recommend::artifact::Means;
use serde::{Deserialize, Serialize};

/// Cut-off of both measures.
pub const TOP: f64 = 10.0;

/// Points of the curve, at most; from half as many on there is one.
const POINTS: usize = 400;
/// Examples of a point at first.
const FIRST_SPAN: u64 = 250;

/// One ranked example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// The target's rank by the model, from 1, a half for a tie of two; none where the target
    /// was not known.
    pub model: Option<f64>,
    /// The same by the counts of earlier targets.
    pub popularity: Option<f64>,
    /// Where the lists that would have been served have it; none where this example was not asked for.
    pub served: Option<Served>,
}

/// A target's places, from 1, in lists of ten as a server makes them; none where it does not stand in them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Served {
    /// By relevance alone, λ = 0.
    pub relevance: Option<f64>,
    /// Re-ranked with the user's own λ.
    pub personal: Option<f64>,
}

/// Sums over ranked examples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Examples.
    pub examples: u64,
    /// Targets that were not known.
    pub unknown: u64,
    /// Targets that the model ranked within ten.
    pub model_hits: u64,
    /// Targets that popularity ranked within ten.
    pub popularity_hits: u64,
    /// The model's NDCG, summed, bit pattern of an f64: JSON keeps integers exactly.
    model_ndcg: u64,
    /// Popularity's NDCG, summed, bit pattern of an f64.
    popularity_ndcg: u64,
    /// Examples that were ranked as served.
    #[serde(default)]
    served: u64,
    /// Hits and NDCG (bit pattern) of the lists by relevance, then of those with the user's own λ.
    #[serde(default)]
    served_sums: [(u64, u64); 2],
}

impl Sums {
    /// Adds an example.
    pub fn add(&mut self, ranked: Ranked) {
        self.examples += 1;
        self.unknown += u64::from(ranked.model.is_none());
        let hit = |rank: Option<f64>| rank.is_some_and(|rank| rank <= TOP);
        let gain = |rank: Option<f64>| {
            rank.filter(|rank| *rank <= TOP).map_or(0.0, |rank| 1.0 / (rank + 1.0).log2())
        };
        self.model_hits += u64::from(hit(ranked.model));
        self.popularity_hits += u64::from(hit(ranked.popularity));
        if let Some(Served { relevance, personal }) = ranked.served {
            self.served += 1;
            for ((hits, ndcg), rank) in self.served_sums.iter_mut().zip([relevance, personal]) {
                *hits += u64::from(hit(rank));
                *ndcg = (f64::from_bits(*ndcg) + gain(rank)).to_bits();
            }
        }
        self.model_ndcg = (f64::from_bits(self.model_ndcg) + gain(ranked.model)).to_bits();
        self.popularity_ndcg = (f64::from_bits(self.popularity_ndcg) + gain(ranked.popularity)).to_bits();
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.examples += other.examples;
        self.unknown += other.unknown;
        self.model_hits += other.model_hits;
        self.popularity_hits += other.popularity_hits;
        self.served += other.served;
        for ((hits, ndcg), (more, gain)) in self.served_sums.iter_mut().zip(other.served_sums) {
            *hits += more;
            *ndcg = (f64::from_bits(*ndcg) + f64::from_bits(gain)).to_bits();
        }
        self.model_ndcg = (f64::from_bits(self.model_ndcg) + f64::from_bits(other.model_ndcg)).to_bits();
        self.popularity_ndcg =
            (f64::from_bits(self.popularity_ndcg) + f64::from_bits(other.popularity_ndcg)).to_bits();
    }

    /// The means; zeros without examples.
    pub fn means(&self) -> Means {
        let count = self.examples.max(1) as f64;
        let served = self.served.max(1) as f64;
        let [relevance, personal] = self.served_sums;
        Means {
            examples: self.examples,
            unknown: self.unknown as f64 / count,
            model_hr: self.model_hits as f64 / count,
            model_ndcg: f64::from_bits(self.model_ndcg) / count,
            popularity_hr: self.popularity_hits as f64 / count,
            popularity_ndcg: f64::from_bits(self.popularity_ndcg) / count,
            served: self.served,
            served_hr: relevance.0 as f64 / served,
            served_ndcg: f64::from_bits(relevance.1) / served,
            personal_hr: personal.0 as f64 / served,
            personal_ndcg: f64::from_bits(personal.1) / served,
        }
    }
}

/// The whole evaluation: overall, over a rolling window, and as a curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Prequential {
    total: Sums,
    /// Examples that were not ranked: above `full_softmax_items` only a share is.
    skipped: u64,
    window: VecDeque<Sums>,
    /// Examples of each full point.
    span: u64,
    points: Vec<Sums>,
}

impl Prequential {
    /// Adds a batch; `rolling` is the window's length in examples.
    pub fn add(&mut self, batch: &[Ranked], skipped: u64, rolling: u64) {
        self.skipped += skipped;
        let mut sums = Sums::default();
        for ranked in batch {
            sums.add(*ranked);
            self.add_point(*ranked);
        }
        if sums.examples == 0 {
            return;
        }
        self.total.merge(&sums);
        self.window.push_back(sums);
        let mut held: u64 = self.window.iter().map(|sums| sums.examples).sum();
        while let Some(oldest) = self.window.front().map(|sums| sums.examples) {
            if held - oldest < rolling {
                break;
            }
            held -= oldest;
            self.window.pop_front();
        }
    }

    fn add_point(&mut self, ranked: Ranked) {
        self.span = self.span.max(FIRST_SPAN);
        if self.points.last().is_none_or(|point| point.examples >= self.span) {
            if self.points.len() >= POINTS {
                let merged = self.points.chunks(2).map(|pair| {
                    let mut sums = pair[0];
                    pair.iter().skip(1).for_each(|point| sums.merge(point));
                    sums
                });
                self.points = merged.collect();
                self.span *= 2;
            }
            self.points.push(Sums::default());
        }
        if let Some(point) = self.points.last_mut() {
            point.add(ranked);
        }
    }

    /// Over all examples so far.
    pub fn overall(&self) -> Means {
        self.total.means()
    }

    /// Over the newest examples, at least as many as the window's length where there are.
    pub fn rolling(&self) -> Means {
        let mut sums = Sums::default();
        self.window.iter().for_each(|batch| sums.merge(batch));
        sums.means()
    }

    /// The curve: consecutive stretches of equally many examples, the last one shorter, 200 to
    /// 400 of them once there are 100,000 examples. Evaluated examples alone.
    pub fn curve(&self) -> Vec<Means> {
        self.points.iter().map(Sums::means).collect()
    }

    /// Over the newest `share` (0 to 1) of all evaluated examples, to the nearest point of the
    /// curve.
    pub fn last(&self, share: f64) -> Means {
        let wanted = (self.total.examples as f64 * share).round() as u64;
        let mut sums = Sums::default();
        for point in self.points.iter().rev() {
            let over = (sums.examples + point.examples).saturating_sub(wanted);
            if over > wanted.saturating_sub(sums.examples) && sums.examples > 0 {
                break;
            }
            sums.merge(point);
        }
        sums.means()
    }

    /// Examples that were not ranked.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Ranks by running counts, over a catalogue of which each user leaves out what was seen.
#[derive(Debug)]
pub(crate) struct Popularity {
    counts: Vec<u64>,
    /// Descending.
    sorted: Vec<u64>,
}

/// Leaves rows out once each, however often they are named.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    stamp: u32,
    marks: Vec<u32>,
}

impl Marks {
    /// The distinct rows below `rows` among `seen`, without `target`.
    pub(crate) fn distinct<'a>(
        &'a mut self,
        seen: &'a [u32],
        rows: usize,
        target: u32,
    ) -> impl Iterator<Item = usize> + 'a {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.marks.clear();
            self.stamp = 1;
        }
        if self.marks.len() < rows {
            self.marks.resize(rows, 0);
        }
        let (marks, stamp) = (&mut self.marks, self.stamp);
        seen.iter().filter_map(move |row| {
            let at = *row as usize;
            if *row == target || at >= rows || marks[at] == stamp {
                return None;
            }
            marks[at] = stamp;
            Some(at)
        })
    }
}

impl Popularity {
    pub(crate) fn new(counts: Vec<u64>) -> Self {
        let mut sorted = counts.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        Self { counts, sorted }
    }

    /// The target's rank, without the distinct rows `seen`.
    pub(crate) fn rank(&self, target: usize, seen: impl Iterator<Item = usize>) -> f64 {
        let count = self.counts[target];
        let mut above = self.sorted.partition_point(|other| *other > count);
        let mut same = self.sorted.partition_point(|other| *other >= count) - above - 1;
        for row in seen {
            let other = self.counts[row];
            above -= usize::from(other > count);
            same -= usize::from(other == count);
        }
        above as f64 + same as f64 / 2.0 + 1.0
    }
}

/// The rank of `target` by `scores`, without the distinct rows `seen`. Ties rank by average.
pub(crate) fn rank(scores: &[f32], target: usize, seen: impl Iterator<Item = usize>) -> f64 {
    let own = scores[target];
    let (mut above, mut same) = (0u32, 0u32);
    for score in scores {
        above += u32::from(*score > own);
        same += u32::from(*score == own);
    }
    for row in seen {
        above -= u32::from(scores[row] > own);
        same -= u32::from(scores[row] == own);
    }
    // The target equals itself.
    f64::from(above) + f64::from(same.saturating_sub(1)) / 2.0 + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_rank_by_average_and_seen_items_do_not_count() {
        let scores = [0.5, 0.9, 0.5, 0.7, 0.5];
        assert_eq!(rank(&scores, 0, [].into_iter()), 4.0);
        assert_eq!(rank(&scores, 0, [1, 2].into_iter()), 2.5);
        let popularity = Popularity::new(vec![5, 9, 5, 7, 5]);
        assert_eq!(popularity.rank(0, [].into_iter()), 4.0);
        assert_eq!(popularity.rank(0, [1, 2].into_iter()), 2.5);
    }

    #[test]
    fn a_row_is_left_out_once() {
        let mut marks = Marks::default();
        for _ in 0..2 {
            let rows: Vec<usize> = marks.distinct(&[3, 1, 3, 9, 2], 5, 2).collect();
            assert_eq!(rows, [3, 1]);
        }
    }

    #[test]
    fn sums_are_the_published_measures() {
        let mut sums = Sums::default();
        for model in [Some(1.0), Some(3.0), Some(10.5), None] {
            let served = Some(Served { relevance: model, personal: None });
            sums.add(Ranked { model, popularity: Some(11.0), served });
        }
        let means = sums.means();
        assert_eq!((means.model_hr, means.unknown, means.popularity_hr), (0.5, 0.25, 0.0));
        assert!((means.model_ndcg - (1.0 + 0.5) / 4.0).abs() < 1e-12);
        assert_eq!((means.served, means.served_hr, means.personal_hr), (4, 0.5, 0.0));
        assert!((means.served_ndcg - means.model_ndcg).abs() < 1e-12);
    }

    #[test]
    fn the_curve_stays_bounded_and_keeps_every_example() {
        let mut prequential = Prequential::default();
        for n in 0..300_000u32 {
            // Hits only in the last tenth.
            let model = Some(if n >= 270_000 { 1.0 } else { 99.0 });
            prequential.add(&[Ranked { model, popularity: None, served: None }], 0, 1_000);
        }
        let curve = prequential.curve();
        assert!((200..=400).contains(&curve.len()), "{}", curve.len());
        assert_eq!(curve.iter().map(|point| point.examples).sum::<u64>(), 300_000);
        assert_eq!(prequential.rolling().examples, 1_000);
        assert_eq!(prequential.last(0.1).model_hr, 1.0);
        assert!((prequential.last(0.2).model_hr - 0.5).abs() < 0.01);
        assert!((prequential.overall().model_hr - 0.1).abs() < 1e-9);
        let json = serde_json::to_string(&prequential).unwrap();
        assert_eq!(serde_json::from_str::<Prequential>(&json).unwrap(), prequential);
    }
}
