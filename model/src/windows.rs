//! What is read of histories at the positions where something is asked.

use std::ops::{Range, RangeInclusive};

use crate::histories::Histories;

/// The newest events up to some positions of histories `[count, len]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    pub(crate) count: usize,
    pub(crate) len: usize,
    /// The most events that are read at a position, itself among them.
    pub(crate) span: usize,
    /// The positions, flat, ascending.
    pub(crate) asked: Vec<usize>,
}

impl Windows {
    /// At most `span` events at each of `asked`, which ascend, each once.
    pub fn new(histories: &Histories, span: usize, asked: &[usize]) -> Self {
        debug_assert!(asked.is_sorted_by(|one, next| one < next));
        let (count, len) = (histories.count(), histories.len());
        Self { count, len, span: span.max(1), asked: asked.to_vec() }
    }

    /// The same at every position.
    pub fn everywhere(histories: &Histories, span: usize) -> Self {
        let (count, len) = (histories.count(), histories.len());
        Self { count, len, span: span.max(1), asked: (0..count * len).collect() }
    }

    /// The events that are read at a position, flat.
    pub(crate) fn seen(&self, at: usize) -> RangeInclusive<usize> {
        let first = at / self.len * self.len;
        first.max((at + 1).saturating_sub(self.span))..=at
    }

    /// Of each history, the first of its asked positions among them, and one past its last.
    pub(crate) fn of_histories(&self) -> impl Iterator<Item = Range<usize>> {
        let upto = |position: usize| self.asked.partition_point(|at| *at < position);
        (0..self.count).map(move |nth| upto(nth * self.len)..upto((nth + 1) * self.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_at_its_position_and_begins_in_its_history() {
        let (rows, times) = ([0u32; 4], [0i64; 4]);
        let histories = Histories::new([(&rows[..], &times[..]); 2].into_iter());
        let windows = Windows::new(&histories, 3, &[0, 3, 5, 7]);
        let seen: Vec<_> = windows.asked.iter().map(|at| windows.seen(*at)).collect();
        assert_eq!(seen, [0..=0, 1..=3, 4..=5, 5..=7]);
        assert_eq!(windows.of_histories().collect::<Vec<_>>(), [0..2, 2..4]);
    }
}
