//! Where a batch ends that cannot be read.
//!
//! Its header would say so, but librdkafka does not hand it out. A reader that begins within the batch
//! is sent the whole of it and fails; one that begins behind it does not. So the end lies between an
//! offset that fails and one that does not, which a search finds.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::Reporting;
use super::queue::RecordQueue;
use super::{KafkaSettings, unjoined};
use crate::{Error, ErrorKind, Result};

/// How long a broker may take to answer at all.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a try waits for a record or an error, at least: a damage that librdkafka does not tell of takes all
/// of it. And how many times as long as the end of the log takes to come.
const TRY: Duration = Duration::from_secs(5);
const TIMES: u32 = 5;

/// The first offset from which on `topic` can be read again, behind the batch that holds `offset`; `end` where
/// that is the last of the log.
pub(super) fn find(
    settings: &KafkaSettings,
    topic: &str,
    partition: i32,
    offset: i64,
    end: i64,
) -> Result<i64> {
    let unavailable = |text: String| Error::new(ErrorKind::Unavailable, text);
    if offset >= end {
        return Err(unavailable(format!("{topic} [{partition}] ends at {end}: no batch is at {offset}")));
    }
    // A consumer for each try: what one says after it met a damaged batch is of no use.
    let tried = |at, within| {
        unjoined::with(settings, |consumer| {
            let queue = RecordQueue::new(consumer.client())
                .ok_or_else(|| Error::new(ErrorKind::Unavailable, "librdkafka makes no queue"))?;
            meets(consumer, &queue, topic, partition, at, within)
        })
    };
    // Silence tells of a damage only where the end of the log is told of, before and after.
    let takes = || {
        let began = Instant::now();
        match tried(end, ANSWER)? {
            Some(_) => Ok(began.elapsed()),
            None => Err(unavailable(format!(
                "the leader of {topic} [{partition}] does not tell of the end of its log at {end} within {} s: \
                 where the batch at {offset} ends cannot be known",
                ANSWER.as_secs()
            ))),
        }
    };
    let within = takes()?.saturating_mul(TIMES).max(TRY);
    if tried(offset, within)? == Some(Met::Record) {
        return Err(unavailable(format!("offset {offset} of {topic} [{partition}] can be read again")));
    }
    search(offset, end, |at| match tried(at, within)? {
        Some(Met::Record | Met::End) => Ok(true),
        // The batch that begins here may be another one that cannot be read. Its begin is no part of the checksum.
        Some(Met::Unreadable(begins)) => Ok((at..end).contains(&begins)),
        None => takes().map(|_| false),
    })
}

/// The first offset of `offset + 1..=end` from which on reading works, where it does from that on.
fn search(offset: i64, end: i64, mut works: impl FnMut(i64) -> Result<bool>) -> Result<i64> {
    let (mut fails, mut step) = (offset, 1);
    let mut good = loop {
        let next = fails.saturating_add(step).min(end);
        if next >= end || works(next)? {
            break next.max(offset + 1);
        }
        (fails, step) = (next, step * 2);
    };
    while good - fails > 1 {
        let middle = fails + (good - fails) / 2;
        match works(middle)? {
            true => good = middle,
            false => fails = middle,
        }
    }
    Ok(good)
}

/// What comes first to a reader.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Record,
    /// The end of the log.
    End,
    /// What cannot be read, and is said to begin here.
    Unreadable(i64),
}

/// What a reader that begins at `offset` meets first; none where nothing comes.
fn meets(
    consumer: &BaseConsumer<Reporting>,
    queue: &RecordQueue,
    topic: &str,
    partition: i32,
    offset: i64,
    within: Duration,
) -> Result<Option<Met>> {
    let failed = |error: KafkaError| {
        let text =
            format!("looking for the end of the batch before offset {offset} of {topic} [{partition}]");
        Error::caused(ErrorKind::Unavailable, format!("{text}: {error}"), error)
    };
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(failed)?;
    queue.lead(consumer.client(), topic, partition);
    consumer.assign(&list).map_err(failed)?;
    // Silence must come from the batch, not from a broker that is not reached yet.
    consumer.fetch_watermarks(topic, partition, ANSWER).map_err(failed)?;
    let deadline = Instant::now() + within;
    let mut answer = None;
    while answer.is_none() && Instant::now() < deadline {
        // Serves the consumer's own events; nothing of the partition comes here.
        if let Some(Ok(message)) = consumer.poll(Duration::ZERO) {
            tracing::debug!(offset = message.offset(), "a record came past the queue");
        }
        queue.take(Duration::from_millis(50), 1, |message| {
            let met = match message {
                Ok(message) if message.offset() >= offset => Met::Record,
                Err(failed) if failed.code == RDKafkaErrorCode::PartitionEOF => Met::End,
                Err(failed) if failed.is_unreadable() => Met::Unreadable(failed.offset),
                // Of the way there.
                Ok(_) | Err(_) => return,
            };
            answer.get_or_insert(met);
        });
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_it_is() {
        for end_of_batch in 8..300 {
            for end in [end_of_batch, end_of_batch + 1, 1_000] {
                let found = search(7, end, |at| Ok(at >= end_of_batch)).unwrap();
                assert_eq!(found, end_of_batch, "of a log that ends at {end}");
            }
        }
        assert_eq!(search(7, 8, |_| Ok(false)).unwrap(), 8);
        assert_eq!(search(7, 7, |_| Ok(false)).unwrap(), 8);
    }
}
