//! What stands in a topic.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::message::Message;

use super::unjoined::{self, Ended, Reading};
use super::{KafkaSettings, ffi};
use crate::{Error, ErrorKind, Record, Result};

/// All committed records that a topic holds now, by partition and offset, without a group.
///
/// For tools and tests: the records are kept in memory.
///
/// # Errors
/// Kinds `MissingTopic`, `Configuration`, `Unavailable`; the last also where reading takes longer
/// than `within`.
pub fn read_committed(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<Vec<Record>> {
    read_committed_up_to(settings, topic, within, usize::MAX)
}

/// As [`read_committed`], of a topic whose keys and payloads are at most `bytes` together.
///
/// # Errors
/// As there; kind `Configuration` where the topic holds more.
pub fn read_committed_up_to(
    settings: &KafkaSettings,
    topic: &str,
    within: Duration,
    bytes: usize,
) -> Result<Vec<Record>> {
    let (mut room, mut records) = (bytes, Vec::new());
    let ended = unjoined::with(settings, |consumer| {
        Reading::of(consumer, settings, topic)?.from(Offset::Beginning, within, |message| {
            room = room.checked_sub(message.key_len() + message.payload_len()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{topic} holds more than {bytes} bytes: set its cleanup.policy and max.message.bytes, and see who writes it"),
                )
            })?;
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().map(<[u8]>::to_vec),
                headers: ffi::headers(message),
            });
            Ok(ControlFlow::Continue(()))
        })
    })?;
    if ended == Ended::Late {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!("reading {topic} to its end takes longer than {} ms", within.as_millis()),
        ));
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}
