//! A user's newest events as compact bytes, about 8 each: the form in which they are stored is
//! the form in which they are kept, so that reading and writing a user copies them as a whole.
//!
//! A visit is a byte of flags, the item, the place of its category among the user's, and the
//! difference of its time from the visit before.

use super::Category;
use crate::Id;
use crate::id::{put_id, skip_id, take_id};
use crate::varint::{Reader, put, put_signed};

/// One event in a user's sequence window.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The item.
    pub item: Id,
    /// The item's category.
    pub category: Id,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// Whether the item was long-tail when the event arrived.
    pub tail: bool,
}

/// The flag of a long-tail item, beside those of an id.
const TAIL: u8 = 4;

/// A visit as it lies among the bytes.
pub(super) struct Placed {
    item: Id,
    /// Its place among the user's categories.
    category: usize,
    ts: i64,
    tail: bool,
}

impl Placed {
    pub(super) fn visit(self, categories: &[Category]) -> Visit {
        let category = categories[self.category].id.clone();
        Visit { item: self.item, category, ts: self.ts, tail: self.tail }
    }
}

/// Where a run of the newest visits begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    at: usize,
    pub(super) len: usize,
    /// The time of the visit before the first.
    ts: i64,
}

impl Run {
    /// Shortens the run by its first visit where it has more than `most`; that visit, and its
    /// successor.
    pub(super) fn beyond(&mut self, bytes: &[u8], most: usize) -> Option<(Step, Step)> {
        if self.len <= most {
            return None;
        }
        let mut reader = Reader::new(bytes.get(self.at..)?);
        let first = step(&mut reader)?;
        self.at = bytes.len() - reader.left();
        self.len -= 1;
        self.ts = self.ts.wrapping_add(first.delta);
        Some((first, step(&mut reader)?))
    }
}

/// What the sums need of a visit.
pub(super) struct Step {
    pub(super) category: usize,
    pub(super) tail: bool,
    delta: i64,
}

fn step(reader: &mut Reader<'_>) -> Option<Step> {
    let flags = skip_id(reader)?;
    let category = usize::try_from(reader.unsigned()?).ok()?;
    Some(Step { category, tail: flags & TAIL != 0, delta: reader.signed()? })
}

fn placed(reader: &mut Reader<'_>, last_ts: i64) -> Option<Placed> {
    let (item, flags) = take_id(reader)?;
    let category = usize::try_from(reader.unsigned()?).ok()?;
    Some(Placed { item, category, ts: last_ts.wrapping_add(reader.signed()?), tail: flags & TAIL != 0 })
}

/// The sequence, with the runs of its newest visits that the features look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits {
    /// From `kept.at` on; what lies before is dropped from time to time.
    pub(super) bytes: Vec<u8>,
    pub(super) kept: Run,
    pub(super) window: Run,
    pub(super) recent: Run,
    last_ts: i64,
}

impl Visits {
    pub(super) fn len(&self) -> usize {
        self.kept.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends a visit.
    pub(super) fn push(&mut self, item: &Id, category: usize, ts: i64, tail: bool) {
        put_id(&mut self.bytes, item, if tail { TAIL } else { 0 });
        put(&mut self.bytes, category as u64);
        put_signed(&mut self.bytes, ts.wrapping_sub(self.last_ts));
        self.last_ts = ts;
        for run in [&mut self.kept, &mut self.window, &mut self.recent] {
            run.len += 1;
        }
    }

    /// Drops the oldest beyond `most`.
    pub(super) fn keep(&mut self, most: usize) {
        while self.kept.len > most {
            let mut reader = Reader::new(&self.bytes[self.kept.at..]);
            let Some(first) = step(&mut reader) else { return };
            self.kept.at = self.bytes.len() - reader.left();
            self.kept.len -= 1;
            self.kept.ts = self.kept.ts.wrapping_add(first.delta);
        }
        // Moving half of the bytes every so often costs each visit one move.
        if self.kept.at > self.bytes.len() / 2 {
            let gone = self.kept.at;
            self.bytes.drain(..gone);
            for run in [&mut self.kept, &mut self.window, &mut self.recent] {
                run.at -= gone;
            }
        }
    }

    /// The time before the first visit, how many there are, and their bytes.
    pub(super) fn parts(&self) -> (i64, usize, &[u8]) {
        (self.kept.ts, self.kept.len, &self.bytes[self.kept.at..])
    }

    /// Reads what [`Visits::parts`] gave, and calls `each` for every visit, oldest first, with
    /// whether it is in the window and among the recent.
    pub(super) fn read(
        (ts, len, bytes): (i64, usize, &[u8]),
        (window, recent): (usize, usize),
        mut each: impl FnMut(&Step, bool, bool) -> Option<()>,
    ) -> Option<Self> {
        let first = Run { at: 0, len, ts };
        let mut visits = Self { bytes: Vec::new(), kept: first, window: first, recent: first, last_ts: ts };
        let mut reader = Reader::new(bytes);
        for at in 0..len {
            let left = len - at;
            for (run, most) in [(&mut visits.window, window), (&mut visits.recent, recent)] {
                if left == most {
                    *run = Run { at: bytes.len() - reader.left(), len: left, ts: visits.last_ts };
                }
            }
            let step = step(&mut reader)?;
            each(&step, left <= window, left <= recent)?;
            visits.last_ts = visits.last_ts.wrapping_add(step.delta);
        }
        visits.bytes.extend_from_slice(bytes);
        reader.is_empty().then_some(visits)
    }

    /// The visits, oldest first.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { reader: Reader::new(&self.bytes[self.kept.at..]), left: self.kept.len, ts: self.kept.ts }
    }
}

/// Reads the visits one after another.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    reader: Reader<'a>,
    left: usize,
    ts: i64,
}

impl Iterator for Iter<'_> {
    type Item = Placed;

    fn next(&mut self) -> Option<Placed> {
        self.left = self.left.checked_sub(1)?;
        let placed = placed(&mut self.reader, self.ts)?;
        self.ts = placed.ts;
        Some(placed)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
