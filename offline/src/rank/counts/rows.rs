//! What an item says of others: rows of a matrix over the catalogue that is mostly zero.

/// The items that one item speaks of, with a value each, by item. 8 bytes an entry.
pub(super) type Row = Box<[(u32, f32)]>;

/// Entries of all rows of a matrix, at most, 128 MB; rows may have [`LEAST`] each nevertheless.
const ENTRIES: usize = 1 << 24;
/// Entries that no row is cut below: whole rows rank better than rows of a few hundred.
const LEAST: usize = 1_024;

/// A row that is being summed up.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    values: Vec<f32>,
    touched: Vec<u32>,
}

impl Sums {
    /// Of this many items.
    pub(super) fn new(items: usize) -> Self {
        Self { values: vec![0.0; items], touched: Vec::new() }
    }

    /// Adds a value above 0 to an item's.
    pub(super) fn add(&mut self, item: u32, value: f32) {
        let sum = &mut self.values[item as usize];
        if *sum == 0.0 {
            self.touched.push(item);
        }
        *sum += value;
    }

    /// The row of the sums, and none are left. Where there are more than `most`, those stay that are greatest by
    /// `rank`, ties by item.
    pub(super) fn take(&mut self, most: usize, rank: impl Fn(u32, f32) -> f32) -> Row {
        let values = &mut self.values;
        let take = |item: u32| (item, std::mem::take(&mut values[item as usize]));
        let mut row: Vec<(u32, f32)> = self.touched.drain(..).map(take).collect();
        if row.len() > most {
            row.select_nth_unstable_by(most, |one, other| {
                rank(other.0, other.1).total_cmp(&rank(one.0, one.1)).then(one.0.cmp(&other.0))
            });
            row.truncate(most);
        }
        row.sort_unstable_by_key(|&(item, _)| item);
        row.into_boxed_slice()
    }
}

/// Entries that a row of a matrix over this many items keeps: all where the whole matrix has room.
pub(super) fn most(items: usize) -> usize {
    (ENTRIES / items.max(1)).max(LEAST)
}

/// Adds a row to what all items have, `weight` times.
pub(super) fn add(row: &[(u32, f32)], weight: f32, all: &mut [f32]) {
    row.iter().for_each(|&(item, value)| all[item as usize] += weight * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_greatest_and_begins_anew() {
        let mut sums = Sums::new(9);
        [(7, 1.0), (2, 1.5), (7, 2.0), (4, 2.0), (0, 2.0)]
            .into_iter()
            .for_each(|(item, value)| sums.add(item, value));
        assert_eq!(*sums.clone().take(9, |_, value| value), [(0, 2.0), (2, 1.5), (4, 2.0), (7, 3.0)]);
        assert_eq!(*sums.clone().take(2, |_, value| value), [(0, 2.0), (7, 3.0)], "ties by item");
        assert_eq!(*sums.take(1, |item, value| value / item.max(1) as f32), [(0, 2.0)]);
        sums.add(7, 1.0);
        assert_eq!(*sums.take(9, |_, value| value), [(7, 1.0)]);
    }

    #[test]
    fn rows_are_whole_while_they_fit() {
        assert_eq!((most(4_096), most(8_192), most(10_000_000)), (4_096, 2_048, 1_024));
    }
}
