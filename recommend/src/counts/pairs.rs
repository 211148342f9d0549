//! What came after what: a matrix over the catalogue, mostly zero, in bounded memory.

/// A row is kept whole as one number an item where its entries, 8 bytes each, would take more.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    /// By item.
    Sparse(Vec<(u32, f32)>),
    /// A value an item.
    Dense(Vec<f32>),
}

impl Default for Row {
    fn default() -> Self {
        Self::Sparse(Vec::new())
    }
}

/// Entries that a row keeps where memory is short: the most, halved until all rows fit, but for the fewest.
const KEPT: (usize, usize) = (1 << 14, 8);

/// Sums by pairs of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pairs {
    rows: Vec<Row>,
    bytes: usize,
}

impl Row {
    fn bytes(&self) -> usize {
        match self {
            Self::Sparse(entries) => 8 * entries.len(),
            Self::Dense(values) => 4 * values.len(),
        }
    }

    /// Adds to an entry of one of `items`.
    fn add(&mut self, to: u32, value: f32, items: usize) {
        match self {
            Self::Sparse(entries) => match entries.binary_search_by_key(&to, |entry| entry.0) {
                Ok(at) => entries[at].1 += value,
                Err(at) => {
                    // By a quarter and not twofold: most rows end short of their room.
                    if entries.len() == entries.capacity() {
                        entries.reserve_exact((entries.len() / 4).max(1));
                    }
                    entries.insert(at, (to, value));
                    if 2 * entries.len() > items {
                        let mut values = vec![0.0; items];
                        entries.iter().for_each(|(to, value)| values[*to as usize] = *value);
                        *self = Self::Dense(values);
                    }
                }
            },
            Self::Dense(values) => {
                if let Some(sum) = values.get_mut(to as usize) {
                    *sum += value;
                    return;
                }
                // The catalogue has grown. Among so many more items the row may be sparse again.
                if 4 * values.iter().filter(|value| **value > 0.0).count() < items {
                    self.cut(usize::MAX, &|_, value| value);
                    return self.add(to, value, items);
                }
                values.reserve_exact(items - values.len());
                values.resize(items, 0.0);
                values[to as usize] += value;
            }
        }
    }

    /// Adds the row, `scale` times, to a vector over the catalogue.
    fn add_to(&self, scale: f32, all: &mut [f32]) {
        match self {
            Self::Sparse(entries) => {
                entries.iter().for_each(|(to, value)| all[*to as usize] += scale * value)
            }
            Self::Dense(values) => {
                all.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value);
            }
        }
    }

    fn values_mut(&mut self) -> Box<dyn Iterator<Item = &mut f32> + '_> {
        match self {
            Self::Sparse(entries) => Box::new(entries.iter_mut().map(|entry| &mut entry.1)),
            Self::Dense(values) => Box::new(values.iter_mut()),
        }
    }

    /// Keeps the `most` entries of the greatest rank, of equals the first.
    fn cut(&mut self, most: usize, rank: &impl Fn(u32, f32) -> f32) {
        let mut entries = match std::mem::take(self) {
            Self::Sparse(entries) => entries,
            Self::Dense(values) => (0..).zip(values).filter(|entry| entry.1 > 0.0).collect(),
        };
        if entries.len() > most {
            let by_rank = |one: &(u32, f32), other: &(u32, f32)| {
                let (a, b) = (rank(one.0, one.1), rank(other.0, other.1));
                b.total_cmp(&a).then(one.0.cmp(&other.0))
            };
            entries.select_nth_unstable_by(most, by_rank);
            entries.truncate(most);
            entries.sort_unstable_by_key(|entry| entry.0);
        }
        entries.shrink_to_fit();
        *self = Self::Sparse(entries);
    }
}

impl Pairs {
    /// Bytes of all entries. Allocations take up to a quarter more, and 32 bytes a row.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds to a pair of one of `items`.
    pub(super) fn add(&mut self, from: u32, to: u32, value: f32, items: usize) {
        if self.rows.len() <= from as usize {
            self.rows.resize(items, Row::default());
        }
        let row = &mut self.rows[from as usize];
        let before = row.bytes();
        row.add(to, value, items);
        self.bytes = self.bytes + row.bytes() - before;
    }

    /// Adds a row, `scale` times, to a vector over the catalogue.
    pub(super) fn add_to(&self, from: u32, scale: f32, all: &mut [f32]) {
        if let Some(row) = self.rows.get(from as usize) {
            row.add_to(scale, all);
        }
    }

    /// Multiplies all.
    pub(super) fn scale(&mut self, by: f32) {
        self.rows.iter_mut().flat_map(Row::values_mut).for_each(|value| *value *= by);
    }

    /// Where all take more than `most` bytes, cuts the longest rows until they take three quarters of it: what stays
    /// of a row is the greatest over the root of its item's `count`. Where even short rows are too many, those of the
    /// least counted go.
    pub(super) fn fit(&mut self, most: usize, count: impl Fn(u32) -> f32) {
        if self.bytes <= most {
            return;
        }
        let aim = most - most / 4;
        let fits = |kept: usize| {
            let short = |row: &Row| row.bytes().min(8 * kept);
            self.rows.iter().map(short).sum::<usize>() <= aim
        };
        let halves = std::iter::successors(Some(KEPT.0), |kept| Some(kept / 2));
        let kept = halves.take_while(|kept| *kept > KEPT.1).find(|kept| fits(*kept)).unwrap_or(KEPT.1);
        let rank = |item: u32, value: f32| value / count(item).sqrt();
        self.rows.iter_mut().filter(|row| row.bytes() > 8 * kept).for_each(|row| row.cut(kept, &rank));
        self.bytes = self.rows.iter().map(Row::bytes).sum();
        if self.bytes > aim {
            let mut rows: Vec<u32> = (0..self.rows.len() as u32).collect();
            rows.sort_by(|one, other| count(*one).total_cmp(&count(*other)));
            for row in rows {
                self.bytes -= std::mem::take(&mut self.rows[row as usize]).bytes();
                if self.bytes <= aim {
                    break;
                }
            }
        }
    }

    /// Rows (u32); of each: its entries (u32) with the highest bit set where it is dense, and the entries, item (u32)
    /// and value or value alone (f32). All little-endian.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.bytes + 4 * self.rows.len() + 4);
        bytes.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for row in &self.rows {
            match row {
                Row::Sparse(entries) => {
                    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
                    for (to, value) in entries {
                        bytes.extend_from_slice(&to.to_le_bytes());
                        bytes.extend_from_slice(&value.to_le_bytes());
                    }
                }
                Row::Dense(values) => {
                    bytes.extend_from_slice(&(values.len() as u32 | DENSE).to_le_bytes());
                    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                }
            }
        }
    }

    /// What [`Pairs::encode`] wrote over `items`, from the front of `rest`; none where it makes no sense.
    pub(super) fn decode(rest: &mut &[u8], items: usize) -> Option<Self> {
        let count = u32::from_le_bytes(*take(rest)?) as usize;
        if count > items {
            return None;
        }
        let rows: Vec<Row> = (0..count).map(|_| row(rest, items)).collect::<Option<_>>()?;
        let bytes = rows.iter().map(Row::bytes).sum();
        Some(Self { rows, bytes })
    }
}

/// Says of a row's length that it is dense.
const DENSE: u32 = 1 << 31;

fn row(rest: &mut &[u8], items: usize) -> Option<Row> {
    let length = u32::from_le_bytes(*take(rest)?);
    let count = (length & !DENSE) as usize;
    if count > items {
        return None;
    }
    if length & DENSE != 0 {
        return floats(rest, count).map(Row::Dense);
    }
    let (entries, after) = rest.split_at_checked(8 * count)?;
    *rest = after;
    let entry = |bytes: &[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = *bytes;
        (u32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]))
    };
    let entries: Vec<(u32, f32)> = entries.as_chunks().0.iter().map(entry).collect();
    let ascends = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let is_sound = |(to, value): &(u32, f32)| (*to as usize) < items && is_count(*value);
    (ascends && entries.iter().all(is_sound)).then_some(Row::Sparse(entries))
}

/// Numbers that may be counts.
pub(super) fn floats(rest: &mut &[u8], count: usize) -> Option<Vec<f32>> {
    let (values, after) = rest.split_at_checked(count.checked_mul(4)?)?;
    *rest = after;
    let values: Vec<f32> = values.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    values.iter().all(|value| is_count(*value)).then_some(values)
}

pub(super) fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}

fn is_count(value: f32) -> bool {
    value.is_finite() && value >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(pairs: &Pairs, from: u32, items: usize) -> Vec<f32> {
        let mut all = vec![0.0; items];
        pairs.add_to(from, 1.0, &mut all);
        all
    }

    #[test]
    fn rows_are_sums_and_become_dense() {
        let mut pairs = Pairs::default();
        for (to, value) in [(7, 1.0), (2, 1.5), (7, 2.0)] {
            pairs.add(3, to, value, 9);
        }
        assert_eq!(row_of(&pairs, 3, 9), [0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
        assert_eq!((row_of(&pairs, 8, 9), pairs.bytes()), (vec![0.0; 9], 16));
        (0..5).for_each(|to| pairs.add(3, to, 1.0, 9));
        assert_eq!((row_of(&pairs, 3, 9)[..5].to_vec(), pairs.bytes()), (vec![1.0, 1.0, 2.5, 1.0, 1.0], 36));
        // The catalogue grows under a dense row.
        pairs.add(3, 11, 4.0, 12);
        assert_eq!((row_of(&pairs, 3, 12)[11], pairs.bytes()), (4.0, 48));
        pairs.scale(0.5);
        assert_eq!(row_of(&pairs, 3, 12)[11], 2.0);
    }

    #[test]
    fn a_row_is_sparse_again_in_a_catalogue_that_grew() {
        let mut pairs = Pairs::default();
        (0..6).for_each(|to| pairs.add(0, to, 1.0, 8));
        assert_eq!(pairs.bytes(), 32);
        pairs.add(0, 99, 1.0, 100);
        assert_eq!((pairs.bytes(), row_of(&pairs, 0, 100).iter().sum::<f32>()), (7 * 8, 7.0));
    }

    #[test]
    fn memory_is_bounded_and_the_best_stay() {
        let mut pairs = Pairs::default();
        for from in 0..10 {
            for to in 0..200 {
                pairs.add(from, to, 1.0 + (to % 40) as f32, 10_000);
            }
        }
        pairs.add(11, 5, 1.0, 10_000);
        assert_eq!(pairs.bytes(), 16_008);
        pairs.fit(16_008, |_| 1.0);
        assert_eq!(pairs.bytes(), 16_008, "it fits");
        pairs.fit(8_000, |item| if item == 199 { 1e6 } else { 1.0 });
        // 64 entries of each long row: those of values 40 to 28, five each but for one that everyone has.
        assert_eq!(pairs.bytes(), 10 * 64 * 8 + 8);
        let row = row_of(&pairs, 2, 200);
        assert_eq!(row.iter().filter(|value| **value >= 29.0).count(), 59);
        assert_eq!((row[27], row[67], row[187], row[199]), (28.0, 28.0, 28.0, 0.0));
        assert_eq!(row_of(&pairs, 11, 200)[5], 1.0, "short rows stay whole");
        // Not even eight of each: the rows of the least counted go.
        pairs.fit(200, |item| item as f32);
        assert_eq!(pairs.bytes(), 2 * 64 + 8);
        assert_eq!(
            [7, 8, 9].map(|from| row_of(&pairs, from, 200).iter().any(|value| *value > 0.0)),
            [false, true, true]
        );
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut pairs = Pairs::default();
        (0..6).for_each(|to| pairs.add(1, to, 0.5, 9));
        pairs.add(4, 8, 2.0, 9);
        let mut bytes = Vec::new();
        pairs.encode(&mut bytes);
        let read = |mut bytes: &[u8], items| Pairs::decode(&mut bytes, items).filter(|_| bytes.is_empty());
        assert_eq!(read(&bytes, 9), Some(pairs));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut], 9), None, "{cut}");
        }
        assert_eq!(read(&bytes, 8), None, "an item that the catalogue lacks");
        let nan = bytes.len() - 4 * 4 - 4;
        bytes[nan..nan + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(read(&bytes, 9), None);
    }
}
