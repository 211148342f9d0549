//! Where a batch ends that cannot be read.
//!
//! Its header would say so, but librdkafka does not hand it out. A reader that begins within the batch
//! is sent the whole of it and fails; one that begins behind it does not. So the end lies between an
//! offset that fails and one that does not, which a search finds.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Reporting, close};
use super::queue::RecordQueue;
use super::{KafkaSettings, errors};
use crate::{Error, ErrorKind, Result};

/// How long a try waits for a record or an error; a damage that librdkafka does not tell of takes all of it.
const TRY: Duration = Duration::from_secs(3);
/// How long a seek may take.
const SEEK: Duration = Duration::from_secs(10);

/// The first offset from which on `topic` can be read again, behind the batch that holds `offset`; `end` where
/// that is the last of the log.
pub(super) fn find(
    settings: &KafkaSettings,
    topic: &str,
    partition: i32,
    offset: i64,
    end: i64,
) -> Result<i64> {
    // A group is needed by librdkafka, but never joined: partitions are assigned by hand.
    let reader =
        KafkaSettings { group_id: "hmisr-reader".to_owned(), group_instance_id: None, ..settings.clone() };
    let mut config = reader.for_source()?;
    config.set("enable.partition.eof", "true").set("fetch.error.backoff.ms", "50");
    let consumer: BaseConsumer<Reporting> =
        config.create_with_context(Reporting::default()).map_err(errors::creation)?;
    let queue = RecordQueue::new(consumer.client())
        .ok_or_else(|| Error::new(ErrorKind::Unavailable, "librdkafka makes no queue"))?;
    let found = search(offset, end, |at| can_read(&consumer, &queue, topic, partition, at));
    drop(queue);
    close(consumer, &reader.group_id);
    found
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

/// Whether a reader that begins at `offset` is not sent what it cannot read from before that.
fn can_read(
    consumer: &BaseConsumer<Reporting>,
    queue: &RecordQueue,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<bool> {
    let failed = |error: KafkaError| {
        let text =
            format!("looking for the end of the batch before offset {offset} of {topic} [{partition}]");
        Error::caused(ErrorKind::Unavailable, format!("{text}: {error}"), error)
    };
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(failed)?;
    if consumer.assignment().map_err(failed)?.count() == 0 {
        queue.lead(consumer.client(), topic, partition);
        consumer.assign(&list).map_err(failed)?;
    } else {
        consumer.seek(topic, partition, Offset::Offset(offset), SEEK).map_err(failed)?;
    }
    let deadline = Instant::now() + TRY;
    let mut answer = None;
    while answer.is_none() && Instant::now() < deadline {
        // Serves the consumer's own events; nothing of the partition comes here.
        if let Some(Ok(message)) = consumer.poll(Duration::ZERO) {
            tracing::debug!(offset = message.offset(), "a record came past the queue");
        }
        queue.take(Duration::from_millis(50), 1, |message| {
            let works = match message {
                Ok(message) => message.offset() >= offset,
                // The end of the log; or the batch that begins here is another one that cannot be read.
                Err(failed) => {
                    failed.code == rdkafka::error::RDKafkaErrorCode::PartitionEOF
                        || (failed.is_unreadable() && failed.offset >= offset)
                }
            };
            answer.get_or_insert(works);
        });
    }
    Ok(answer.unwrap_or(false))
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
