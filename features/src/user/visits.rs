//! A user's newest events of any action as compact bytes, about 8 each: the form in which they are stored
//! is the form in which they are kept, so that reading and writing a user copies them as a whole.
//!
//! A visit is a byte of flags, the item, the place of its category among the user's, the difference of its
//! time from the visit before, and, where they are not in the flags, the place of its action among the
//! user's, its weight, and further categories.

use super::names::Names;
use crate::Id;
use crate::id::{put_id, skip_id, take_id};
use crate::varint::{Reader, put, put_signed};

/// Visits of each user that are kept at least, in a job.
pub const VISITS: usize = 200;
/// Categories of one visit, at most; the features read the first alone.
pub const MAX_CATEGORIES: usize = 8;

/// One event of a user's, of whatever action.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit<'a> {
    /// The item.
    pub item: Id,
    /// The item's first category.
    pub category: &'a Id,
    /// Its further categories, at most seven.
    pub more_categories: Vec<&'a Id>,
    /// Event time, epoch milliseconds.
    pub ts: i64,
    /// Whether the item was long-tail when the event arrived; false of an action that is not positive.
    pub tail: bool,
    /// What the user did.
    pub action: &'a str,
    /// How strong the interaction was, where the event told.
    pub weight: Option<f32>,
}

// The flags beside those of an id.
const TAIL: u8 = 1 << 2;
/// How the weight is written.
const WEIGHT: u8 = 3 << 3;
/// One byte, in sixteenths: ratings and most other weights.
const SIXTEENTHS: u8 = 1 << 3;
/// Four bytes.
const FLOAT: u8 = 2 << 3;
/// Whether there are further categories.
const MORE: u8 = 1 << 5;
/// The action's place; the largest stands for one that follows.
const ACTION: u8 = 6;
const ACTION_FOLLOWS: usize = 3;

/// What is written of a visit.
pub(super) struct Entry<'a> {
    pub(super) item: &'a Id,
    /// The category's place among the user's.
    pub(super) category: usize,
    pub(super) more: &'a [usize],
    pub(super) ts: i64,
    pub(super) tail: bool,
    pub(super) action: usize,
    pub(super) weight: Option<f32>,
}

/// A visit as it lies among the bytes, its item and further categories unread.
pub(super) struct Placed<'a> {
    item: Reader<'a>,
    pub(super) category: usize,
    more: (u64, Reader<'a>),
    pub(super) action: usize,
    delta: i64,
    tail: bool,
    weight: Option<f32>,
}

fn place(reader: &mut Reader<'_>) -> Option<usize> {
    usize::try_from(reader.unsigned()?).ok()
}

impl<'a> Placed<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let item = reader.clone();
        let flags = skip_id(reader)?;
        let (category, delta) = (place(reader)?, reader.signed()?);
        let action = match usize::from(flags >> ACTION) {
            ACTION_FOLLOWS => place(reader)?,
            inline => inline,
        };
        let weight = match flags & WEIGHT {
            0 => None,
            SIXTEENTHS => Some(f32::from(reader.byte()?) / 16.0),
            FLOAT => Some(f32::from_le_bytes(reader.bytes(4)?.try_into().ok()?)),
            _ => return None,
        };
        let count = if flags & MORE == 0 { 0 } else { reader.unsigned()? };
        let more = (count, reader.clone());
        for _ in 0..count {
            reader.unsigned()?;
        }
        Some(Self { item, category, more, action, delta, tail: flags & TAIL != 0, weight })
    }

    /// The places of the further categories.
    pub(super) fn more(&self) -> impl Iterator<Item = usize> + use<'a> {
        let (mut left, mut reader) = (self.more.0, self.more.1.clone());
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            place(&mut reader)
        })
    }

    fn visit<'n>(mut self, ts: i64, names: impl Names<'n>) -> Option<Visit<'n>> {
        let more: Option<Vec<&Id>> = self.more().map(|place| names.category(place)).collect();
        Some(Visit {
            item: take_id(&mut self.item)?.0,
            category: names.category(self.category)?,
            more_categories: more?,
            ts,
            tail: self.tail,
            action: names.action(self.action)?,
            weight: self.weight,
        })
    }
}

/// The newest visits, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits {
    bytes: Vec<u8>,
    /// What lies before is dropped from time to time.
    at: usize,
    len: usize,
    /// The time that the first visit's is a difference from.
    before: i64,
    /// The last visit's time.
    last: i64,
    /// Where the newest begin that were handed on last: the next ones begin there or later.
    mark: Mark,
}

/// A place among the bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    at: usize,
    /// Visits from here on.
    left: usize,
    /// The time that the first one's is a difference from.
    before: i64,
}

impl Visits {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        let sixteenths = entry.weight.map(|weight| (weight, (weight * 16.0) as u8));
        let sixteenths =
            sixteenths.filter(|(weight, n)| (f32::from(*n) / 16.0).to_bits() == weight.to_bits());
        let mut flags = (entry.action.min(ACTION_FOLLOWS) as u8) << ACTION;
        flags |= match (entry.weight, sixteenths) {
            (None, _) => 0,
            (_, Some(_)) => SIXTEENTHS,
            (_, None) => FLOAT,
        };
        flags |= if entry.tail { TAIL } else { 0 };
        flags |= if entry.more.is_empty() { 0 } else { MORE };
        let out = &mut self.bytes;
        put_id(out, entry.item, flags);
        put(out, entry.category as u64);
        put_signed(out, entry.ts.wrapping_sub(self.last));
        if entry.action >= ACTION_FOLLOWS {
            put(out, entry.action as u64);
        }
        match (entry.weight, sixteenths) {
            (None, _) => {}
            (_, Some((_, sixteenths))) => out.push(sixteenths),
            (Some(weight), None) => out.extend_from_slice(&weight.to_le_bytes()),
        }
        if !entry.more.is_empty() {
            put(out, entry.more.len() as u64);
            entry.more.iter().for_each(|place| put(out, *place as u64));
        }
        self.last = entry.ts;
        self.len += 1;
        self.mark.left += 1;
    }

    /// Drops the oldest beyond `most`, and tells of each.
    pub(super) fn keep(&mut self, most: usize, mut gone: impl FnMut(&Placed<'_>)) {
        while self.len > most {
            let mut reader = Reader::new(&self.bytes[self.at..]);
            let Some(first) = Placed::read(&mut reader) else { return };
            gone(&first);
            self.before = self.before.wrapping_add(first.delta);
            self.at = self.bytes.len() - reader.left();
            self.len -= 1;
        }
        if self.mark.at < self.at {
            self.mark = self.front();
        }
        // Moving half of the bytes every so often costs each visit one move.
        if self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.mark.at -= self.at;
            self.at = 0;
        }
    }

    /// Appends the stored form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_from(self.at, self.before, self.len, out);
    }

    /// Appends the stored form of the newest `most`; where as many are wanted each time, each is passed over once.
    pub(super) fn write_newest(&mut self, most: usize, out: &mut Vec<u8>) {
        if self.mark.left < most {
            self.mark = self.front();
        }
        let Mark { at, mut left, mut before } = self.mark;
        let mut reader = Reader::new(&self.bytes[at..]);
        while left > most {
            let Some(placed) = Placed::read(&mut reader) else { break };
            before = before.wrapping_add(placed.delta);
            left -= 1;
        }
        self.mark = Mark { at: self.bytes.len() - reader.left(), left, before };
        self.write_from(self.mark.at, before, left, out);
    }

    fn front(&self) -> Mark {
        Mark { at: self.at, left: self.len, before: self.before }
    }

    fn write_from(&self, at: usize, before: i64, len: usize, out: &mut Vec<u8>) {
        put_signed(out, before);
        put_signed(out, self.last.wrapping_sub(before));
        put(out, len as u64);
        let bytes = &self.bytes[at..];
        put(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// Reads what [`Visits::write`] wrote: a copy, whatever is in it.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let before = reader.signed()?;
        let last = before.wrapping_add(reader.signed()?);
        let len = reader.count()?;
        let length = reader.count()?;
        let bytes = reader.bytes(length)?.to_vec();
        Some(Self { bytes, at: 0, len, before, last, mark: Mark { at: 0, left: len, before } })
    }

    /// The visits, oldest first.
    pub(super) fn iter<'a, N: Names<'a>>(&'a self, names: N) -> Iter<'a, N> {
        let reader = Reader::new(&self.bytes[self.at..]);
        Iter { reader, left: self.len, ts: self.before, names }
    }

    /// Whether the visits are as many as is said, and end with the last one's time.
    pub(super) fn are_whole(&self) -> bool {
        let ts = self.placed().fold(self.before, |ts, placed| ts.wrapping_add(placed.delta));
        self.placed().count() == self.len && ts == self.last
    }

    /// Every visit as it lies, oldest first.
    pub(super) fn placed(&self) -> impl Iterator<Item = Placed<'_>> {
        let mut reader = Reader::new(&self.bytes[self.at..]);
        std::iter::from_fn(move || if reader.is_empty() { None } else { Placed::read(&mut reader) })
    }
}

/// Reads the visits one after another. One that cannot be read is the last.
#[derive(Clone)]
pub struct Iter<'a, N> {
    reader: Reader<'a>,
    left: usize,
    ts: i64,
    names: N,
}

impl<'a, N> Iter<'a, N> {
    fn step(&mut self) -> Option<Placed<'a>> {
        self.left = self.left.checked_sub(1)?;
        let placed = Placed::read(&mut self.reader)?;
        self.ts = self.ts.wrapping_add(placed.delta);
        Some(placed)
    }
}

impl<'a, N: Names<'a>> Iterator for Iter<'a, N> {
    type Item = Visit<'a>;

    fn next(&mut self) -> Option<Visit<'a>> {
        let placed = self.step()?;
        placed.visit(self.ts, self.names)
    }

    /// Without reading the items of what is passed over.
    fn nth(&mut self, n: usize) -> Option<Visit<'a>> {
        for _ in 0..n {
            self.step()?;
        }
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, N: Names<'a>> ExactSizeIterator for Iter<'a, N> {}
