//! Which items are long-tail, estimated per partition.
//!
//! A partition holds a fair sample of the users, so its item counts estimate the global head
//! deterministically and without coordination.

use std::collections::BTreeMap;

use crate::FeatureSettings;

/// An item's count as stored: how often it was counted, and how many halvings of all counts
/// the number already includes. Later halvings are applied when the item is next read, so that
/// halving costs nothing per item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ItemCount {
    /// Events counted, halved `halvings` times along the way.
    pub count: u64,
    /// Halvings that `count` includes.
    pub halvings: u32,
}

/// Item popularity of one partition without the items: the threshold τ and what it is computed
/// from, the histogram of counts (at most O(√events) entries, whatever the catalogue's size).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Popularity {
    /// Events applied since the state began.
    pub applied: u64,
    /// τ: an item counted fewer times is long-tail. 0 until the first epoch ends.
    pub threshold: u64,
    /// Times that all counts have been halved.
    pub halvings: u32,
    /// Number of items by their count; no zero counts.
    pub histogram: BTreeMap<u64, u64>,
}

impl Popularity {
    /// The item's count now, with every halving applied (each floors; floor after floor is a
    /// right shift).
    pub fn current(&self, item: ItemCount) -> u64 {
        item.count.checked_shr(self.halvings.saturating_sub(item.halvings)).unwrap_or(0)
    }

    /// Whether an item with this count is long-tail.
    pub fn is_tail(&self, item: ItemCount) -> bool {
        self.current(item) < self.threshold
    }

    /// Counts an applied event of `item`, then halves and computes τ anew where due.
    pub fn count(&mut self, settings: &FeatureSettings, item: &mut ItemCount) {
        let before = self.current(*item);
        if let Some(items) = self.histogram.get_mut(&before) {
            *items -= 1;
            if *items == 0 {
                self.histogram.remove(&before);
            }
        }
        *self.histogram.entry(before + 1).or_default() += 1;
        *item = ItemCount { count: before + 1, halvings: self.halvings };

        self.applied += 1;
        if self.applied.is_multiple_of(settings.half_life_events) {
            self.halve();
        }
        if self.applied.is_multiple_of(settings.popularity_epoch) {
            self.threshold = self.head_threshold(settings.head_share);
        }
    }

    fn halve(&mut self) {
        let mut halved = BTreeMap::new();
        for (count, items) in std::mem::take(&mut self.histogram) {
            if count > 1 {
                *halved.entry(count / 2).or_default() += items;
            }
        }
        self.histogram = halved;
        self.halvings += 1;
    }

    /// The largest c such that the items counted at least c times hold the share of all counts.
    fn head_threshold(&self, head_share: f64) -> u64 {
        let total: u64 = self.histogram.iter().map(|(count, items)| count * items).sum();
        let mut held = 0;
        for (count, items) in self.histogram.iter().rev() {
            held += count * items;
            if held as f64 >= head_share * total as f64 {
                return *count;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_smallest_count_of_the_head() {
        let settings = FeatureSettings { popularity_epoch: 10, head_share: 0.8, ..Default::default() };
        let mut popularity = Popularity::default();
        let mut items = [ItemCount::default(); 4];
        for item in [0, 0, 0, 0, 0, 1, 1, 1, 2, 3] {
            popularity.count(&settings, &mut items[item]);
        }
        assert_eq!(popularity.threshold, 3);
        assert!(!popularity.is_tail(items[1]));
        assert!(popularity.is_tail(items[2]));
        assert!(popularity.is_tail(ItemCount::default()));
    }

    #[test]
    fn halving_floors_and_drops_zeros() {
        let settings = FeatureSettings { half_life_events: 4, ..Default::default() };
        let mut popularity = Popularity::default();
        let (mut a, mut b) = (ItemCount::default(), ItemCount::default());
        for item in [&mut a, &mut b] {
            popularity.count(&settings, item);
        }
        popularity.count(&settings, &mut a);
        popularity.count(&settings, &mut a);
        assert_eq!((popularity.current(a), popularity.current(b)), (1, 0));
        assert_eq!(popularity.histogram, BTreeMap::from([(1, 1)]));
    }
}
