//! The stored form of item counts and progress; that of a user is `UserState::write`.

use std::collections::BTreeMap;

use hmisr_features::varint::{Reader, put, put_signed};
use hmisr_features::{ItemCount, PartitionState, Popularity};

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

pub(crate) fn encode_progress(progress: &Progress, out: &mut Vec<u8>) {
    let Progress { next_offset, partition: PartitionState { watermark, popularity } } = progress;
    put_signed(out, *next_offset);
    out.push(u8::from(watermark.is_some()));
    put_signed(out, watermark.unwrap_or_default());
    put(out, popularity.applied);
    put(out, popularity.threshold);
    put(out, u64::from(popularity.halvings));
    put(out, popularity.histogram.len() as u64);
    for (count, items) in &popularity.histogram {
        put(out, *count);
        put(out, *items);
    }
}

pub(crate) fn decode_progress(bytes: &[u8]) -> Option<Progress> {
    let mut reader = Reader::new(bytes);
    let next_offset = reader.signed()?;
    let has_watermark = reader.byte()? == 1;
    let watermark = reader.signed()?;
    let (applied, threshold) = (reader.unsigned()?, reader.unsigned()?);
    let halvings = reader.unsigned()?.try_into().ok()?;
    let mut histogram = BTreeMap::new();
    for _ in 0..reader.count()? {
        histogram.insert(reader.unsigned()?, reader.unsigned()?);
    }
    let popularity = Popularity { applied, threshold, halvings, histogram };
    let partition = PartitionState { watermark: has_watermark.then_some(watermark), popularity };
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
            watermark in prop::option::of(any::<i64>()),
            histogram in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..20),
            applied in any::<u64>(),
        ) {
            let popularity = Popularity { applied, threshold: 3, halvings: 2, histogram };
            let progress = Progress { next_offset, partition: PartitionState { watermark, popularity } };
            let mut bytes = Vec::new();
            encode_progress(&progress, &mut bytes);
            prop_assert_eq!(decode_progress(&bytes), Some(progress));
        }
    }
}
