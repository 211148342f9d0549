//! The stored form of users, item counts and progress.
//!
//! Small by construction, since a busy user is rewritten at every commit: integers are varints,
//! times are differences, and a visit names its category by its place among the user's lifetime
//! categories. Reading gives back the very state that was written, the rounding of the running
//! sums included, so that eviction from the cache never changes a result.

use std::collections::{BTreeMap, VecDeque};

use hmisr_features::{
    Accumulator, FeatureSettings, Id, ItemCount, PartitionState, Popularity, UserState, Visit,
};

use crate::varint::{Reader, put, put_signed};

const INT: u8 = 0;
const TEXT: u8 = 1;
const QUOTED_INT: u8 = 2;
const ID_MASK: u8 = 3;
const TAIL: u8 = 4;

pub(crate) fn encode_user(user: &UserState, out: &mut Vec<u8>) {
    let lifetime = user.lifetime();
    put_signed(out, user.newest_ts().unwrap_or_default());
    out.extend_from_slice(&lifetime.s().to_le_bytes());
    put(out, lifetime.switches());
    put(out, lifetime.tails());
    put(out, lifetime.counts().len() as u64);
    for (category, count) in lifetime.counts() {
        put_id(out, category, 0);
        put(out, u64::from(*count));
    }
    out.extend_from_slice(&user.window().s().to_le_bytes());
    put(out, user.visits().len() as u64);
    let mut last_ts = user.newest_ts().unwrap_or_default();
    for visit in user.visits() {
        put_id(out, &visit.item, if visit.tail { TAIL } else { 0 });
        // A visit's category is always among the lifetime's.
        let place = lifetime.counts().binary_search_by(|(category, _)| category.cmp(&visit.category));
        put(out, place.unwrap_or_default() as u64);
        put_signed(out, visit.ts.wrapping_sub(last_ts));
        last_ts = visit.ts;
    }
}

pub(crate) fn decode_user(settings: &FeatureSettings, bytes: &[u8]) -> Option<UserState> {
    let mut reader = Reader::new(bytes);
    let newest_ts = reader.signed()?;
    let s = reader.float()?;
    let (switches, tails) = (reader.unsigned()?, reader.unsigned()?);
    let mut counts = Vec::new();
    for _ in 0..reader.count()? {
        let (category, _) = get_id(&mut reader)?;
        counts.push((category, u32::try_from(reader.unsigned()?).ok()?));
    }
    let window_s = reader.float()?;
    let mut visits = VecDeque::new();
    let mut last_ts = newest_ts;
    for _ in 0..reader.count()? {
        let (item, flags) = get_id(&mut reader)?;
        let category = counts.get(usize::try_from(reader.unsigned()?).ok()?)?.0.clone();
        let ts = last_ts.wrapping_add(reader.signed()?);
        visits.push_back(Visit { item, category, ts, tail: flags & TAIL != 0 });
        last_ts = ts;
    }
    let lifetime = Accumulator::from_parts(counts, switches, tails, s);
    reader.is_empty().then(|| UserState::from_parts(settings, Some(newest_ts), lifetime, window_s, visits))
}

fn put_id(out: &mut Vec<u8>, id: &Id, flags: u8) {
    match id.as_int() {
        Some(value) => {
            out.push(flags | if id.is_quoted_int() { QUOTED_INT } else { INT });
            put(out, value);
        }
        None => {
            let text = id.as_text().unwrap_or_default();
            out.push(flags | TEXT);
            put(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn get_id(reader: &mut Reader<'_>) -> Option<(Id, u8)> {
    let flags = reader.byte()?;
    let id = match flags & ID_MASK {
        INT => Id::int(reader.unsigned()?).ok()?,
        QUOTED_INT => Id::text(&reader.unsigned()?.to_string()).ok()?,
        TEXT => {
            let length = reader.count()?;
            Id::text(std::str::from_utf8(reader.bytes(length)?).ok()?).ok()?
        }
        _ => return None,
    };
    Some((id, flags))
}

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

    fn id() -> impl Strategy<Value = Id> {
        prop_oneof![
            (0..6u32).prop_map(Id::from),
            any::<u32>().prop_map(Id::from),
            "[a-c]{1,3}".prop_map(|text| Id::text(&text).unwrap()),
            (0..9u32).prop_map(|n| Id::text(&n.to_string()).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn a_user_reads_back_bit_for_bit(
            window in 1..12usize,
            visits in prop::collection::vec((id(), id(), -1_000..1_000_000_000_000i64, any::<bool>()), 1..600),
        ) {
            let settings = FeatureSettings { window, recent: 3, ..FeatureSettings::default() };
            let mut user = UserState::default();
            for (item, category, ts, tail) in visits {
                user.push(&settings, 5, Visit { item, category, ts, tail });
            }
            let mut bytes = Vec::new();
            encode_user(&user, &mut bytes);
            let read = decode_user(&settings, &bytes).unwrap();
            prop_assert_eq!(&read, &user);
            prop_assert_eq!(read.window().s().to_bits(), user.window().s().to_bits());
            prop_assert_eq!(decode_user(&settings, &bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_user(&FeatureSettings::default(), &bytes);
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
