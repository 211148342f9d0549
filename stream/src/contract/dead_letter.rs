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
    /// The record's key is not the text of the event's `user_id`.
    KeyMismatch,
    /// Older than the user's newest event by more than the allowed lateness.
    Late,
    /// Later than the record's own timestamp by more than `max_future_ms`.
    Future,
    /// The payload is longer than the configured limit.
    TooLarge,
    /// The user already has as many categories as `pipeline.max_user_categories` allows.
    TooManyCategories,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Invalid,
        Self::KeyMismatch,
        Self::Late,
        Self::Future,
        Self::TooLarge,
        Self::TooManyCategories,
    ];

    /// The reason as it stands in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::KeyMismatch => "key_mismatch",
            Self::Late => "late",
            Self::Future => "future",
            Self::TooLarge => "too_large",
            Self::TooManyCategories => "too_many_categories",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that could not be processed, with what was wrong.
///
/// On the topic it has the original key and payload, untouched; the rest stands in headers
/// named `hmisr-…`. A payload longer than [`DeadLetter::MAX_PAYLOAD_BYTES`] is cut, and the
/// header `hmisr-cut-from` gives its length.
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
    /// Longest payload that a dead letter carries whole: below the broker's default limit of
    /// 1 MiB (`message.max.bytes`) by room for key and headers.
    pub const MAX_PAYLOAD_BYTES: usize = 1_000_000;

    /// The dead letter as a record of the dead-letter topic, in the partition that it came from
    /// (taken modulo `partitions`).
    pub fn outgoing(&self, to: &'static str, partitions: i32) -> Outgoing {
        let payload = self.record.payload.as_deref();
        let cut = payload.filter(|payload| payload.len() > Self::MAX_PAYLOAD_BYTES);
        let mut headers = vec![
            Header::new("hmisr-reason", self.reason.as_str()),
            Header::new("hmisr-message", self.message),
            Header::new("hmisr-topic", self.topic),
            Header::new("hmisr-partition", self.record.partition.to_string()),
            Header::new("hmisr-offset", self.record.offset.to_string()),
            Header::new("hmisr-timestamp-ms", self.record.timestamp_ms.to_string()),
        ];
        if let Some(whole) = cut {
            headers.push(Header::new("hmisr-cut-from", whole.len().to_string()));
        }
        Outgoing {
            topic: to,
            partition: self.record.partition % partitions.max(1),
            key: self.record.key.clone(),
            payload: payload.map(|payload| payload[..payload.len().min(Self::MAX_PAYLOAD_BYTES)].to_vec()),
            headers,
        }
    }
}
