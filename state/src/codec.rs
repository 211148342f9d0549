//! The stored form of item counts and progress; that of a user is `UserState::write`.

use std::collections::BTreeMap;

use hmisr_features::varint::{Reader, put, put_signed};
use hmisr_features::{Clock, Id, ItemCount, PartitionState, Popularity};

pub(crate) fn encode_item(item: ItemCount, out: &mut Vec<u8>) {
    put(out, item.count);
    put(out, u64::from(item.halvings));
}

pub(crate) fn decode_item(bytes: &[u8]) -> Option<ItemCount> {
    let mut reader = Reader::new(bytes);
    let (count, halvings) = (reader.unsigned()?, reader.unsigned()?.try_into().ok()?);
    reader.is_empty().then_some(ItemCount { count, halvings })
}

/// The next input offset, and the state that all users of the partition share.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress {
    pub(crate) next_offset: i64,
    pub(crate) partition: PartitionState,
}

/// What a look-up reads of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Head {
    pub(crate) next_offset: i64,
    /// The partition's clock.
    pub(crate) clock: Option<i64>,
}

pub(crate) fn encode_progress(progress: &Progress, out: &mut Vec<u8>) {
    let Progress { next_offset, partition: PartitionState { clock, popularity } } = progress;
    put_signed(out, *next_offset);
    out.push(u8::from(clock.now().is_some()));
    put_signed(out, clock.now().unwrap_or_default());
    put(out, popularity.applied);
    put(out, popularity.threshold);
    put(out, u64::from(popularity.halvings));
    put(out, popularity.histogram.len() as u64);
    for (count, items) in &popularity.histogram {
        put(out, *count);
        put(out, *items);
    }
    put(out, clock.len() as u64);
    // Most of the times are near each other.
    let (mut key, mut before) = (Vec::new(), 0_i64);
    for (user, newest_ts) in clock.slots() {
        key.clear();
        user.write_key(&mut key);
        put(out, key.len() as u64);
        out.extend_from_slice(&key);
        put_signed(out, newest_ts.wrapping_sub(before));
        before = newest_ts;
    }
}

fn take_head(reader: &mut Reader<'_>) -> Option<Head> {
    let next_offset = reader.signed()?;
    let has_clock = reader.byte()? == 1;
    let clock = reader.signed()?;
    Some(Head { next_offset, clock: has_clock.then_some(clock) })
}

/// The beginning of what [`decode_progress`] reads.
pub(crate) fn decode_head(bytes: &[u8]) -> Option<Head> {
    take_head(&mut Reader::new(bytes))
}

pub(crate) fn decode_progress(bytes: &[u8]) -> Option<Progress> {
    let mut reader = Reader::new(bytes);
    let Head { next_offset, clock } = take_head(&mut reader)?;
    let (applied, threshold) = (reader.unsigned()?, reader.unsigned()?);
    let halvings = reader.unsigned()?.try_into().ok()?;
    let mut histogram = BTreeMap::new();
    for _ in 0..reader.count()? {
        histogram.insert(reader.unsigned()?, reader.unsigned()?);
    }
    let (mut slots, mut before) = (Vec::new(), 0_i64);
    for _ in 0..reader.count()? {
        let length = reader.count()?;
        let user = Id::from_key(reader.bytes(length)?)?;
        before = before.wrapping_add(reader.signed()?);
        slots.push((user, before));
    }
    let popularity = Popularity { applied, threshold, halvings, histogram };
    let partition = PartitionState { clock: Clock::with(clock, slots), popularity };
    reader.is_empty().then_some(Progress { next_offset, partition })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_progress(&bytes);
            let _ = decode_item(&bytes);
        }

        #[test]
        fn progress_reads_back(
            next_offset in any::<i64>(),
            now in prop::option::of(any::<i64>()),
            slots in prop::collection::btree_map("[a-z]{1,3}|[0-9]{1,3}", any::<i64>(), 0..300),
            histogram in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..20),
            applied in any::<u64>(),
        ) {
            let popularity = Popularity { applied, threshold: 3, halvings: 2, histogram };
            let slots = slots.into_iter().map(|(id, ts)| (Id::text(&id).unwrap(), ts)).take(255);
            let clock = Clock::with(now, slots);
            let progress = Progress { next_offset, partition: PartitionState { clock, popularity } };
            let mut bytes = Vec::new();
            encode_progress(&progress, &mut bytes);
            prop_assert_eq!(decode_head(&bytes), Some(Head { next_offset, clock: now }));
            prop_assert_eq!(decode_progress(&bytes), Some(progress));
        }
    }
}
