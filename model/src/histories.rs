//! Histories of one pass through a network.

use crate::time::{FUTURE, Pairs, bucket};

/// Histories, padded on the right to one length. A causal network needs no padding mask then:
/// padding comes after every real position, and no position looks ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Histories {
    len: usize,
    lengths: Vec<usize>,
    /// Item rows, `[histories, len]`; 0 where padded.
    rows: Vec<u32>,
    /// Event times, `[histories, len]`, epoch milliseconds; the last time where padded.
    times: Vec<i64>,
}

impl Histories {
    /// Pads `histories` of (item rows, event times in epoch milliseconds), oldest first.
    pub fn new<'a>(histories: impl Iterator<Item = (&'a [u32], &'a [i64])> + Clone) -> Self {
        let len = histories.clone().map(|(rows, _)| rows.len()).max().unwrap_or(0);
        let mut padded = Self { len, lengths: Vec::new(), rows: Vec::new(), times: Vec::new() };
        for (rows, times) in histories {
            padded.lengths.push(rows.len());
            padded.rows.extend_from_slice(rows);
            padded.rows.resize(padded.lengths.len() * len, 0);
            padded.times.extend_from_slice(&times[..rows.len().min(times.len())]);
            padded.times.resize(padded.lengths.len() * len, times.last().copied().unwrap_or(0));
        }
        padded
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// Length of the padded histories.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty() || self.len == 0
    }

    /// Events of each, without padding.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Item rows, `[count, len]` flat; 0 where padded.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Event times, `[count, len]` flat, epoch milliseconds.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Whether a flat position holds an event.
    pub fn is_event(&self, position: usize) -> bool {
        position % self.len.max(1) < self.lengths[position / self.len.max(1)]
    }

    /// Flat positions of all events.
    pub fn events(&self) -> impl Iterator<Item = usize> + '_ {
        self.lengths.iter().enumerate().flat_map(|(nth, length)| nth * self.len..nth * self.len + length)
    }

    /// The time bucket of every pair of positions.
    pub(crate) fn pairs(&self) -> Pairs {
        let len = self.len;
        let mut buckets = vec![FUTURE; self.count() * len * len];
        for (times, cells) in
            self.times.chunks_exact(len.max(1)).zip(buckets.chunks_exact_mut((len * len).max(1)))
        {
            for (query, row) in cells.chunks_exact_mut(len).enumerate() {
                for (cell, key) in row[..=query].iter_mut().zip(times) {
                    *cell = bucket(times[query].saturating_sub(*key));
                }
            }
        }
        Pairs { count: self.count(), len, buckets: buckets.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_stands_on_the_right() {
        let histories: [(&[u32], &[i64]); 2] = [(&[7, 8], &[10, 20]), (&[1, 2, 3], &[0, 5_000, 5_000])];
        let histories = Histories::new(histories.into_iter());
        assert_eq!((histories.count(), histories.len()), (2, 3));
        assert_eq!(histories.rows(), [7, 8, 0, 1, 2, 3]);
        assert_eq!(histories.times(), [10, 20, 20, 0, 5_000, 5_000]);
        assert_eq!(histories.events().collect::<Vec<_>>(), [0, 1, 3, 4, 5]);
        assert!(histories.is_event(1) && !histories.is_event(2));
        let buckets = histories.pairs().buckets;
        assert_eq!(buckets[9..12], [0, FUTURE, FUTURE]);
        assert_eq!(buckets[15..18], [bucket(5_000), 0, 0]);
    }
}
