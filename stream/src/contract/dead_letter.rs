//! Events that could not be processed.

use std::fmt;

use crate::{Header, Outgoing, Record};

/// Why an event was not processed; the label of every dead-letter counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The payload is not one JSON object.
    Malformed,
    /// A field is missing, of another type or out of range.
    Invalid,
    /// A word for a missing value (`NULL`, `nan`, …) stands for the user or the item.
    MissingId,
    /// The record's key is not the text of the event's `user_id`.
    KeyMismatch,
    /// Older than the user's newest event by more than the allowed lateness.
    Late,
    /// Later than the record's own timestamp by more than `max_future_ms`.
    Future,
    /// Before `features.min_ts_ms` or from 2200 on: most likely of another unit.
    ImplausibleTime,
    /// The payload is longer than the configured limit.
    TooLarge,
    /// The user already has as many categories as `pipeline.max_user_categories` allows.
    TooManyCategories,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Invalid,
        Self::MissingId,
        Self::KeyMismatch,
        Self::Late,
        Self::Future,
        Self::ImplausibleTime,
        Self::TooLarge,
        Self::TooManyCategories,
    ];

    /// The reason as it stands in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::MissingId => "missing_id",
            Self::KeyMismatch => "key_mismatch",
            Self::Late => "late",
            Self::Future => "future",
            Self::ImplausibleTime => "implausible_time",
            Self::TooLarge => "too_large",
            Self::TooManyCategories => "too_many_categories",
        }
    }

    /// The reason of that text; none where there is no such reason.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that could not be processed, with what was wrong.
///
/// On the topic it has the original key, payload and headers; what was wrong stands in headers
/// named `hmisr-…` after those. Every broker and log takes it with its default settings, however
/// large the record was: what is beyond the bounds here is cut or left out, and a header tells of
/// it: `hmisr-cut-from` (the payload's length), `hmisr-key-cut-from` (the key's length),
/// `hmisr-headers-dropped` (the number of original headers).
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// The record as it came.
    pub record: &'a Record,
    /// The topic it came from.
    pub topic: &'a str,
    /// Why it was not processed.
    pub reason: Reason,
    /// Field, value and place.
    pub message: &'a str,
}

impl DeadLetter<'_> {
    /// The most that key, payload and headers take together, in bytes, [`Self::HEADER_OVERHEAD`]
    /// for each header counted. A producer takes 1,000,000 bytes by default, a broker and the
    /// embedded log about 1 MiB; the rest is left to the record's framing.
    pub const MAX_BYTES: usize = 950_000;
    /// Longest key that is kept whole, in bytes.
    pub const MAX_KEY_BYTES: usize = 1024;
    /// Longest message and topic, in bytes.
    pub const MAX_TEXT_BYTES: usize = 1024;
    /// The most that the original headers take; more of them are all left out.
    pub const MAX_HEADER_BYTES: usize = 64 << 10;
    /// What a header takes besides its name and value, at most.
    pub const HEADER_OVERHEAD: usize = 16;

    /// The dead letter as a record of the dead-letter topic, in the partition that it came from
    /// (taken modulo `partitions`).
    pub fn outgoing(&self, to: &'static str, partitions: i32) -> Outgoing {
        let Record { key, payload, .. } = self.record;
        let mut headers = Vec::new();
        let keeps_headers = size(&self.record.headers) <= Self::MAX_HEADER_BYTES;
        if keeps_headers {
            headers.extend(self.record.headers.iter().cloned());
        }
        headers.extend([
            Header::new("hmisr-reason", self.reason.as_str()),
            Header::new("hmisr-message", head(self.message, Self::MAX_TEXT_BYTES)),
            Header::new("hmisr-topic", head(self.topic, Self::MAX_TEXT_BYTES)),
            Header::new("hmisr-partition", self.record.partition.to_string()),
            Header::new("hmisr-offset", self.record.offset.to_string()),
            Header::new("hmisr-timestamp-ms", self.record.timestamp_ms.to_string()),
        ]);
        if !keeps_headers {
            headers.push(Header::new("hmisr-headers-dropped", self.record.headers.len().to_string()));
        }
        let key = cut(key.as_deref(), Self::MAX_KEY_BYTES, "hmisr-key-cut-from", &mut headers);
        // The header that tells of the cut takes from the room as well.
        let room = Self::MAX_BYTES - key.as_ref().map_or(0, Vec::len) - size(&headers) - 64;
        let payload = cut(payload.as_deref(), room, "hmisr-cut-from", &mut headers);
        Outgoing { topic: to, partition: self.record.partition % partitions.max(1), key, payload, headers }
    }
}

/// The beginning of `bytes`; where that is not all, a header gives their length.
fn cut(bytes: Option<&[u8]>, most: usize, name: &str, headers: &mut Vec<Header>) -> Option<Vec<u8>> {
    let bytes = bytes?;
    if bytes.len() > most {
        headers.push(Header::new(name, bytes.len().to_string()));
    }
    Some(bytes[..bytes.len().min(most)].to_vec())
}

/// The beginning of a text, at most `most` bytes of whole characters.
fn head(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn size(headers: &[Header]) -> usize {
    let of = |header: &Header| header.name.len() + header.value.len() + DeadLetter::HEADER_OVERHEAD;
    headers.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letter(record: &Record, message: &str) -> Outgoing {
        DeadLetter { record, topic: "events", reason: Reason::Invalid, message }.outgoing("dlq", 4)
    }

    fn value<'a>(letter: &'a Outgoing, name: &str) -> Option<&'a str> {
        let header = letter.headers.iter().rfind(|header| header.name == name)?;
        Some(std::str::from_utf8(&header.value).unwrap())
    }

    /// Some length, small ones and those about a bound as often as any.
    fn length(most: usize) -> impl Strategy<Value = usize> {
        prop_oneof![0..100usize, 1_000..1_100usize, 60_000..70_000usize, 850_000..1_050_000usize, 0..most]
            .prop_map(move |length| length.min(most))
    }

    fn headers() -> impl Strategy<Value = Vec<Header>> {
        let one = |(name, length): (String, usize)| Header::new(&name, vec![b'h'; length]);
        prop_oneof![
            prop::collection::vec(("[a-zü]{0,20}", length(1 << 20)).prop_map(one), 0..4),
            prop::collection::vec(("[a-z]{0,2}", 0..3usize).prop_map(one), 0..10_000),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_letter_fits_whatever_the_record_was(
            key in prop::option::of(length(2 << 20)),
            payload in prop::option::of(length(16 << 20)),
            message in length(1 << 20),
            sign in prop::sample::select(vec!["x", "ü", "…", "😀"]),
            headers in headers(),
            offset in 0..i64::MAX,
        ) {
            let record = Record {
                partition: i32::MAX,
                offset,
                timestamp_ms: i64::MIN,
                key: key.map(|length| vec![b'k'; length]),
                payload: payload.map(|length| vec![b'p'; length]),
                headers,
            };
            let message = sign.repeat(message / sign.len());
            let letter = letter(&record, &message);
            let key_bytes = letter.key.as_ref().map_or(0, Vec::len);
            let payload_bytes = letter.payload.as_ref().map_or(0, Vec::len);
            let bytes = key_bytes + payload_bytes + size(&letter.headers);
            prop_assert!(bytes <= DeadLetter::MAX_BYTES, "{bytes} bytes");

            // Nothing is taken from what fits, and what is taken is told.
            let told = |name| value(&letter, name).map(|text| text.parse::<usize>().unwrap());
            prop_assert_eq!(told("hmisr-key-cut-from"), key.filter(|length| *length > 1024));
            prop_assert_eq!(key_bytes, key.unwrap_or(0).min(1024));
            prop_assert_eq!(letter.key.is_some(), key.is_some());
            prop_assert_eq!(told("hmisr-cut-from"), payload.filter(|length| *length > payload_bytes));
            prop_assert!(payload_bytes >= payload.unwrap_or(0).min(850_000));
            prop_assert_eq!(letter.payload.is_some(), payload.is_some());
            prop_assert!(message.starts_with(value(&letter, "hmisr-message").unwrap()));
            match told("hmisr-headers-dropped") {
                Some(count) => {
                    prop_assert_eq!(count, record.headers.len());
                    prop_assert!(size(&record.headers) > 64 << 10);
                }
                None => prop_assert!(letter.headers.starts_with(&record.headers)),
            }
        }
    }

    #[test]
    fn an_ordinary_record_is_untouched() {
        let record = Record {
            partition: 6,
            offset: 7,
            timestamp_ms: 8,
            key: Some(b"key".to_vec()),
            payload: Some(b"payload".to_vec()),
            headers: vec![Header::new("trace", "1")],
        };
        let letter = letter(&record, "wrong");
        assert_eq!((letter.topic, letter.partition), ("dlq", 2));
        assert_eq!((&letter.key, &letter.payload), (&record.key, &record.payload));
        let expected = [
            ("trace", "1"),
            ("hmisr-reason", "invalid"),
            ("hmisr-message", "wrong"),
            ("hmisr-topic", "events"),
            ("hmisr-partition", "6"),
            ("hmisr-offset", "7"),
            ("hmisr-timestamp-ms", "8"),
        ];
        assert_eq!(letter.headers, expected.map(|(name, value)| Header::new(name, value)));
    }
}
