//! Dead letters as they are read back from their topic.

use super::Reason;
use crate::{Header, Record};

/// The header of a replayed event that names its letter: topic/partition/offset.
pub const REPLAYED_FROM: &str = "hmisr-replayed-from";
/// Group and transactional id of who replays dead letters; the groups of the reasons begin with it.
pub const REPLAY: &str = "hmisr-dlq-replay";

/// What the headers of a dead letter say; see [`DeadLetter`](super::DeadLetter), which writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter<'a> {
    /// The original key and payload, and all headers.
    pub record: &'a Record,
    /// Why the event was not processed.
    pub reason: Reason,
    /// Field, value and place.
    pub message: String,
    /// The topic that the event came from.
    pub topic: String,
    /// The event's partition there.
    pub partition: i32,
    /// The event's offset there.
    pub offset: i64,
    /// The event's own timestamp, epoch milliseconds; −1 where it was not known.
    pub timestamp_ms: i64,
    /// Whether key, payload and headers are all that came: nothing was cut for its size.
    pub whole: bool,
    originals: usize,
}

impl<'a> Letter<'a> {
    /// Reads the headers of a record of the dead-letter topic.
    ///
    /// # Errors
    /// A text that names the header that is missing or cannot be read, and its value.
    pub fn read(record: &'a Record) -> Result<Self, String> {
        // The original's headers come first, and may bear the same names.
        let originals = record
            .headers
            .iter()
            .rposition(|header| header.name == "hmisr-reason")
            .ok_or("header `hmisr-reason` is missing: it is not a dead letter")?;
        let ours = &record.headers[originals..];
        let text = |name: &str| {
            let header = ours.iter().find(|header| header.name == name);
            let value = &header.ok_or_else(|| format!("header `{name}` is missing"))?.value;
            std::str::from_utf8(value).map_err(|_| format!("header `{name}`: {value:02x?} is not UTF-8"))
        };
        fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("header `{name}`: {text:?} is not a number in its range"))
        }
        let reason = text("hmisr-reason")?;
        Ok(Self {
            record,
            reason: Reason::parse(reason)
                .ok_or_else(|| format!("header `hmisr-reason`: {reason:?} is not a reason"))?,
            message: text("hmisr-message")?.to_owned(),
            topic: text("hmisr-topic")?.to_owned(),
            partition: number("hmisr-partition", text("hmisr-partition")?)?,
            offset: number("hmisr-offset", text("hmisr-offset")?)?,
            timestamp_ms: number("hmisr-timestamp-ms", text("hmisr-timestamp-ms")?)?,
            whole: reason != Reason::Unreadable.as_str()
                && !ours.iter().any(|header| {
                    ["hmisr-cut-from", "hmisr-key-cut-from", "hmisr-headers-dropped"].contains(&&*header.name)
                }),
            originals,
        })
    }

    /// The headers that the event came with.
    pub fn original_headers(&self) -> &'a [Header] {
        &self.record.headers[..self.originals]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::DeadLetter;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = String> {
        const OURS: &[&str] =
            &["reason", "message", "topic", "partition", "offset", "timestamp-ms", "cut-from"];
        prop_oneof![".{0,6}", prop::sample::select(OURS).prop_map(|name| format!("hmisr-{name}"))]
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12),
            "(late|7|-1|99999999999999999999|\u{0})".prop_map(String::into_bytes),
        ]
    }

    fn headers() -> impl Strategy<Value = Vec<Header>> {
        prop::collection::vec((name(), value()).prop_map(|(name, value)| Header::new(&name, value)), 0..10)
    }

    fn record(headers: Vec<Header>) -> Record {
        Record { partition: 3, offset: 7, timestamp_ms: 8, key: None, payload: Some(b"x".to_vec()), headers }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(headers in headers(), message in ".{0,40}", at in 0..Reason::ALL.len()) {
            let record = record(headers);
            let reason = Reason::ALL[at];
            let written = DeadLetter { record: &record, topic: "events", reason, message: &message };
            let written = written.outgoing("events-dlq", 4);
            let stored = Record { headers: written.headers, ..record.clone() };
            let letter = Letter::read(&stored).unwrap();
            prop_assert_eq!(letter.original_headers(), record.headers);
            // Of a batch that could not be read nothing is there to be replayed.
            let whole = reason != Reason::Unreadable;
            prop_assert_eq!((letter.reason, letter.message, letter.whole), (reason, message, whole));
            prop_assert_eq!((letter.topic.as_str(), letter.partition, letter.offset), ("events", 3, 7));
            prop_assert_eq!(letter.timestamp_ms, 8);
        }

        #[test]
        fn any_headers_are_read_or_refused_by_name(headers in headers()) {
            let record = record(headers);
            if let Err(problem) = Letter::read(&record) {
                prop_assert!(problem.contains("header `hmisr-"), "{}", problem);
            }
        }
    }

    #[test]
    fn what_was_cut_is_not_whole() {
        let long = Record { payload: Some(vec![b'x'; 1 << 20]), ..record(Vec::new()) };
        let key = Record { key: Some(vec![b'k'; 2_000]), ..record(Vec::new()) };
        let headers = record(vec![Header::new("h", vec![0; 70_000])]);
        for record in [long, key, headers] {
            let letter = DeadLetter { record: &record, topic: "t", reason: Reason::TooLarge, message: "" };
            let letter = letter.outgoing("events-dlq", 4);
            let stored = Record { headers: letter.headers, ..record };
            assert!(!Letter::read(&stored).unwrap().whole);
        }
    }
}
