//! Keys and values of the log's RocksDB.

use std::ops::Range;

use crate::{Error, ErrorKind, Header, Outgoing, Record, Result};

/// Topic number, partition and offset, big-endian: a partition's records lie in offset order.
pub(super) fn record_key(topic: u32, partition: i32, offset: i64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&topic.to_be_bytes());
    key[4..8].copy_from_slice(&partition.to_be_bytes());
    key[8..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a key of [`record_key`].
pub(super) fn offset_of(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(key.get(8..16)?.try_into().ok()?))
}

/// Key of a group's committed offset.
pub(super) fn offset_key(group: &str, topic: u32, partition: i32) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + group.len());
    key.extend_from_slice(&topic.to_be_bytes());
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(group.as_bytes());
    key
}

const HAS_KEY: u8 = 1;
const HAS_PAYLOAD: u8 = 2;

/// Records to be written, as they will lie in the log but for their timestamps, one after the other: the memory of a
/// transaction is that of the one before.
#[derive(Default)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    each: Vec<Place>,
}

/// Where a record goes, and where it is among the bytes.
struct Place {
    topic: &'static str,
    partition: i32,
    bytes: Range<usize>,
}

impl Place {
    fn partition(&self) -> (&'static str, i32) {
        (self.topic, self.partition)
    }
}

impl Encoded {
    pub(super) fn push(&mut self, record: &Outgoing) {
        let start = self.bytes.len();
        encode(record, &mut self.bytes);
        let Outgoing { topic, partition, .. } = *record;
        self.each.push(Place { topic, partition, bytes: start..self.bytes.len() });
    }

    pub(super) fn clear(&mut self) {
        /// More than a usual transaction takes is not kept.
        const KEPT: usize = 64 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.each.clear();
        self.each.shrink_to(KEPT / size_of::<Place>());
    }

    /// Bytes that writing them takes, with keys as long as records'.
    pub(super) fn size(&self) -> usize {
        const FRAME: usize = 32;
        self.bytes.len() + self.each.len() * FRAME
    }

    /// The values at this time, those of one topic and partition together, in their order: keys that ascend are put
    /// into RocksDB's memory table each beside the one before, without a search.
    pub(super) fn runs(
        &mut self,
        timestamp_ms: i64,
    ) -> impl Iterator<Item = ((&'static str, i32), impl Iterator<Item = &[u8]>)> {
        for Place { bytes, .. } in &self.each {
            self.bytes[bytes.start..][..TIMESTAMP].copy_from_slice(&timestamp_ms.to_le_bytes());
        }
        self.each.sort_by_key(Place::partition);
        let bytes = &self.bytes;
        self.each.chunk_by(|one, other| one.partition() == other.partition()).map(move |places| {
            (places[0].partition(), places.iter().map(move |place| &bytes[place.bytes.clone()]))
        })
    }
}

/// Bytes of a timestamp.
const TIMESTAMP: usize = size_of::<i64>();

/// Room for the timestamp, flags, key, headers, then the payload to the value's end.
fn encode(record: &Outgoing, out: &mut Vec<u8>) {
    let payload = record.payload.as_deref().unwrap_or_default();
    let key = record.key.as_deref().unwrap_or_default();
    let headers: usize = record.headers.iter().map(|header| 8 + header.name.len() + header.value.len()).sum();
    out.reserve(TIMESTAMP + 9 + key.len() + headers + payload.len());
    out.extend_from_slice(&[0; TIMESTAMP]);
    let has_key = if record.key.is_some() { HAS_KEY } else { 0 };
    let has_payload = if record.payload.is_some() { HAS_PAYLOAD } else { 0 };
    out.push(has_key | has_payload);
    put(out, key);
    out.extend_from_slice(&(record.headers.len() as u32).to_le_bytes());
    for header in &record.headers {
        put(out, header.name.as_bytes());
        put(out, &header.value);
    }
    out.extend_from_slice(payload);
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads what [`Encoded::runs`] gave.
pub(super) fn decode(partition: i32, key: &[u8], value: &[u8]) -> Result<Record> {
    read(partition, key, value).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            format!("embedded log: the record at key {key:02x?} cannot be read; restore the data folder from a copy, or start with an empty one"),
        )
    })
}

fn read(partition: i32, key: &[u8], value: &[u8]) -> Option<Record> {
    let offset = offset_of(key)?;
    let mut rest = value;
    let timestamp_ms = i64::from_le_bytes(take(&mut rest, TIMESTAMP)?.try_into().ok()?);
    let flags = *take(&mut rest, 1)?.first()?;
    let key = get(&mut rest)?.to_vec();
    let headers = (0..length(&mut rest)?)
        .map(|_| {
            let name = String::from_utf8(get(&mut rest)?.to_vec()).ok()?;
            Some(Header { name, value: get(&mut rest)?.to_vec() })
        })
        .collect::<Option<_>>()?;
    Some(Record {
        partition,
        offset,
        timestamp_ms,
        key: (flags & HAS_KEY != 0).then_some(key),
        payload: (flags & HAS_PAYLOAD != 0).then(|| rest.to_vec()),
        headers,
    })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?) as usize)
}

fn get<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = length(rest)?;
    take(rest, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_reads_back(
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            payload in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            headers in prop::collection::vec((".{0,9}", prop::collection::vec(any::<u8>(), 0..20)), 0..4),
            offset in 0..i64::MAX,
            timestamp_ms in any::<i64>(),
        ) {
            let headers = headers.iter().map(|(name, value)| Header::new(name, value)).collect();
            let sent = Outgoing { topic: "t", partition: 3, key, payload, headers };
            let mut encoded = Encoded::default();
            // What was there before is of no account.
            encoded.push(&Outgoing { payload: Some(vec![7; 300]), ..sent.clone() });
            encoded.clear();
            encoded.push(&sent);
            encoded.push(&Outgoing { partition: 1, key: None, ..sent.clone() });
            encoded.push(&sent);
            let runs: Vec<(_, Vec<_>)> =
                encoded.runs(timestamp_ms).map(|(place, values)| (place, values.collect())).collect();
            prop_assert_eq!((runs.len(), runs[0].0, runs[1].0), (2, ("t", 1), ("t", 3)));
            let values = &runs[1].1;
            prop_assert_eq!((values.len(), values[0]), (2, values[1]));
            let read = decode(3, &record_key(7, 3, offset), values[0]).unwrap();
            prop_assert_eq!((read.offset, read.timestamp_ms), (offset, timestamp_ms));
            prop_assert_eq!((read.key, read.payload, read.headers), (sent.key, sent.payload, sent.headers));
        }

        #[test]
        fn a_damaged_record_is_read_or_refused_without_panic(
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            keep in any::<prop::sample::Index>(),
        ) {
            let headers = vec![Header::new("a", "b"), Header::new("", [0; 300])];
            let sent = Outgoing { topic: "t", partition: 3, key: Some(vec![1; 9]), payload: Some(vec![2; 9]), headers };
            let mut value = Vec::new();
            encode(&sent, &mut value);
            let place = at.index(value.len());
            value[place] = byte;
            value.truncate(keep.index(value.len() * 2).max(1));
            if let Ok(read) = decode(3, &record_key(7, 3, 1), &value) {
                prop_assert!(read.bytes() <= value.len() + 64);
            }
        }

        #[test]
        fn rubbish_is_refused_without_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(0, &record_key(1, 0, 0), &value);
        }
    }
}
