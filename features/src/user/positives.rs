//! A user's newest positive events as bytes, one or two each: the place of the category among the user's,
//! and whether the item was long-tail. The features of a window need no more.

use crate::varint::{Reader, put};

/// What the sums need of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positive {
    /// The category's place among the user's.
    pub(super) category: usize,
    pub(super) tail: bool,
}

fn read(reader: &mut Reader<'_>) -> Option<Positive> {
    let packed = reader.unsigned()?;
    Some(Positive { category: usize::try_from(packed >> 1).ok()?, tail: packed & 1 != 0 })
}

/// A run of the newest events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    /// Where it begins.
    at: usize,
    pub(super) len: usize,
}

impl Run {
    /// Shortens the run by its first event where it has more than `most`; that event, and its successor.
    pub(super) fn beyond(&mut self, bytes: &[u8], most: usize) -> Option<(Positive, Positive)> {
        if self.len <= most {
            return None;
        }
        let mut reader = Reader::new(bytes.get(self.at..)?);
        let first = read(&mut reader)?;
        self.at = bytes.len() - reader.left();
        self.len -= 1;
        Some((first, read(&mut reader)?))
    }
}

/// The events of the longer of the two runs that the features look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Positives {
    /// What lies before both runs is dropped from time to time.
    pub(super) bytes: Vec<u8>,
    pub(super) window: Run,
    pub(super) recent: Run,
}

impl Positives {
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The longer run.
    fn kept(&self) -> Run {
        if self.window.len > self.recent.len { self.window } else { self.recent }
    }

    pub(super) fn push(&mut self, event: Positive) {
        put(&mut self.bytes, (event.category as u64) << 1 | u64::from(event.tail));
        self.window.len += 1;
        self.recent.len += 1;
    }

    /// Gives the bytes before both runs back, where they are more than half: each event is moved once so.
    pub(super) fn trim(&mut self) {
        let gone = self.kept().at;
        if gone > self.bytes.len() / 2 {
            self.bytes.drain(..gone);
            self.window.at -= gone;
            self.recent.at -= gone;
        }
    }

    /// Appends the stored form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let kept = self.kept();
        put(out, kept.len as u64);
        out.extend_from_slice(&self.bytes[kept.at..]);
    }

    /// Reads what [`Positives::write`] wrote, and calls `each` for every event, oldest first, with
    /// whether it is in the window and among the recent.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        (window, recent): (usize, usize),
        mut each: impl FnMut(Positive, bool, bool) -> Option<()>,
    ) -> Option<Self> {
        let len = reader.count()?;
        let (start, all) = (reader.clone(), reader.left());
        let whole = Run { at: 0, len };
        let mut positives = Self { bytes: Vec::new(), window: whole, recent: whole };
        for at in 0..len {
            let left = len - at;
            for (run, most) in [(&mut positives.window, window), (&mut positives.recent, recent)] {
                if left == most {
                    *run = Run { at: all - reader.left(), len: left };
                }
            }
            each(read(reader)?, left <= window, left <= recent)?;
        }
        positives.bytes.extend_from_slice(start.clone().bytes(all - reader.left())?);
        Some(positives)
    }
}
