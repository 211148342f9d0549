//! Histories of one pass through a network.

use rayon::prelude::*;

use crate::kind::Kind;
use crate::merge::groups;
use crate::settings::ModelSettings;
use crate::time::{FUTURE, Pairs, bucket};

/// Histories, padded on the right to one length. A causal network needs no padding mask then:
/// padding comes after every real position, and no position looks ahead.
///
/// A history is a row of tokens: first those that stand for several older events each, where the model has
/// a memory, then an event each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histories {
    len: usize,
    lengths: Vec<usize>,
    /// Item rows, `[histories, len]`; 0 where padded, the newest where merged.
    rows: Vec<u32>,
    /// Event times, `[histories, len]`, epoch milliseconds; the last time where padded.
    times: Vec<i64>,
    /// Tokens of each history that stand for older events.
    remembered: Vec<usize>,
    /// What sets the events apart beside their items, `[histories, len]`; the newest's where merged.
    kinds: Vec<Kind>,
    /// When each history's user was to be given something, epoch milliseconds.
    nows: Vec<i64>,
    /// Item rows of the tokens of more than one event, by flat position.
    merged: Vec<(usize, Vec<u32>)>,
}

/// A history to be read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Item rows, oldest first.
    pub rows: &'a [u32],
    /// Their event times, epoch milliseconds.
    pub times: &'a [i64],
    /// What sets each apart beside its item; empty: of nothing is known.
    pub kinds: &'a [Kind],
    /// When the user was to be given something, epoch milliseconds: the time of the request, or of the event that
    /// is to be foretold.
    pub now: i64,
    /// How many of the newest are read one by one; those before are what a memory may hold.
    pub recent: usize,
}

impl<'a> Reading<'a> {
    /// A history of which no more is known than items and times, asked for at its last event.
    pub fn new(rows: &'a [u32], times: &'a [i64], recent: usize) -> Self {
        Self { rows, times, kinds: &[], now: times.last().copied().unwrap_or(0), recent }
    }

    /// The same, whose newest events a model reads one by one, as far as it does.
    #[must_use]
    pub fn newest(self, settings: &ModelSettings) -> Self {
        Self { recent: self.rows.len().min(settings.max_len), ..self }
    }

    fn kind(&self, event: usize) -> Kind {
        self.kinds.get(event).copied().unwrap_or_default()
    }
}

impl Histories {
    /// Histories of (item rows, event times in epoch milliseconds), oldest first, an event a token.
    pub fn new<'a>(histories: impl Iterator<Item = (&'a [u32], &'a [i64])>) -> Self {
        let readings: Vec<Reading<'_>> =
            histories.map(|(rows, times)| Reading::new(rows, times, rows.len())).collect();
        Self::remembering(&readings, 0, |_| &[])
    }

    /// Each history's recent events a token, and what is older merged into at most `memory` tokens by its
    /// items' `weights`; left out where that is 0.
    pub fn remembering<'w>(
        readings: &[Reading<'_>],
        memory: usize,
        weights: impl Fn(u32) -> &'w [f32],
    ) -> Self {
        let older: Vec<Vec<Older<'_>>> =
            readings.iter().map(|reading| older(reading, memory, &weights)).collect();
        let lengths: Vec<usize> =
            readings.iter().zip(&older).map(|(reading, older)| older.len() + reading.recent).collect();
        let len = lengths.iter().copied().max().unwrap_or(0);
        let mut padded = Self { len, lengths, ..Self::default() };
        for (nth, (reading, older)) in readings.iter().zip(older).enumerate() {
            padded.remembered.push(older.len());
            padded.nows.push(reading.now);
            for Older { rows, time, kind } in older {
                if let [_, .., newest] = rows {
                    padded.merged.push((padded.rows.len(), rows.to_vec()));
                    padded.rows.push(*newest);
                } else {
                    padded.rows.extend_from_slice(rows);
                }
                padded.times.push(time);
                padded.kinds.push(kind);
            }
            let from = reading.rows.len() - reading.recent;
            padded.kinds.extend((from..reading.rows.len()).map(|event| reading.kind(event)));
            padded.kinds.resize((nth + 1) * len, Kind::default());
            padded.rows.extend_from_slice(&reading.rows[from..]);
            padded.times.extend_from_slice(&reading.times[from..]);
            padded.rows.resize((nth + 1) * len, 0);
            padded.times.resize((nth + 1) * len, reading.times.last().copied().unwrap_or(0));
        }
        padded
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// Flat position of a history's recent event, counted from the oldest of them.
    pub fn position(&self, history: usize, recent: usize) -> usize {
        history * self.len + self.remembered[history] + recent
    }

    /// The flat position of each one's newest event.
    pub fn last(&self) -> Vec<usize> {
        let last = |(nth, length): (usize, &usize)| nth * self.len + length.saturating_sub(1);
        self.lengths.iter().enumerate().map(last).collect()
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

    /// What is read, `[count, len, d]` flat: the `weights` of a token's item, or the mean over its items.
    pub fn embeddings<'w>(&self, d: usize, weights: impl Fn(u32) -> &'w [f32] + Sync) -> Vec<f32> {
        let mut embeddings = vec![0.0; self.rows.len() * d];
        let tokens = embeddings.par_chunks_exact_mut(d).zip(&self.rows).with_min_len(1_024);
        tokens.for_each(|(token, row)| token.copy_from_slice(weights(*row)));
        for (position, rows) in &self.merged {
            let mean = &mut embeddings[position * d..(position + 1) * d];
            mean.fill(0.0);
            for row in rows {
                mean.iter_mut().zip(weights(*row)).for_each(|(sum, value)| *sum += value / rows.len() as f32);
            }
        }
        embeddings
    }

    /// Scatters the gradients by what was read, `[count, len, d]` flat, to the item rows that it was read from.
    pub(crate) fn scatter_gradients(&self, gradients: &[f32], d: usize, mut to: impl FnMut(u32, &[f32])) {
        let mut merged = self.merged.iter().peekable();
        for position in self.events() {
            let gradient = &gradients[position * d..(position + 1) * d];
            match merged.next_if(|(at, _)| *at == position) {
                Some((_, rows)) => {
                    let part: Vec<f32> = gradient.iter().map(|value| value / rows.len() as f32).collect();
                    rows.iter().for_each(|row| to(*row, &part));
                }
                None => to(self.rows[position], gradient),
            }
        }
    }

    /// Event times, `[count, len]` flat, epoch milliseconds.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// What sets the tokens apart beside their items, `[count, len]` flat.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The pause after each token until the next one, or until the user was to be given something, as a time
    /// bucket, `[count, len]` flat; 0 where padded. At a position this is known when its successor is foretold.
    pub fn pauses(&self) -> Vec<i32> {
        let mut pauses = vec![0; self.times.len()];
        for (nth, (length, now)) in self.lengths.iter().zip(&self.nows).enumerate() {
            let times = &self.times[nth * self.len..nth * self.len + length];
            let nexts = times.iter().skip(1).chain(std::iter::once(now));
            for ((pause, time), next) in pauses[nth * self.len..].iter_mut().zip(times).zip(nexts) {
                *pause = bucket(next.saturating_sub(*time).max(0));
            }
        }
        pauses
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
    pub(crate) fn pairs<I: Clone>(&self) -> Pairs<I> {
        Pairs::new(self.count(), self.len, self.buckets_behind(0))
    }

    /// The same with a token before each history that sees all that is remembered of it and is seen by its
    /// recent events: what it gathers is older than they are.
    pub(crate) fn pairs_with_user<I: Clone>(&self) -> Pairs<I> {
        let (len, mut buckets) = (self.len + 1, self.buckets_behind(1));
        for (nth, cells) in buckets.chunks_exact_mut((len * len).max(1)).enumerate() {
            let (times, remembered) = (&self.times[nth * self.len..], self.remembered[nth]);
            cells[0] = 0;
            let Some(newest) = remembered.checked_sub(1).map(|last| times[last]) else { continue };
            for (cell, time) in cells[1..=remembered].iter_mut().zip(times) {
                *cell = bucket(newest.saturating_sub(*time));
            }
            for recent in remembered..self.len {
                cells[(recent + 1) * len] = bucket(times[recent].saturating_sub(newest));
            }
        }
        Pairs::new(self.count(), len, buckets)
    }

    /// The buckets where `before` tokens that nothing sees yet stand before each history.
    fn buckets_behind(&self, before: usize) -> Vec<i32> {
        let len = self.len + before;
        let mut buckets = vec![FUTURE; self.count() * len * len];
        let histories = self.times.par_chunks_exact(self.len.max(1));
        histories.zip(buckets.par_chunks_exact_mut((len * len).max(1))).for_each(|(times, cells)| {
            for (query, row) in cells.chunks_exact_mut(len).skip(before).enumerate() {
                for (cell, key) in row[before..=before + query].iter_mut().zip(times) {
                    *cell = bucket(times[query].saturating_sub(*key));
                }
            }
        });
        buckets
    }
}

/// A token of older events.
struct Older<'a> {
    rows: &'a [u32],
    /// Of the newest.
    time: i64,
    /// Of the newest.
    kind: Kind,
}

fn older<'a, 'w>(
    reading: &Reading<'a>,
    memory: usize,
    weights: &impl Fn(u32) -> &'w [f32],
) -> Vec<Older<'a>> {
    let rows = &reading.rows[..reading.rows.len() - reading.recent];
    let Some(first) = rows.first().filter(|_| memory > 0) else { return Vec::new() };
    let embeddings: Vec<f32> = rows.iter().flat_map(|row| weights(*row)).copied().collect();
    let groups = groups(&embeddings, weights(*first).len(), memory).into_iter();
    groups
        .map(|it| {
            let newest = it.end - 1;
            Older { rows: &rows[it.start..it.end], time: reading.times[newest], kind: reading.kind(newest) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_stands_on_the_right() {
        let histories: [(&[u32], &[i64]); 2] = [(&[7, 8], &[10, 20]), (&[1, 2, 3], &[0, 5_000, 5_000])];
        let histories = Histories::new(histories.into_iter());
        assert_eq!((histories.count(), histories.len()), (2, 3));
        assert_eq!(histories.rows, [7, 8, 0, 1, 2, 3]);
        assert_eq!(histories.times(), [10, 20, 20, 0, 5_000, 5_000]);
        assert_eq!(histories.events().collect::<Vec<_>>(), [0, 1, 3, 4, 5]);
        assert!(histories.is_event(1) && !histories.is_event(2));
        let buckets = histories.pairs::<()>().buckets;
        assert_eq!(buckets[9..12], [0, FUTURE, FUTURE]);
        assert_eq!(buckets[15..18], [bucket(5_000), 0, 0]);
    }

    #[test]
    fn what_is_older_is_merged_and_read_as_a_mean() {
        // Items 0 and 1 are alike, 2 is not.
        let weights: [&[f32]; 4] = [&[1.0, 0.0], &[1.0, 0.5], &[-1.0, 4.0], &[3.0, 3.0]];
        let of = |row: u32| weights[row as usize];
        let long = Reading::new(&[0, 1, 2, 3, 3], &[0, 10, 20, 30, 1_000_000], 2);
        let short = Reading { now: 5_000, ..Reading::new(&[2], &[7], 1) };
        let histories = Histories::remembering(&[long, short], 2, of);
        assert_eq!((histories.len(), histories.lengths()), (4, &[4, 1][..]));
        assert_eq!(histories.times()[..4], [10, 20, 30, 1_000_000]);
        let pauses = [bucket(10), bucket(10), bucket(999_970), 0, bucket(4_993), 0, 0, 0];
        assert_eq!(histories.pauses(), pauses);
        assert_eq!((histories.position(0, 0), histories.position(0, 1), histories.position(1, 0)), (2, 3, 4));
        let read = histories.embeddings(2, of);
        assert_eq!(read[..10], [1.0, 0.25, -1.0, 4.0, 3.0, 3.0, 3.0, 3.0, -1.0, 4.0]);
        // Gradients go back in equal parts.
        let gradients: Vec<f32> = (0..16).map(|n| n as f32).collect();
        let mut given = Vec::new();
        histories.scatter_gradients(&gradients, 2, |row, gradient| given.push((row, gradient.to_vec())));
        let expected: [(u32, [f32; 2]); 6] = [
            (0, [0.0, 0.5]),
            (1, [0.0, 0.5]),
            (2, [2.0, 3.0]),
            (3, [4.0, 5.0]),
            (3, [6.0, 7.0]),
            (2, [8.0, 9.0]),
        ];
        assert_eq!(given, expected.map(|(row, gradient)| (row, gradient.to_vec())));
        // The user's token sees what is remembered, and what is recent sees it.
        let pairs = histories.pairs_with_user::<()>();
        let row = |nth: usize| &pairs.buckets[nth * 5..(nth + 1) * 5];
        assert_eq!(row(0), [0, bucket(10), 0, FUTURE, FUTURE]);
        assert_eq!(row(1), [FUTURE, 0, FUTURE, FUTURE, FUTURE]);
        assert_eq!(row(3), [bucket(10), bucket(20), bucket(10), 0, FUTURE]);
        assert_eq!(row(4)[0], bucket(999_980));
        // Nothing is remembered of the second.
        assert_eq!(
            (row(5), row(6)),
            (&[0, FUTURE, FUTURE, FUTURE, FUTURE][..], &[FUTURE, 0, FUTURE, FUTURE, FUTURE][..])
        );
        // Without a memory it is not read.
        let recent = Histories::remembering(&[long], 0, of);
        assert_eq!((recent.lengths(), &recent.rows[..]), (&[2][..], &[3, 3][..]));
    }
}
